import Backbone
import Consensus
import Domain
import Foundation
import Node
import Storage
import Testing

/// A backbone and two grids, each a chain in a store of its own: money, TSL, a coupling round,
/// rewards, transfers that arrive and one that comes back.
struct AuditedNetwork {
  static let origin: Int64 = 1_700_000_100
  static let calendar = Calendar(origin: origin, wallOrigin: origin)
  static let lead = key(1)
  static let home = key(2)
  static let meter = key(3)

  let folder: String
  var backbone: StoredChain<BackbonePipeline>
  var grids: [StoredChain<BarePipeline>] = []

  static func key(_ number: UInt8) -> SigningKey {
    SigningKey(seed: [UInt8](repeating: number, count: 32)).unsafelyUnwrapped
  }

  init() async throws {
    folder = NSTemporaryDirectory() + "intertie-audit-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let id = Self.lead.publicKey
    let genesis = BackboneGenesis(
      name: "between", calendar: Self.calendar,
      roles: BackboneRoles(operator: id, oracle: id, gateway: id),
      validators: [Self.key(9).publicKey])
    backbone = try await StoredChain(
      genesis, keys: [Self.key(9)], path: folder + "/backbone.sqlite")
    for number in 0...1 as ClosedRange<UInt8> {
      grids.append(
        try await StoredChain(
          Self.grid(number, of: genesis), keys: [Self.key(10 + number)],
          path: folder + "/grid\(number).sqlite"))
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }

  static func grid(_ number: UInt8, of backbone: BackboneGenesis) -> Genesis {
    var parameters = Parameters()
    parameters.educationFund = .zero
    let id = lead.publicKey
    return Genesis(
      name: "grid \(number)", calendar: calendar, parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [key(10 + number).publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: [GenesisAccount(id: id), GenesisAccount(id: home.publicKey, isMember: true)],
      meters: [
        GenesisMeter(
          id: meter.publicKey, account: home.publicKey, maximumPower: Power(40_000_000),
          isClean: true)
      ],
      storage: [
        GenesisStorage(
          unit: 1, owner: home.publicKey, capacity: Energy(10_000_000), power: Power(5_000_000))
      ], backbone: backbone)
  }

  // MARK: Carrying

  /// All that the grids have sent, in one block of the backbone, and a block that attests the
  /// answers.
  mutating func carryUp() async throws {
    var deliveries: [VerifiedEntry] = []
    for grid in grids {
      let known = backbone.state.core.grid(grid.chain)?.received ?? 0
      deliveries += try grid.deliveries(to: backbone.chain, behind: known)
    }
    let execution = try await backbone.add(deliveries, at: newest)
    #expect(execution.receipts.allSatisfy { $0.rejection == nil })
    try await backbone.add()
  }

  /// All that the backbone has sent to these grids, and a block of each that attests the answers.
  mutating func carryDown(to places: [Int] = [0, 1]) async throws {
    for place in places {
      let entries = try backbone.deliveries(
        to: grids[place].chain, behind: grids[place].state.lane?.received ?? 0)
      let execution = try await grids[place].add(entries, at: newest)
      #expect(execution.receipts.allSatisfy { $0.rejection == nil })
      try await grids[place].add()
    }
  }

  /// Unix seconds: no block before the newest of any chain.
  private var newest: Int64 { ([backbone.time] + grids.map(\.time)).reduce(0, max) + 1 }

  // MARK: What happens

  mutating func run(_ body: BackboneCommandBody) async throws {
    let entry = try backbone.command(.backbone(body), by: Self.lead)
    let execution = try await backbone.add([entry])
    #expect(execution.receipts[0].rejection == nil)
  }

  /// A command of grid `place`'s home, and a block that attests it.
  mutating func run(_ body: CommandBody, on place: Int) async throws {
    let entry = try grids[place].command(body, by: Self.home)
    let execution = try await grids[place].add([entry])
    #expect(execution.receipts[0].rejection == nil)
    try await grids[place].add()
  }

  /// Grids, a line, money and TSL, as far as the backbone goes.
  mutating func found() async throws {
    for grid in grids {
      try await run(.register(try GridRegistration(of: grid.genesis, on: backbone.chain)))
    }
    try await run(
      .putLine(
        Interconnector(
          id: 1, from: grids[0].chain, to: grids[1].chain, forth: Power(100_000_000),
          back: Power(100_000_000), fee: Price(20_000), owner: Self.lead.publicKey)))
    try await run(.rate(grids[0].chain, cleanPower: Power(40_000_000)))
    for grid in grids {
      for account in [Self.home, Self.lead] {
        try await run(.issue(grid.chain, to: account.publicKey, amount: Money(50_000_000)))
        try await run(
          .grant(grid.chain, to: account.publicKey, amount: StorageTokens(5_000_000)))
      }
    }
    try await backbone.add()
  }

  /// The first interval: the first grid has too much, the second too little, and both bid. Ends
  /// when every answer is back.
  mutating func couple() async throws {
    let interval = Self.calendar.firstInterval
    let figures: [(exported: Int64, imported: Int64)] = [(5_000_000, 0), (0, 2_000_000)]
    for (place, figure) in figures.enumerated() {
      let reading = grids[place].reading(
        Self.meter, interval, exported: figure.exported, imported: figure.imported)
      try await grids[place].add([reading], at: Self.calendar.end(of: interval).seconds + 1)
      try await grids[place].add(at: Self.calendar.close(of: interval).seconds)
      try await grids[place].add()
    }
    for _ in 0..<3 {
      try await carryUp()
      try await carryDown()
    }
  }

  func transfer(
    _ amount: Int64, _ asset: Asset = .money, to grid: ChainID? = nil
  ) -> CommandBody {
    .transferAbroad(
      grid: grid ?? grids[1].chain, to: Self.home.publicKey, asset: asset, amount: amount,
      deadline: 1000)
  }

  /// The whole story; something is left under way in each direction.
  mutating func live() async throws {
    try await found()
    try await carryDown()
    try await couple()
    try await run(transfer(5_000_000), on: 0)
    try await run(transfer(500_000, .tsl), on: 0)
    try await run(transfer(700_000, to: Self.nowhere), on: 0)
    try await run(.redeem(amount: Money(1_000_000)), on: 1)
    try await carryUp()
    try await carryDown()
    try await run(transfer(3_000_000, to: Self.nowhere), on: 0)
    try await run(transfer(400_000), on: 0)
    try await carryUp()
    try await run(transfer(2_000_000), on: 0)
  }

  /// A grid that nobody registered.
  static let nowhere = Digest.sha256([1])

  // MARK: The audit

  func audit() async throws(NodeFailure) -> NetworkReport {
    var audited: [AuditedChain<BarePipeline>] = []
    for grid in grids {
      audited.append(
        try await Audit(store: grid.store, genesis: grid.genesis).replay { _, _ in })
    }
    return try NetworkAudit(backbone: [try await auditBackbone()], grids: audited).check()
  }

  func auditBackbone() async throws(NodeFailure) -> AuditedChain<BackbonePipeline> {
    try await Audit(store: backbone.store, genesis: backbone.genesis).replay { _, _ in }
  }

  /// A network in a folder that goes when `body` is done.
  static func with(_ body: (inout AuditedNetwork) async throws -> Void) async throws {
    var network = try await AuditedNetwork()
    defer { network.remove() }
    try await body(&network)
  }

  /// What the audit says that finds something; records an issue when it finds nothing.
  func fault() async -> String {
    do throws(NodeFailure) {
      _ = try await audit()
      Issue.record("the audit has found nothing")
      return ""
    } catch { return error.description }
  }
}
