import Domain
import Storage
import Testing

@Suite struct RoundTripTests {
  @Test func aNewStoreIsEmpty() throws {
    let folder = try TemporaryFolder()
    let sample = SampleChain(seed: 1)
    let store = try Store(path: folder.database, chain: sample.chain)
    #expect(try store.block(at: 1) == nil)
    #expect(try store.receipts(at: 1) == nil)
    #expect(try store.journal().isEmpty)
    #expect(try store.latestSnapshot() == nil)
    #expect(try store.history(account: AccountIndex(7), limit: 10).isEmpty)
    #expect(store.historyHeads().isEmpty)
    try StoreModel(blocks: []).check(store, "empty")
  }

  /// Random batches with snapshots, pruning and reopening between them; after each step all that
  /// the store says equals the plain lists.
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func everythingComesBack(seed: UInt64) throws {
    let comment: Comment = "seed \(seed)"
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: seed)
    sample.waitsForRounds = seed.isMultiple(of: 2)
    var store = try Store(path: folder.database, chain: sample.chain)
    var model = StoreModel(blocks: [])
    var snapshot: UInt64 = 0
    for _ in 0..<14 {
      var batch = CommitBatch()
      for _ in 0..<sample.number(0...3) {
        batch.executed.append(sample.block(closes: max(0, sample.number(-2...2))))
      }
      if sample.number(0...3) == 0 {
        snapshot = UInt64(sample.blocks.count)
        batch.snapshot = StoredSnapshot(height: snapshot, stateRoot: .zero, chunks: [])
      }
      try store.commit(batch)
      if sample.number(0...5) == 0 {
        let keeps = sample.number(0...1) == 0
        let goal = UInt64(sample.number(0...sample.blocks.count))
        try store.prune(below: goal, keepingReceipts: keeps)
        let reached = min(goal, snapshot) > 1 ? min(goal, snapshot) : 0
        model.prunedBelow = max(model.prunedBelow, reached)
        if !keeps { model.receiptsPrunedBelow = max(model.receiptsPrunedBelow, reached) }
      }
      if sample.number(0...2) == 0 {
        try store.close()
        store = try Store(path: folder.database, chain: sample.chain)
      }
      model.blocks = sample.blocks
      try model.check(store, comment)
    }
  }

  /// The figures of a close are there at once; the interval's totals come with the block in which
  /// it becomes final, be it after its successor, and the newest interval stays the newest.
  @Test func anIntervalMayBecomeFinalAfterItsSuccessor() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 9)
    let store = try Store(path: folder.database, chain: sample.chain)
    var first = sample.block(closes: 1)
    let second = sample.block(closes: 1)
    var third = sample.block()
    var late = first.intervals[0]
    late.height = third.height
    first.intervals = []
    third.intervals = [late]
    let interval = late.interval
    try store.commit(CommitBatch(executed: [first]))
    #expect(try store.latestInterval() == nil)
    let figure = try #require(first.figures.first { $0.interval == interval && $0.meter > 9 })
    #expect(try store.figures(meter: figure.meter, from: interval, limit: 9) == [figure])
    try store.commit(CommitBatch(executed: [second]))
    #expect(
      try store.intervals(from: interval, through: interval.next, limit: 9) == second.intervals)
    try store.commit(CommitBatch(executed: [third]))
    #expect(
      try store.intervals(from: interval, through: interval.next, limit: 9)
        == [late] + second.intervals)
    #expect(try store.latestInterval() == second.intervals[0])
    #expect(try store.counts().intervals == 2)
    try StoreModel(blocks: [first, second, third]).check(store, "late")
  }

  @Test func totalsAreCounted() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 3)
    let store = try Store(path: folder.database, chain: sample.chain)
    for _ in 0..<5 { try store.commit(CommitBatch(executed: [sample.block(closes: 1)])) }
    let counts = try store.counts()
    #expect(counts.height == 5)
    #expect(counts.prunedBelow == 0)
    #expect(counts.entries == Int64(sample.blocks.map(\.receipts.count).reduce(0, +)))
    #expect(counts.readings == Int64(sample.blocks.map(\.readings).reduce(0, +)))
    #expect(counts.trades == Int64(sample.blocks.map(\.trades.count).reduce(0, +)))
    #expect(counts.trades == store.latestTrade)
    #expect(counts.historyLines == Int64(sample.blocks.map(\.history.count).reduce(0, +)))
    #expect(counts.intervals == 5)
    #expect(counts.corrections > 0)
    #expect(counts.databaseBytes > 0 && counts.logBytes > 0)
  }

  @Test func blocksComeInBoundedPortions() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 4)
    let store = try Store(path: folder.database, chain: sample.chain)
    for _ in 0..<6 { try store.commit(CommitBatch(executed: [sample.block(body: 100)])) }
    #expect(try store.blocks(from: 2, through: 9, limit: 3).map(\.height) == [2, 3, 4])
    #expect(try store.blocks(from: 2, through: 3, limit: 9).map(\.height) == [2, 3])
    #expect(try store.blocks(from: 5, through: 3, limit: 9).isEmpty)
    #expect(try store.blocks(from: 1, through: 9, limit: 0).isEmpty)
    let first = try #require(sample.blocks.firstIndex { !$0.body.isEmpty })
    let portion = try store.blocks(from: 1, through: 9, limit: 9, bytes: 1)
    #expect(portion.map(\.height) == (1...UInt64(first + 1)).map { $0 })
    #expect(try store.headers(from: 4, limit: 2).map(\.height) == [4, 5])
  }

  @Test func aPageTokenOfAnotherAccountFindsNothing() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 5)
    var block = sample.block(lines: 0)
    block.history = [
      HistoryLine(AccountIndex(1), .granted, reference: 1),
      HistoryLine(AccountIndex(2), .granted, reference: 2),
      HistoryLine(AccountIndex(1), .bought, reference: 3),
      HistoryLine(AccountIndex(2), .sold, reference: 4),
    ]
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(executed: [block]))
    let page = try store.history(account: AccountIndex(1), limit: 10)
    #expect(page.map(\.id) == [3, 1])
    #expect(page.map(\.previous) == [1, 0])
    #expect(try store.history(account: AccountIndex(1), before: 3, limit: 10).map(\.id) == [1])
    #expect(try store.history(account: AccountIndex(1), before: 2, limit: 10).isEmpty)
    #expect(try store.history(account: AccountIndex(1), before: 4, limit: 10).isEmpty)
    #expect(try store.history(account: AccountIndex(1), before: 5, limit: 10).isEmpty)
    #expect(try store.history(account: AccountIndex(1), before: -1, limit: 10).isEmpty)
    #expect(try store.history(account: AccountIndex(UInt32.max), limit: 10).isEmpty)
  }

  @Test func aPageOfHistoryIsBounded() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 6)
    var block = sample.block(lines: 0)
    block.history = (0..<600).map { HistoryLine(AccountIndex(3), .bought, reference: $0) }
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(executed: [block]))
    let page = try store.history(account: AccountIndex(3), limit: .max)
    #expect(page.map(\.id) == (101...600).reversed().map { Int64($0) })
  }
}
