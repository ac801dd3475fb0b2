import Backbone
import Domain
import Foundation
import Logging
import Node
import Storage
import Synchronization
import Testing

/// Whole nodes: one that has kept the backbone from the beginning, and one of a grid that has taken
/// a state of it, behind all packets that were sent to the grid.
@Suite struct LaneJoinPeersTests {
  private final class Port: Sendable {
    private let value = Mutex<Int?>(nil)
    var told: Int? { value.withLock { $0 } }
    func tell(_ port: Int) { value.withLock { $0 = port } }
  }

  private static let member = SigningKey(seed: [UInt8](repeating: 90, count: 32))!.publicKey
  private let folder = NSTemporaryDirectory() + "intertie-lane-\(UUID().uuidString)"
  private let keeper = SigningGrid(1, key: BackboneMaker.validator)
  private let late = SigningGrid(2)

  private func open(
    _ grid: SigningGrid, _ name: String, _ port: Port, wall: @escaping @Sendable () -> Int64
  ) async throws -> Microgrid {
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    var configuration = NodeConfiguration(
      genesis: grid.genesis, directory: folder + "/" + name, validatorKey: grid.key, log: log,
      wall: wall)
    configuration.backbonePeers = PeerConfiguration(
      key: grid.key, host: "127.0.0.1", port: 0, peers: folder + "/" + name + "/peers", log: log)
    configuration.onBackbonePort = { port.tell($0) }
    return try await Microgrid.open(configuration)
  }

  private func meet(_ name: String, _ grid: SigningGrid, _ port: Int?) throws {
    let line = "\(grid.key.publicKey.text(as: .node)) 127.0.0.1:\(port ?? 1)\n"
    try line.write(toFile: folder + "/" + name + "/peers", atomically: true, encoding: .utf8)
  }

  /// The chain up to a state that can be proven, nothing kept below it; the money that the late
  /// grid is to have was sent in its first blocks.
  private func makeBackbone() async throws -> Int64 {
    for name in ["keeper/backbone", "late/backbone"] {
      try FileManager.default.createDirectory(
        atPath: folder + "/" + name, withIntermediateDirectories: true)
    }
    var maker = try BackboneMaker(store: folder + "/keeper/backbone/chain.sqlite")
    let registrations = try [keeper, late].map {
      maker.command(.register(try GridRegistration(of: $0.genesis, on: BackboneMaker.id)))
    }
    try maker.block(registrations)
    for _ in 0..<3 {
      try maker.block([
        maker.command(.issue(late.id, to: Self.member, amount: Money(2_000_000)))
      ])
    }
    while maker.height < 20 { try maker.block() }
    try maker.block(
      [maker.command(.rate(late.id, cleanPower: Power(1)))], isSaving: true)
    for _ in 0..<3 { try maker.block() }
    try maker.store.prune(below: .max)
    let joined = try Store(
      path: folder + "/late/backbone/chain.sqlite", chain: BackboneMaker.id)
    var join = SnapshotJoin<BackbonePipeline>(store: joined, genesis: BackboneMaker.genesis)
    #expect(try await join.run([maker.archive.source(named: "keeper")]).height == 21)
    try joined.close()
    try maker.store.close()
    return BackboneMaker.origin + Int64(maker.height) + 1
  }

  @Test(.timeLimit(.minutes(10))) func aGridThatJoinsByAStateGetsItsEarlierPackets() async throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let last = try await makeBackbone() * 1_000_000
    let begin = ContinuousClock.now
    let wall: @Sendable () -> Int64 = {
      let elapsed = (ContinuousClock.now - begin).components
      return last + elapsed.seconds * 1_000_000 + elapsed.attoseconds / 1_000_000_000_000
    }
    let ports = (keeper: Port(), late: Port())
    try meet("keeper", late, nil)
    let old = try await open(keeper, "keeper", ports.keeper, wall: wall)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await old.run() }
      try await eventually("the keeper does not listen") { ports.keeper.told != nil }
      try meet("late", keeper, ports.keeper.told)
      let new = try await open(late, "late", ports.late, wall: wall)
      let store = try #require(new.backbone).host.store
      #expect(store.latestHeight == 21)
      #expect(try store.packet(to: late.id, sequence: 1) == nil)
      group.addTask { try await new.run() }
      try await eventually("the earlier packets do not arrive") {
        new.view.account(Self.member)?.account.money == Money(6_000_000)
      }
      #expect(new.view.lane?.received == 3)
      new.stop()
      old.stop()
      try await group.waitForAll()
      try new.close()
    }
    try old.close()
  }
}
