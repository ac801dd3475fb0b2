import Consensus
import Domain
import Node
import Storage
import Testing

func testKeys(_ count: Int, from first: UInt8) -> [SigningKey] {
  (0..<UInt8(count)).map { SigningKey(seed: [UInt8](repeating: first + $0, count: 32))! }
}

/// Nodes without a block that take a state from others.
@Suite struct JoinTests {
  /// A chain of `validators`, with a state that can be proven and the blocks below it pruned.
  static func chain(_ test: TestGrid, validators: [SigningKey], seed: UInt64) async throws
    -> ChainMaker
  {
    var maker = try await ChainMaker(
      test, validators: validators, seed: seed, store: "source.sqlite")
    try await maker.grow(60, isSaving: true)
    try await maker.grow(40)
    try maker.store.prune(below: .max)
    return maker
  }

  /// Joins a new store in the folder of `test` by `sources`.
  static func join(
    _ test: TestGrid, _ sources: [SnapshotSource], store name: String = "joined.sqlite"
  ) async throws -> (Store, JoinReport) {
    let store = try Store(path: test.folder + "/" + name, chain: test.genesis.chainID)
    var join = SnapshotJoin<BarePipeline>(store: store, genesis: test.genesis)
    return (store, try await join.run(sources))
  }

  @Test(arguments: [1, 4], 1...3 as ClosedRange<UInt64>)
  func aJoinedNodeHasTheStateAndGoesOn(validators: Int, seed: UInt64) async throws {
    let comment: Comment = "\(validators) validators, seed \(seed)"
    let keys = testKeys(validators, from: 40)
    let test = try TestGrid(validators: keys)
    defer { test.remove() }
    let maker = try await Self.chain(test, validators: keys, seed: seed)
    let (store, report) = try await Self.join(test, [maker.archive.source(named: "a")])
    let height = try #require(report.height, comment)
    #expect(report.dropped.isEmpty, comment)
    #expect(report.stateRoot == maker.attestations[Int(height)].stateRoot, comment)
    #expect(store.latestHeight == height, comment)
    #expect(try store.verifyChain()?.hash == maker.blocks[Int(height) - 1].hash, comment)
    #expect(
      try store.headers(from: 1, limit: .max).map(\.finalization)
        == maker.blocks[..<Int(height)].map { $0.finality?.encoded ?? [] }, comment)
    try await goOn(store, maker, comment)
  }

  /// Executes and stores the blocks above a joined store's state: the roots and the running
  /// numbers are those of the node that had every block, and so is what it then offers.
  private func goOn(_ store: Store, _ maker: ChainMaker, _ comment: Comment) async throws {
    let snapshot = try #require(try store.latestSnapshot(), comment)
    var pipeline = try BarePipeline(genesis: maker.test.genesis, chunks: snapshot.chunks)
    #expect(try store.counts().totals == pipeline.totals, comment)
    for block in maker.blocks[Int(snapshot.height)...] {
      let execution = try await pipeline.execute(block)
      #expect(execution.attestation == maker.attestations[Int(block.header.height)], comment)
      try store.commit(CommitBatch(executed: [ExecutedBlock(block, execution)]))
    }
    #expect(pipeline.totals == maker.pipeline.totals, comment)
    #expect(try store.counts().totals == maker.store.counts().totals, comment)
    #expect(try store.verifyChain()?.hash == maker.blocks.last?.hash, comment)
    let trades = try maker.store.trades(after: 0, limit: .max)
    #expect(
      try store.trades(after: 0, limit: .max) == trades.filter { $0.height > snapshot.height },
      comment)
    var offer = try #require(try await SnapshotArchive(store).offer(), comment)
    let original = try #require(try await maker.archive.offer(), comment)
    #expect(offer.keptFrom == snapshot.height + 1, comment)
    offer.keptFrom = original.keptFrom
    #expect(offer == original, comment)
    try store.checkInvariants()
  }

  /// The one validator of a chain has lost its disk and joins what a follower has kept.
  @Test func aNodeOpensWhatItJoined() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let maker = try await Self.chain(test, validators: [test.validator], seed: 7)
    let (store, report) = try await Self.join(
      test, [maker.archive.source(named: "a")], store: "chain.sqlite")
    let height = try #require(report.height)
    try store.close()
    test.clock.set(seconds: maker.blocks[Int(height) - 1].header.time.seconds + 1)
    try await test.run(try await test.open()) { grid in
      #expect(grid.view.tip.height == height)
      #expect(grid.view.tip.stateRoot == report.stateRoot)
      #expect(grid.view.counters.trades > 0)
      let results = try await grid.submit(commands: [
        test.command(.redeem(amount: Money(1)), by: test.lead, sequence: 1_000_000)
      ])
      #expect(results[0].position?.height == height + 1)
    }
  }

  // MARK: When to join

  @Test func aChainThatIsKeptWholeIsFetchedBlockByBlock() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    var maker = try await ChainMaker(
      test, validators: [test.validator], seed: 8, store: "source.sqlite")
    let source = maker.archive.source(named: "a")
    let none = try await source.offer()
    #expect(none == nil)
    try await maker.grow(60, isSaving: true)
    try await maker.grow(5)
    let offer = try #require(try await source.offer())
    #expect(offer.keptFrom == 1)
    let (store, report) = try await Self.join(test, [source])
    #expect(report == JoinReport())
    #expect(store.latestHeight == 0)
    var join = SnapshotJoin<BarePipeline>(
      store: store, genesis: test.genesis, joinBlocks: offer.height)
    let joined = try await join.run([source])
    #expect(joined.height == offer.height)
    // A store with blocks takes none.
    let again = try await join.run([source])
    #expect(again == JoinReport())
  }

  @Test func theHighestStateIsTakenAndOthersHelp() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    var maker = try await Self.chain(test, validators: [test.validator], seed: 9)
    let old = try #require(try await maker.archive.offer())
    try await maker.grow(40, isSaving: true)
    try await maker.grow(2)
    let new = try #require(try await maker.archive.offer())
    #expect(new.height > old.height)
    let archive = maker.archive
    let behind = SnapshotSource(
      name: "behind", offer: { old }, headers: { try await archive.headers(from: $0, limit: $1) },
      chunk: { digest, _ in try await archive.chunk(digest) })
    // It offers the newest state and has nothing else.
    let empty = SnapshotSource(
      name: "empty", offer: { new }, headers: { _, _ in [] }, chunk: { _, _ in nil })
    let (store, report) = try await Self.join(test, [behind, empty])
    #expect(report.height == new.height)
    #expect(report.dropped.map(\.name) == ["empty"])
    #expect(store.latestHeight == new.height)
  }

  @Test func aBrokenOffJoiningLeavesAnEmptyStore() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let maker = try await Self.chain(test, validators: [test.validator], seed: 10)
    let archive = maker.archive
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    // It sends three headers and then nothing more.
    let slow = SnapshotSource(
      name: "slow", offer: { try await archive.offer() },
      headers: { from, _ in
        if from == 1 { return try await archive.headers(from: 1, limit: 3) }
        ask.yield()
        while true { try await Task.sleep(for: .seconds(3600)) }
      }, chunk: { digest, _ in try await archive.chunk(digest) })
    let store = try Store(
      path: test.folder + "/joined.sqlite", chain: test.genesis.chainID)
    let genesis = test.genesis
    let task = Task {
      defer { ask.finish() }
      var join = SnapshotJoin<BarePipeline>(store: store, genesis: genesis)
      return try await join.run([slow])
    }
    for await _ in asked { break }
    #expect(try store.headers(from: 1, limit: 9).count == 3)
    task.cancel()
    #expect(try await task.value.height == nil)
    #expect(try store.headers(from: 1, limit: 9).isEmpty)
    let (_, report) = try await Self.join(
      test, [archive.source(named: "a")], store: "another.sqlite")
    #expect(report.height != nil)
  }
}
