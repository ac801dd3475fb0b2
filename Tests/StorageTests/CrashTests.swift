import Domain
import Foundation
import Storage
import Testing

@Suite struct CrashTests {
  /// What was committed is there in a copy of the files that no one closed; also when the log was
  /// given its room before, and is written from its beginning again and again.
  @Test(arguments: 1...3 as ClosedRange<UInt64>, [false, true])
  func whatIsCommittedSurvivesACrash(seed: UInt64, reservesLog: Bool) throws {
    let comment: Comment = "seed \(seed), room \(reservesLog)"
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: seed)
    var options = StoreOptions()
    options.reservesLog = reservesLog
    options.checkpointPages = reservesLog ? 40 : options.checkpointPages
    let store = try Store(path: folder.database, chain: sample.chain, options: options)
    if reservesLog {
      #expect(try folder.contents("-wal").count >= options.checkpointPages * 4096)
    }
    for step in 0..<(reservesLog ? 24 : 8) {
      var batch = CommitBatch(executed: [sample.block(closes: step % 2)])
      if step % 3 == 1 {
        batch.snapshot = StoredSnapshot(
          height: UInt64(step), stateRoot: .zero,
          chunks: [StateChunk(name: "a", bytes: sample.bytes(10))])
      }
      try store.commit(batch)
      let image = try folder.image()
      let copy = try Store(path: image.database, chain: sample.chain, options: options)
      try StoreModel(blocks: sample.blocks).check(copy, comment)
      #expect(copy.historyHeads().filter { $0 > 0 } == store.historyHeads().filter { $0 > 0 })
      #expect(try copy.latestSnapshot() == store.latestSnapshot(), comment)
    }
  }

  /// The log is cut or damaged anywhere behind a commit, as by a write that did not finish: the
  /// store opens with the commits before that place, whole, and goes on from there.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func aTornWriteLosesOnlyWhatWasNotAcknowledged(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: seed)
    let store = try Store(path: folder.database, chain: sample.chain)
    var ends: [Int] = []
    for step in 0..<8 {
      let block = sample.block(body: 9000, closes: step % 2)
      try store.commit(CommitBatch(executed: [block]))
      ends.append(try folder.contents("-wal").count)
    }
    for _ in 0..<12 {
      let image = try folder.image()
      var log = try image.contents("-wal")
      let place = sample.number(ends[0]...ends[7] - 1)
      let isCut = sample.number(0...1) == 0
      if isCut {
        log.removeLast(log.count - place)
      } else {
        log[place] ^= UInt8(1 << sample.number(0...7))
      }
      try image.replace(log, "-wal")
      let whole = ends.filter { $0 <= place }.count
      let comment: Comment = "seed \(seed), \(isCut ? "cut" : "damaged") at \(place)"
      let copy = try Store(path: image.database, chain: sample.chain)
      try StoreModel(blocks: Array(sample.blocks[..<whole])).check(copy, comment)
      try copy.commit(CommitBatch(executed: Array(sample.blocks[whole...])))
      try StoreModel(blocks: sample.blocks).check(copy, comment)
    }
  }

  /// Readers beside the writer see whole commits only, at once.
  @Test func readersSeeWholeCommits() async throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 7)
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(executed: [sample.block(closes: 1)]))
    var rest: [ExecutedBlock] = []
    for _ in 0..<40 { rest.append(sample.block(closes: 1)) }
    let blocks = rest
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for block in blocks { try store.commit(CommitBatch(executed: [block])) }
      }
      for _ in 0..<3 {
        group.addTask {
          while store.latestHeight < 41 {
            let height = store.latestHeight
            let trade = store.latestTrade
            let block = try #require(try store.block(at: height))
            #expect(try store.receipts(at: height)?.count == block.head.entries)
            #expect(try store.trades(after: trade - 1, limit: 1).first?.id == trade)
            let latest = try #require(try store.latestInterval())
            #expect(latest.height >= height)
            for account in 0..<12 {
              let page = try store.history(account: AccountIndex(account), limit: 5)
              let head = store.historyHeads()[account]
              #expect((page.first?.id ?? 0) <= head)
            }
            await Task.yield()
          }
        }
      }
      try await group.waitForAll()
    }
    try StoreModel(blocks: sample.blocks).check(store, "after readers")
  }
}
