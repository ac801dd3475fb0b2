import Dashboard
import Domain
import Foundation
import Logging
import Node
import Synchronization
import Wire

/// A grid and its backbone in one node, which is the only validator of both, with its metrics.
final class MeasuredGrid: Sendable {
  static let origin: Int64 = 1_700_000_100

  let registry = MetricsRegistry(MetricTable.rows)
  let genesis: Genesis
  let lead = SigningKey(seed: [UInt8](repeating: 1, count: 32))!
  let homes = (10..<12).map { SigningKey(seed: [UInt8](repeating: $0, count: 32))! }
  let meters = (20..<22).map { SigningKey(seed: [UInt8](repeating: $0, count: 32))! }
  private let node = SigningKey(seed: [UInt8](repeating: 2, count: 32))!
  private let folder = NSTemporaryDirectory() + "intertie-metrics-\(UUID().uuidString)"
  private let time = Mutex(MeasuredGrid.origin)

  init(hasBackbone: Bool = true) {
    let id = lead.publicKey
    let calendar = Calendar(origin: Self.origin, wallOrigin: Self.origin)
    let backbone = BackboneGenesis(
      name: "between", calendar: calendar,
      roles: BackboneRoles(operator: id, oracle: id, gateway: id), validators: [node.publicKey])
    var parameters = Parameters()
    parameters.storageBudget = Money(6_000_000_000)
    if hasBackbone { parameters.educationFund = .zero }
    let wealth: Int64 = hasBackbone ? 0 : 5_000_000
    genesis = Genesis(
      name: "measured", calendar: calendar, parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [node.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: homes.map {
        GenesisAccount(id: $0.publicKey, money: Money(wealth), tsl: StorageTokens(wealth))
      },
      meters: zip(meters, homes).map {
        GenesisMeter(
          id: $0.publicKey, account: $1.publicKey, maximumPower: Power(20_000_000), isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: homes[0].publicKey, capacity: Energy(10_000_000),
          power: Power(5_000_000))
      ],
      backbone: hasBackbone ? backbone : nil)
  }

  func set(seconds: Int64) { time.withLock { $0 = seconds } }

  /// Runs the node while `body` does.
  func running(_ body: @escaping @Sendable (Microgrid) async throws -> Void) async throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var configuration = NodeConfiguration(
      genesis: genesis, directory: folder, validatorKey: node,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      wall: { self.time.withLock { $0 * 1_000_000 } })
    configuration.metrics = registry
    let grid = try await Microgrid.open(configuration)
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

  func samples(of grid: Microgrid) -> Samples {
    grid.refreshMetrics()
    return Samples(registry.exposition())
  }

  func command(_ body: CommandBody, by key: SigningKey, _ sequence: UInt64) -> SignedBytes {
    sign(body, by: key, sequence, on: genesis.chainID)
  }

  /// What the backbone's operator, who is its gateway, wants.
  func lead(_ grid: Microgrid, _ bodies: [BackboneCommandBody]) async throws -> [EntryResult] {
    guard let backbone = grid.backbone else { return [] }
    let commands = bodies.enumerated().map { place, body in
      sign(.backbone(body), by: lead, UInt64(place + 1), on: backbone.genesis.chainID)
    }
    return try await backbone.submit(commands: commands)
  }

  private func sign(
    _ body: CommandBody, by key: SigningKey, _ sequence: UInt64, on chain: ChainID
  ) -> SignedBytes {
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: sequence,
        expires: Timestamp(seconds: Self.origin + 10_000_000), body: body))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }

  func reading(_ meter: Int, _ interval: Interval, exported: Int64, imported: Int64)
    -> SignedBytes
  {
    let key = meters[meter]
    let payload = WireReading.payload(
      of: Reading(
        chain: genesis.chainID, meter: key.publicKey, interval: interval,
        exported: Energy(exported), imported: Energy(imported), version: 1))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .reading))
  }
}
