import Domain
import Storage
import Testing

/// Stores that begin with a snapshot instead of the genesis.
@Suite struct InstallTests {
  private func sent(_ blocks: some Sequence<ExecutedBlock>) -> [SentHeader] {
    blocks.map { SentHeader(bytes: $0.header, finalization: $0.finalization) }
  }

  private func totals(_ blocks: some Sequence<ExecutedBlock>) -> ChainTotals {
    blocks.reduce(into: ChainTotals()) {
      $0.entries += Int64($1.receipts.count)
      $0.readings += Int64($1.readings)
      $0.trades += Int64($1.trades.count)
      $0.historyLines += Int64($1.history.count)
    }
  }

  private func snapshot(of block: ExecutedBlock) -> StoredSnapshot {
    StoredSnapshot(
      height: block.height, stateRoot: block.roots.state, accountsRoot: block.roots.receipts,
      chunks: [StateChunk(name: "a", bytes: block.header), StateChunk(name: "b", bytes: [])])
  }

  /// Installs the first `height` blocks of `sample`, so many headers at a time.
  private func install(
    _ sample: SampleChain, through height: Int, step: Int = 7, into store: Store
  ) throws {
    try store.beginInstall()
    for start in stride(from: 0, to: height, by: step) {
      try store.install(sent(sample.blocks[start..<min(start + step, height)]))
    }
    let last = sample.blocks[height - 1]
    try store.finishInstall(
      snapshot(of: last), attested: last.roots,
      totals: totals(sample.blocks[..<height]), outbox: outbox(behind: height))
  }

  /// Of a state in which no packet waits.
  private func outbox(behind height: Int) -> StoredOutbox {
    StoredOutbox(from: UInt64(height) + 1, packets: [])
  }

  private func sample(_ seed: UInt64, blocks: Int) -> SampleChain {
    var sample = SampleChain(seed: seed)
    for number in 0..<blocks { _ = sample.block(closes: number % 3 == 0 ? 1 : 0) }
    return sample
  }

  // MARK: What a joined store says

  /// From the snapshot on, it says what a store says that had every block; below, what one says
  /// that has pruned them.
  @Test(arguments: 1...5 as ClosedRange<UInt64>)
  func aJoinedStoreGoesOnAsAllOthers(seed: UInt64) throws {
    let comment: Comment = "seed \(seed)"
    let folders = try (TemporaryFolder(), TemporaryFolder())
    var sample = sample(seed, blocks: 40)
    let full = try Store(path: folders.0.database, chain: sample.chain)
    try full.commit(CommitBatch(executed: sample.blocks))
    var joined = try Store(path: folders.1.database, chain: sample.chain)
    try install(sample, through: 25, into: joined)
    #expect(joined.latestHeight == 25, comment)
    #expect(try joined.verifyChain()?.hash == sample.blocks[24].hash, comment)
    #expect(try joined.latestSnapshot() == snapshot(of: sample.blocks[24]), comment)
    #expect(try joined.counts().totals == totals(sample.blocks[..<25]), comment)
    #expect(try joined.counts().prunedBelow == 26, comment)
    try checkBelow(joined, sample, 25, comment)

    try joined.commit(CommitBatch(executed: Array(sample.blocks[25..<33])))
    try joined.close()
    joined = try Store(path: folders.1.database, chain: sample.chain)
    #expect(!joined.startedOver)
    try joined.commit(CommitBatch(executed: Array(sample.blocks[33...])))
    try compare(joined, full, sample, above: 25, comment)
    try checkBelow(joined, sample, 25, comment)

    // It prunes and goes on as any other.
    let block = sample.block(closes: 1)
    for store in [joined, full] {
      let late = StoredSnapshot(height: 38, stateRoot: sample.blocks[37].roots.state, chunks: [])
      try store.commit(CommitBatch(executed: [block], snapshot: late))
      #expect(try store.prune(below: 35) == 35, comment)
    }
    try compare(joined, full, sample, above: 34, comment)
    try joined.checkInvariants()
  }

  private func compare(
    _ joined: Store, _ full: Store, _ sample: SampleChain, above height: UInt64,
    _ comment: Comment
  ) throws {
    #expect(
      try joined.blocks(from: height + 1, through: .max, limit: .max)
        == full.blocks(from: height + 1, through: .max, limit: .max), comment)
    for above in height + 1...UInt64(sample.blocks.count) {
      #expect(try joined.receipts(at: above) == full.receipts(at: above), comment)
    }
    let trades = try full.trades(after: 0, limit: .max).filter { $0.height > height }
    #expect(try joined.trades(after: 0, limit: .max) == trades, comment)
    #expect(joined.latestTrade == full.latestTrade, comment)
    for account in Set(sample.blocks.flatMap(\.history).map(\.account)).sorted() {
      let lines = try full.history(account: account, limit: .max).filter { $0.height > height }
      let found = try joined.history(account: account, limit: .max)
      #expect(found.map(\.id) == lines.map(\.id), comment)
      #expect(found.map(\.line) == lines.map(\.line), comment)
    }
    let intervals = sample.blocks.flatMap(\.intervals).filter { $0.height > 25 }
    #expect(
      try joined.intervals(from: Interval(.min), through: Interval(.max), limit: .max)
        == intervals, comment)
    for meter in [0, 5, 9, 449] as [UInt32] {
      #expect(
        try joined.figures(meter: meter, from: intervals[0].interval, limit: .max)
          == full.figures(meter: meter, from: intervals[0].interval, limit: .max), comment)
    }
    #expect(try joined.counts().totals == full.counts().totals, comment)
    #expect(try joined.verifyChain()?.hash == sample.blocks.last?.hash, comment)
    try joined.checkInvariants()
  }

  private func checkBelow(
    _ joined: Store, _ sample: SampleChain, _ height: Int, _ comment: Comment
  ) throws {
    let heads = try joined.headers(from: 1, limit: height)
    for (block, head) in zip(sample.blocks, heads) {
      #expect(head.hash == block.hash && head.bytes == block.header, comment)
      #expect(head.finalization == block.finalization && head.time == block.time, comment)
      #expect([block.roots, .unknown].contains(head.roots), comment)
      let found = try #require(try joined.block(at: block.height))
      #expect(found.body == (block.body.isEmpty ? [] : nil), comment)
      #expect(try joined.receipts(at: block.height) == (block.body.isEmpty ? [] : nil), comment)
      let first = ReceiptPosition(height: block.height, index: 0)
      #expect(try joined.receipt(at: first) == nil, comment)
    }
    #expect(heads.count == height, comment)
    // What a header attests is known.
    #expect(heads.count { $0.stateRoot != .zero } > height / 3, comment)
  }

  // MARK: Breaking off

  /// A crash at any place before the last transaction leaves a store that is empty, says that it
  /// starts over, and takes the snapshot again, or the chain from its first block.
  @Test func aCrashInTheMiddleStartsOver() throws {
    let folder = try TemporaryFolder()
    let sample = sample(11, blocks: 30)
    let record = StoredJournalRecord(epoch: 1, view: 9000, kind: 1, bytes: [7])
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(journal: [record]))
    var images = [(try folder.image(), false)]
    try store.beginInstall()
    images.append((try folder.image(), true))
    for start in stride(from: 0, to: 20, by: 5) {
      try store.install(sent(sample.blocks[start..<start + 5]))
      images.append((try folder.image(), true))
    }
    for (place, (image, isBegun)) in images.enumerated() {
      let comment: Comment = "image \(place)"
      let copy = try Store(path: image.database, chain: sample.chain)
      #expect(copy.startedOver == isBegun, comment)
      #expect(copy.latestHeight == 0, comment)
      #expect(try copy.headers(from: 0, limit: 1).isEmpty, comment)
      #expect(try copy.verifyChain() == nil, comment)
      #expect(try copy.journal() == [record], comment)
      if place % 2 == 0 {
        try copy.commit(CommitBatch(executed: sample.blocks))
        try StoreModel(blocks: sample.blocks).check(copy, comment)
      } else {
        try install(sample, through: 20, into: copy)
        #expect(try copy.verifyChain()?.height == 20, comment)
        #expect(try copy.journal() == [record], comment)
      }
    }
  }

  /// The log is cut anywhere: there is the whole snapshot, or nothing of it.
  @Test(arguments: 1...3 as ClosedRange<UInt64>)
  func aTornInstallationIsWholeOrNothing(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    var sample = sample(seed, blocks: 20)
    let store = try Store(path: folder.database, chain: sample.chain)
    let start = try folder.contents("-wal").count
    try install(sample, through: 20, step: 3, into: store)
    let end = try folder.contents("-wal").count
    var wholes = 0
    for step in 0..<15 {
      let image = try folder.image()
      let place = step == 0 ? end : sample.number(start...end - 1)
      try image.replace(Array(try image.contents("-wal")[..<place]), "-wal")
      let copy = try Store(path: image.database, chain: sample.chain)
      let comment: Comment = "seed \(seed), cut at \(place) of \(end)"
      if copy.latestHeight == 20 {
        wholes += 1
        #expect(try copy.latestSnapshot() == snapshot(of: sample.blocks[19]), comment)
      } else {
        #expect(copy.latestHeight == 0, comment)
        #expect(try copy.latestSnapshot() == nil, comment)
        #expect(try copy.headers(from: 0, limit: 1).isEmpty, comment)
      }
      #expect(try copy.verifyChain()?.height ?? 0 == copy.latestHeight, comment)
    }
    #expect(wholes > 0 && wholes < 15)
  }

  @Test func givingUpLeavesAnEmptyStore() throws {
    let folder = try TemporaryFolder()
    let sample = sample(12, blocks: 10)
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.beginInstall()
    try store.install(sent(sample.blocks[..<4]))
    // A second attempt begins at the first block.
    try store.beginInstall()
    try store.install(sent(sample.blocks[..<6]))
    try store.abandonInstall()
    try store.commit(CommitBatch(executed: sample.blocks))
    try StoreModel(blocks: sample.blocks).check(store, "given up")
  }

  // MARK: Refusals

  @Test func whatDoesNotContinueTheChainIsRefusedWhole() throws {
    let folder = try TemporaryFolder()
    let sample = sample(13, blocks: 12)
    let store = try Store(path: folder.database, chain: sample.chain)
    let headers = sent(sample.blocks)
    #expect(throws: StorageFailure.other("no snapshot is being installed")) {
      try store.install(headers)
    }
    try store.beginInstall()
    let gap = Array(headers[..<4] + headers[5...])
    var damaged = headers
    damaged[3].bytes[70] ^= 1
    for (bad, height) in [(gap, 5), (damaged, 4), (Array(headers[1...]), 1)] {
      #expect(
        throws: StorageFailure.other(
          "the header that came for block \(height) does not continue the chain")
      ) { try store.install(bad) }
    }
    #expect(throws: StorageFailure.other("the header that came for block 1 cannot be read")) {
      try store.install([SentHeader(bytes: [1, 2], finalization: [])])
    }
    #expect(throws: StorageFailure.other("a snapshot of height 12 behind headers up to 0")) {
      try store.finishInstall(
        snapshot(of: sample.blocks[11]), attested: .unknown, totals: ChainTotals(),
        outbox: outbox(behind: 12))
    }
    #expect(throws: StorageFailure.self) { try store.commit(CommitBatch(journalFloor: 4)) }
    try store.install(headers)
    let last = sample.blocks[11]
    try store.finishInstall(
      snapshot(of: last), attested: last.roots, totals: totals(sample.blocks),
      outbox: outbox(behind: 12))
    #expect(throws: StorageFailure.self) { try store.beginInstall() }
    #expect(try store.verifyChain()?.hash == last.hash)
  }

  /// Two headers that attest different roots of one block, in one batch and in two.
  @Test(arguments: [1, 3])
  func rootsThatDifferAreRefused(step: Int) throws {
    let folder = try TemporaryFolder()
    let chain = Digest.sha256([5])
    var headers: [SentHeader] = []
    var parent = chain
    for height in 1...3 as ClosedRange<UInt64> {
      let attested = Attestation(
        height: height / 2, stateRoot: Digest.sha256([UInt8(height)]),
        receiptsRoot: Digest.sha256([]), outboxRoot: .zero)
      let header = BlockHeader(
        chain: chain, epoch: 1, height: height, view: height, parentView: height - 1,
        parent: parent, time: Timestamp(microseconds: Int64(height)), body: Digest.sha256([]),
        attested: attested)
      parent = header.hash
      headers.append(SentHeader(bytes: header.encoded, finalization: []))
    }
    let store = try Store(path: folder.database, chain: chain)
    try store.beginInstall()
    let failure = #expect(throws: StorageFailure.self) {
      for start in stride(from: 0, to: 3, by: step) {
        try store.install(Array(headers[start..<start + step]))
      }
    }
    #expect(
      failure
        == .other("block 3 attests other roots of block 1 than one before it"))
  }
}
