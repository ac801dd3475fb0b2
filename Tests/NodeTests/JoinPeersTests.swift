import Domain
import Foundation
import Logging
import Node
import Storage
import Synchronization
import Testing

/// Whole nodes with links between them: one that has kept the chain, and one that begins.
@Suite struct JoinPeersTests {
  /// A port that is told once.
  private final class Port: Sendable {
    private let value = Mutex<Int?>(nil)
    var told: Int? { value.withLock { $0 } }
    func tell(_ port: Int) { value.withLock { $0 = port } }
  }

  /// A node's folder, key, peers file and port.
  private struct Place {
    let folder: String
    let key: SigningKey
    let port = Port()
    var peers: String { folder + "/peers" }

    func meet(_ other: Place) throws {
      let port = other.port.told ?? 1
      let line = "\(other.key.publicKey.text(as: .node)) 127.0.0.1:\(port)\n"
      try line.write(toFile: peers, atomically: true, encoding: .utf8)
    }

    func open(_ genesis: Genesis, wall: @escaping @Sendable () -> Int64) async throws -> Microgrid {
      let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      var configuration = NodeConfiguration(
        genesis: genesis, directory: folder, validatorKey: key,
        peers: PeerConfiguration(key: key, host: "127.0.0.1", port: 0, peers: peers, log: log),
        log: log, wall: wall)
      configuration.onPeerPort = { [port] in port.tell($0) }
      return try await Microgrid.open(configuration)
    }
  }

  @Test func aNodeJoinsByAStateAndFollows() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let old = Place(folder: test.folder, key: test.validator)
    let new = Place(folder: test.folder + "/new", key: SigningKey.generate())
    try FileManager.default.createDirectory(
      atPath: new.folder, withIntermediateDirectories: false)
    var maker = try await ChainMaker(
      test, validators: [test.validator], seed: 60, store: "chain.sqlite")
    try await maker.grow(60, isSaving: true)
    try await maker.grow(10)
    try maker.store.prune(below: .max)
    let state = try #require(try maker.store.latestSnapshot()).height
    try maker.store.close()
    let begin = ContinuousClock.now
    let last = maker.blocks[69].header.time.microseconds
    let wall: @Sendable () -> Int64 = {
      let elapsed = (ContinuousClock.now - begin).components
      return last + 1_000_000 + elapsed.seconds * 1_000_000
        + elapsed.attoseconds / 1_000_000_000_000
    }
    try old.meet(new)
    let keeper = try await old.open(test.genesis, wall: wall)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await keeper.run() }
      try await eventually("the old node does not listen") { old.port.told != nil }
      try new.meet(old)
      var first = try await new.open(test.genesis, wall: wall)
      // On a machine that is too busy nobody has answered in time: it asks again.
      for _ in 0..<20 where first.view.tip.height == 0 {
        try first.close()
        first = try await new.open(test.genesis, wall: wall)
      }
      let joined = first
      #expect(joined.view.tip.height == state)
      #expect(joined.view.tip.stateRoot == maker.attestations[Int(state)].stateRoot)
      group.addTask { try await joined.run() }
      try await eventually("the new node does not listen") { new.port.told != nil }
      try old.meet(new)
      let results = try await keeper.submit(commands: [
        test.command(.redeem(amount: Money(1)), by: test.lead, sequence: 1_000_000)
      ])
      let height = try #require(results[0].position).height
      #expect(height > 70)
      try await eventually("the new node does not follow") { joined.view.tip.height >= height }
      let (tip, other) = (joined.view.tip, keeper.view.tip)
      #expect(tip.height != other.height || tip.stateRoot == other.stateRoot)
      // It may have grown meanwhile.
      #expect(try #require(try joined.store.verifyChain()).height >= tip.height)
      joined.stop()
      keeper.stop()
      try await group.waitForAll()
    }
    try keeper.store.close()
  }
}
