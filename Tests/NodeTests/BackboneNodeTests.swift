import Backbone
import Domain
import Foundation
import Logging
import Node
import Testing
import Wire

/// A grid and its backbone in one node, which is the only validator of both: packets go both ways
/// through the node's own couriers, with proofs, blocks and restarts as in any other.
@Suite struct BackboneNodeTests {
  private static let origin: Int64 = 1_700_000_100
  private static let stranger = ChainID(Bytes32(7, 7, 7, 7))

  private let lead = SigningKey(seed: [UInt8](repeating: 1, count: 32))!
  private let node = SigningKey(seed: [UInt8](repeating: 2, count: 32))!
  private let homes = (10..<12).map { SigningKey(seed: [UInt8](repeating: $0, count: 32))! }
  private let meters = (20..<22).map { SigningKey(seed: [UInt8](repeating: $0, count: 32))! }
  private let clock = HandClock(seconds: origin)
  private let folder = NSTemporaryDirectory() + "intertie-backbone-\(UUID().uuidString)"

  private var backbone: BackboneGenesis {
    BackboneGenesis(
      name: "between", calendar: Calendar(origin: Self.origin, wallOrigin: Self.origin),
      roles: BackboneRoles(
        operator: lead.publicKey, oracle: lead.publicKey, gateway: lead.publicKey),
      validators: [node.publicKey])
  }

  private var genesis: Genesis {
    var parameters = Parameters()
    parameters.educationFund = .zero
    parameters.storageBudget = Money(6_000_000_000)
    let id = lead.publicKey
    return Genesis(
      name: "grid", calendar: backbone.calendar, parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [node.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: homes.map { GenesisAccount(id: $0.publicKey) },
      meters: zip(meters, homes).map {
        GenesisMeter(
          id: $0.publicKey, account: $1.publicKey, maximumPower: Power(20_000_000), isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: homes[0].publicKey, capacity: Energy(10_000_000),
          power: Power(5_000_000))
      ],
      backbone: backbone)
  }

  private func running(_ body: @escaping @Sendable (Microgrid) async throws -> Void)
    async throws
  {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let grid = try await Microgrid.open(
      NodeConfiguration(
        genesis: genesis, directory: folder, validatorKey: node,
        log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, wall: clock.read))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await grid.run() }
      group.addTask {
        defer { grid.stop() }
        try await body(grid)
      }
      try await group.waitForAll()
    }
    try grid.close()
  }

  private func command(
    _ body: CommandBody, by key: SigningKey, _ sequence: UInt64, on chain: ChainID
  ) -> SignedBytes {
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: sequence,
        expires: Timestamp(seconds: Self.origin + 10_000_000), body: body))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }

  /// Submits to the backbone as its operator and gateway; all must be applied.
  private func lead(
    _ grid: Microgrid, from sequence: UInt64, _ bodies: [BackboneCommandBody]
  ) async throws {
    let backbone = try #require(grid.backbone)
    let commands = bodies.enumerated().map { place, body in
      command(
        .backbone(body), by: lead, sequence + UInt64(place), on: self.backbone.chainID)
    }
    for result in try await backbone.submit(commands: commands) {
      #expect(result.receipt == .applied)
    }
  }

  private func money(_ grid: Microgrid, _ home: Int) -> Money {
    grid.view.account(homes[home].publicKey)?.account.money ?? .zero
  }

  private func join(_ grid: Microgrid) async throws {
    try await lead(
      grid, from: 1,
      [
        .register(try GridRegistration(of: genesis, on: backbone.chainID)),
        .rate(genesis.chainID, cleanPower: Power(20_000_000)),
        .issue(genesis.chainID, to: homes[0].publicKey, amount: Money(5_000_000)),
        .issue(genesis.chainID, to: homes[1].publicKey, amount: Money(7_000_000)),
        .grant(genesis.chainID, to: homes[0].publicKey, amount: StorageTokens(1_000_000)),
      ])
    try await eventually("money and TSL are there") {
      money(grid, 0) == Money(5_000_000) && money(grid, 1) == Money(7_000_000)
        && grid.view.account(homes[0].publicKey)?.account.tsl == StorageTokens(1_000_000)
    }
  }

  @Test func moneyComesAndGoesAndWhatCannotTravelComesBack() async throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await running { grid in
      try await join(grid)
      let away = CommandBody.transferAbroad(
        grid: Self.stranger, to: homes[1].publicKey, asset: .money, amount: 1_000_000,
        deadline: .max)
      let sent = try await grid.submit(
        commands: [
          command(away, by: homes[0], 1, on: genesis.chainID),
          command(.redeem(amount: Money(2_000_000)), by: homes[1], 1, on: genesis.chainID),
        ])
      #expect(sent.map(\.receipt.rejection) == [nil, nil])
      #expect(sent.map(\.receipt.packet) == [1, 2])
      let backbone = try #require(grid.backbone)
      try await eventually("the withdrawal is with the gateway, the transfer is refunded") {
        backbone.view.core.withdrawals.map(\.amount) == [Money(2_000_000)]
          && money(grid, 0) == Money(5_000_000)
      }
      #expect(money(grid, 1) == Money(5_000_000))
      #expect(backbone.view.core.grid(genesis.chainID)?.reserve.money == 10_000_000)
    }
  }

  /// Rounds close, results come back, intervals become final, checkpoints are answered; over a
  /// restart of the node in the middle of it.
  @Test func intervalsAreCoupledAcrossARestart() async throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let first = genesis.calendar.firstInterval
    try await running { grid in
      try await join(grid)
      try await report(grid, first, exported: 800_000, imported: 300_000)
      clock.set(seconds: genesis.calendar.close(of: first).seconds + 1)
      try await eventually("the first interval is final") {
        grid.view.lastInterval?.interval == first
      }
      #expect(grid.backbone?.view.lastRound?.round == first)
    }
    try await running { grid in
      let second = first.next
      try await report(grid, second, exported: 0, imported: 900_000)
      clock.set(seconds: genesis.calendar.close(of: second).seconds + 1)
      try await eventually("the second interval is final, and its checkpoint is answered") {
        grid.view.lastInterval?.interval == second
          && grid.backbone?.view.core.grid(genesis.chainID)?.checkpoint?.interval == second
          && grid.view.lane?.acknowledged == grid.view.lane?.sent
      }
      let backbone = try #require(grid.backbone)
      let record = try #require(backbone.view.core.grid(genesis.chainID))
      #expect(record.cleanCounted == Energy(800_000))
      #expect(record.exported == 0)
      #expect(backbone.view.core.cleanTotal == Energy(800_000))
      #expect(grid.view.failure == nil && backbone.view.failure == nil)
    }
  }

  /// The operator proposes, the validators, present and proposed, accept; the grid goes on when
  /// the backbone has to wait for the new one.
  @Test func theBackbonesValidatorsChange() async throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let joining = SigningKey(seed: [UInt8](repeating: 3, count: 32))!
    let keys = [node.publicKey, joining.publicKey]
    let id = backbone.chainID
    let proposal = ValidatorSet.digest(chain: id, epoch: 2, keys: keys)
    try await running { grid in
      try await join(grid)
      let backbone = try #require(grid.backbone)
      func run(_ body: CommandBody, by key: SigningKey, _ sequence: UInt64) async throws
        -> Rejection?
      {
        let signed = command(body, by: key, sequence, on: id)
        return try await backbone.submit(commands: [signed])[0].receipt.rejection
      }
      #expect(try await run(.acceptValidators(proposal), by: joining, 1) == .unknownSigner)
      #expect(try await run(.proposeValidators(keys), by: lead, 6) == nil)
      #expect(try await run(.proposeValidators(keys), by: lead, 7) == .duplicate)
      #expect(backbone.view.registry.proposal == keys)
      #expect(try await run(.acceptValidators(.zero), by: joining, 1) == .unknownObject)
      #expect(try await run(.acceptValidators(proposal), by: lead, 8) == .wrongRole)
      #expect(try await run(.acceptValidators(proposal), by: joining, 2) == nil)
      #expect(backbone.view.registry.acceptances.map(\.signer) == [joining.publicKey])
      #expect(try await run(.acceptValidators(proposal), by: node, 1) == nil)
      #expect(backbone.view.registry.epoch == 2)
      #expect(backbone.view.registry.validators == keys)
      #expect(backbone.view.registry.history.map(\.epoch) == [2])
      let transfer = CommandBody.transfer(
        to: homes[1].publicKey, asset: .money, amount: 1_000_000)
      let sent = try await grid.submit(
        commands: [command(transfer, by: homes[0], 1, on: genesis.chainID)])
      #expect(sent.map(\.receipt) == [.applied])
    }
  }

  private func report(
    _ grid: Microgrid, _ interval: Interval, exported: Int64, imported: Int64
  ) async throws {
    clock.set(seconds: genesis.calendar.end(of: interval).seconds + 1)
    let readings = meters.enumerated().map { place, key in
      let payload = WireReading.payload(
        of: Reading(
          chain: genesis.chainID, meter: key.publicKey, interval: interval,
          exported: Energy(place == 0 ? exported : 0), imported: Energy(place == 1 ? imported : 0),
          version: 1))
      return SignedBytes(payload: payload, signature: key.sign(payload, for: .reading))
    }
    for result in try await grid.submit(readings: readings) {
      #expect(result.receipt == .applied)
    }
  }
}
