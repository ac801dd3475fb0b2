import Domain
import Storage
import Testing

@Suite struct CommitTests {
  private func record(_ view: UInt64, _ byte: UInt8) -> StoredJournalRecord {
    StoredJournalRecord(epoch: 3, view: view, kind: byte, bytes: [byte, byte])
  }

  @Test func theJournalKeepsItsOrderAndItsFloor() throws {
    let folder = try TemporaryFolder()
    let chain = Digest.sha256([1])
    var store = try Store(path: folder.database, chain: chain)
    try store.commit(CommitBatch(journal: [record(5, 1), record(4, 2), record(6, 3)]))
    try store.commit(CommitBatch(journal: [record(5, 4)]))
    #expect(try store.journal() == [record(5, 1), record(4, 2), record(6, 3), record(5, 4)])
    // The floor holds for the batch's own records too.
    try store.commit(CommitBatch(journal: [record(4, 5), record(7, 6)], journalFloor: 5))
    #expect(try store.journal() == [record(5, 1), record(6, 3), record(5, 4), record(7, 6)])
    try store.close()
    store = try Store(path: folder.database, chain: chain)
    #expect(try store.journal() == [record(5, 1), record(6, 3), record(5, 4), record(7, 6)])
    try store.commit(CommitBatch(journalFloor: .max))
    #expect(try store.journal().isEmpty)
    try store.commit(CommitBatch(journal: [record(8, 7)]))
    try store.commit(CommitBatch(journal: [record(8, 8)]))
    #expect(try store.journal() == [record(8, 7), record(8, 8)])
  }

  /// A batch that breaks off in the middle leaves the former state, on the disk and in memory.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func aTornBatchLeavesNothing(seed: UInt64) throws {
    let comment: Comment = "seed \(seed)"
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: seed)
    let store = try Store(path: folder.database, chain: sample.chain)
    let first = sample.block(closes: 2)
    try store.commit(CommitBatch(journal: [record(1, 1)], executed: [first]))
    let before = StoreModel(blocks: sample.blocks)
    let second = sample.block(closes: 2)
    _ = sample.block()
    let fourth = sample.block(closes: 1)
    let failure = #expect(throws: StorageFailure.self) {
      try store.commit(
        CommitBatch(journal: [record(2, 2)], journalFloor: 2, executed: [second, fourth]))
    }
    #expect(failure == .other("block 4 was to be stored behind block 2"), comment)
    try before.check(store, comment)
    #expect(try store.journal() == [record(1, 1)], comment)
    let image = try folder.image()
    try before.check(try Store(path: image.database, chain: sample.chain), comment)
    // The numbers go on as if nothing had been.
    try store.commit(CommitBatch(executed: Array(sample.blocks[1...])))
    try StoreModel(blocks: sample.blocks).check(store, comment)
  }

  /// A torn batch with a snapshot: the heads that it wrote are gone, and are written again.
  @Test func headsOfATornSnapshotAreWrittenAgain() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 9)
    let store = try Store(path: folder.database, chain: sample.chain)
    let block = sample.block()
    let tooHigh = StoredSnapshot(height: 2, stateRoot: .zero, chunks: [])
    #expect(throws: StorageFailure.other("a snapshot of height 2 above the newest block 1")) {
      try store.commit(CommitBatch(executed: [block], snapshot: tooHigh))
    }
    let snapshot = StoredSnapshot(height: 1, stateRoot: .zero, chunks: [])
    try store.commit(CommitBatch(executed: [block], snapshot: snapshot))
    let image = try folder.image()
    let copy = try Store(path: image.database, chain: sample.chain)
    try StoreModel(blocks: sample.blocks).check(copy, "after a torn snapshot")
  }

  /// The disk fills up while the heads are written, at one place after another, until the batch
  /// fits; no head may then be missing.
  @Test func headsSurviveBatchesThatDidNotFit() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 13)
    var options = StoreOptions()
    options.maximumBytes = 400_000
    let store = try Store(path: folder.database, chain: sample.chain, options: options)
    var block = sample.block(lines: 0)
    block.history = (0..<20).map { HistoryLine(AccountIndex($0 * 500), .granted, reference: 1) }
    try store.commit(CommitBatch(executed: [block]))
    var failures = 0
    for size in stride(from: 400_000, through: 0, by: -8000) {
      let chunk = StateChunk(name: "filler", bytes: sample.bytes(size))
      let snapshot = StoredSnapshot(height: 1, stateRoot: .zero, chunks: [chunk])
      do {
        try store.commit(CommitBatch(snapshot: snapshot))
        break
      } catch {
        guard case .full = error else { throw error }
        failures += 1
      }
    }
    #expect(failures > 10)
    let image = try folder.image()
    let copy = try Store(path: image.database, chain: sample.chain)
    try StoreModel(blocks: [block]).check(copy, "after \(failures) batches that did not fit")
  }

  @Test func indexesBeyondTheLimitsAreRefused() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 10)
    let store = try Store(path: folder.database, chain: sample.chain)
    let good = sample.block(closes: 1)
    var block = good
    block.history.append(HistoryLine(AccountIndex(Limits.accounts), .granted, reference: 1))
    #expect(throws: StorageFailure.self) { try store.commit(CommitBatch(executed: [block])) }
    block = good
    block.figures.append(
      MeteredInterval(
        meter: UInt32(Limits.meters), interval: good.intervals[0].interval, exported: .zero,
        imported: .zero, quality: .actual, version: 1))
    #expect(throws: StorageFailure.self) { try store.commit(CommitBatch(executed: [block])) }
    try store.commit(CommitBatch(executed: [good]))
    try StoreModel(blocks: sample.blocks).check(store, "after refusals")
  }

  @Test func aFullDiskIsSaidAndLeavesTheStoreUsable() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 11)
    var options = StoreOptions()
    options.maximumBytes = 600_000
    var store = try Store(path: folder.database, chain: sample.chain, options: options)
    var stored: [ExecutedBlock] = []
    var failure: StorageFailure?
    while failure == nil, stored.count < 100 {
      let block = sample.block(body: 60_000, lines: 500)
      do {
        try store.commit(CommitBatch(executed: [block]))
        stored.append(block)
      } catch {
        failure = error
      }
    }
    guard case .full(let reason) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(reason.contains(folder.database))
    #expect(stored.count > 2)
    try StoreModel(blocks: stored).check(store, "full")
    // Something small still fits, and the block itself once there is room.
    try store.commit(
      CommitBatch(journal: [StoredJournalRecord(epoch: 0, view: 1, kind: 1, bytes: [1])]))
    try store.close()
    store = try Store(path: folder.database, chain: sample.chain)
    #expect(try store.journal().count == 1)
    try store.commit(CommitBatch(executed: Array(sample.blocks[stored.count...])))
    try StoreModel(blocks: sample.blocks).check(store, "with room again")
  }

  /// After damage or a failed disk the state is unknown: the store writes no more.
  @Test func aFinalFailureStays() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 12)
    var store = try Store(path: folder.database, chain: sample.chain)
    let mark = sample.bytes(40)
    let record = StoredJournalRecord(epoch: 0, view: 1, kind: 1, bytes: mark)
    try store.commit(CommitBatch(journal: [record], executed: [sample.block()]))
    try store.close()
    // The kind of the page that holds the journal.
    let page = try folder.offset(of: mark) / 4096 * 4096
    var bytes = try folder.contents()
    bytes[page] = 0xff
    try folder.replace(bytes)
    store = try Store(path: folder.database, chain: sample.chain)
    let block = sample.block()
    let failure = #expect(throws: StorageFailure.self) {
      try store.commit(CommitBatch(journal: [record], executed: [block]))
    }
    guard case .corrupt = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(store.latestHeight == 1)
    let again = #expect(throws: StorageFailure.self) {
      try store.commit(CommitBatch(executed: [block]))
    }
    #expect(again == failure)
  }
}
