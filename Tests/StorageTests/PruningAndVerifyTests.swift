import Domain
import Storage
import Testing

@Suite struct PruningTests {
  @Test func pruningStopsAtTheNewestSnapshotAndLeavesTheRestProvable() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 1)
    var store = try Store(path: folder.database, chain: sample.chain)
    for _ in 0..<200 {
      try store.commit(CommitBatch(executed: [sample.block(entries: 3, trades: 3, lines: 5)]))
    }
    // Without a snapshot nothing may go.
    #expect(try store.prune(below: 150) == 0)
    try StoreModel(blocks: sample.blocks).check(store, "no snapshot")

    let snapshot = StoredSnapshot(
      height: 170, stateRoot: sample.blocks[169].roots.state,
      chunks: [StateChunk(name: "s", bytes: [1])])
    try store.commit(CommitBatch(snapshot: snapshot))
    #expect(try store.prune(below: 150) == 150)
    var model = StoreModel(blocks: sample.blocks, prunedBelow: 150)
    try model.check(store, "below 150")
    #expect(try store.counts().prunedBelow == 150)

    #expect(try store.prune(below: 100) == 150)
    #expect(try store.prune(below: .max, keepingReceipts: false) == 170)
    model.prunedBelow = 170
    model.receiptsPrunedBelow = 170
    try model.check(store, "to the snapshot")
    try store.close()
    store = try Store(path: folder.database, chain: sample.chain)
    try model.check(store, "opened again")
    #expect(try store.latestSnapshot() == snapshot)
    #expect(try store.counts().trades == Int64(model.trades.count))
    try store.commit(CommitBatch(executed: [sample.block()]))
    model = StoreModel(blocks: sample.blocks, prunedBelow: 170, receiptsPrunedBelow: 170)
    try model.check(store, "and goes on")
  }

  @Test func blocksWithoutBodiesArePrunedToo() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 2)
    let store = try Store(path: folder.database, chain: sample.chain)
    for _ in 0..<5 {
      try store.commit(CommitBatch(executed: [sample.block(body: 0, entries: 0)]))
    }
    try store.commit(
      CommitBatch(snapshot: StoredSnapshot(height: 5, stateRoot: .zero, chunks: [])))
    #expect(try store.prune(below: 4) == 4)
    try StoreModel(blocks: sample.blocks, prunedBelow: 4).check(store, "no bodies")
  }
}

@Suite struct VerifyTests {
  /// Stores `sample`'s blocks, damages the file as told, opens it again and verifies.
  private func failure(
    _ sample: SampleChain, damage: (TemporaryFolder) throws -> Void = { _ in }
  ) throws -> StorageFailure? {
    let folder = try TemporaryFolder()
    let store = try Store(path: folder.database, chain: sample.chain)
    for block in sample.blocks { try store.commit(CommitBatch(executed: [block])) }
    try store.close()
    try damage(folder)
    let reopened = try Store(path: folder.database, chain: sample.chain)
    do {
      try reopened.verifyChain()
      return nil
    } catch {
      return error
    }
  }

  private func sample(_ seed: UInt64) -> SampleChain {
    var sample = SampleChain(seed: seed)
    while sample.blocks.count < 5 || sample.blocks[2].body.count < 40 {
      if sample.blocks.count == 5 { sample = SampleChain(seed: seed &* 31 &+ 7) }
      _ = sample.block()
    }
    return sample
  }

  @Test func aDamagedHeaderIsFound() throws {
    let sample = sample(1)
    let found = try failure(sample) { try $0.damage(sample.blocks[2].header) }
    #expect(found == .corrupt("the header of block 3"))
  }

  @Test func aDamagedBodyIsFound() throws {
    let sample = sample(2)
    let found = try failure(sample) { try $0.damage(sample.blocks[2].body) }
    #expect(found == .corrupt("the body of block 3"))
  }

  @Test func aDamagedRootIsFound() throws {
    let sample = sample(3)
    // In the block's own row, where hash, time (1,000,001 in three bytes) and state root follow
    // each other; the same root stands in a header that attests it.
    let block = sample.blocks[0]
    let row = block.hash.array + [0x0f, 0x42, 0x41] + block.roots.state.array
    let found = try failure(sample) { try $0.damage(row, at: row.count - 1) }
    guard case .corrupt(let reason) = found else {
      Issue.record("\(String(describing: found))")
      return
    }
    #expect(reason.hasSuffix("attests other roots for block 1 than are stored"))
  }

  @Test func bodiesBelowTheGivenHeightAreNotRead() throws {
    let sample = sample(4)
    let folder = try TemporaryFolder()
    var store = try Store(path: folder.database, chain: sample.chain)
    for block in sample.blocks { try store.commit(CommitBatch(executed: [block])) }
    try store.close()
    try folder.damage(sample.blocks[2].body)
    store = try Store(path: folder.database, chain: sample.chain)
    #expect(try store.verifyChain(bodiesFrom: 4)?.height == 5)
    #expect(throws: StorageFailure.self) { try store.verifyChain(bodiesFrom: 3) }
  }

  /// Headers that are whole but do not continue each other.
  @Test(arguments: ["chain", "parent", "height", "parent view", "time", "attested height", "root"])
  func aBrokenLinkIsFound(what: String) throws {
    var sample = sample(5)
    let tip = sample.blocks[4]
    var block = sample.block()
    var reader = CanonicalReader(block.header)
    var header = try BlockHeader(from: &reader)
    switch what {
    case "chain": header.chain = .zero
    case "parent": header.parent = sample.blocks[3].hash
    case "height": header.height += 1
    case "parent view": header.parentView += 1
    case "time": header.time = Timestamp(microseconds: 1)
    case "attested height": header.attested.height = 6
    default:
      header.attested = Attestation(
        height: 5, stateRoot: tip.roots.receipts, receiptsRoot: tip.roots.state, outboxRoot: .zero)
    }
    block.header = header.encoded
    block.hash = header.hash
    let folder = try TemporaryFolder()
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(executed: Array(sample.blocks[..<5]) + [block]))
    let failure = #expect(throws: StorageFailure.self) { try store.verifyChain() }
    guard case .corrupt(let reason) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(reason.contains("block 6"))
  }

  /// A store with one block of two receipts, two trades and five lines, closed.
  private func small(_ folder: TemporaryFolder) throws -> (chain: ChainID, block: ExecutedBlock) {
    var sample = SampleChain(seed: 6)
    var block = sample.block(body: 0, entries: 0, trades: 0, lines: 0)
    block.receipts = [.applied, .applied]
    block.readings = 2
    let trade = Trade(
      buyer: AccountIndex(1), seller: AccountIndex(2), buyOrder: OrderID(1),
      sellOrder: OrderID(2), wattHours: 1, price: Price(1), mechanism: .auction, taker: nil,
      released: .zero)
    block.trades = Array(
      repeating: PricedTrade(
        trade: trade, buyerPays: .zero, sellerGets: .zero, networkGets: .zero), count: 2)
    block.history = (0..<5).map {
      HistoryLine(AccountIndex($0 % 2), .bought, reference: 0xfeed_beef_0000 + UInt64($0), entry: 7)
    }
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(executed: [block]))
    try store.close()
    return (sample.chain, block)
  }

  @Test func aLogThatEndsElsewhereIsFoundAtTheStart() throws {
    let folder = try TemporaryFolder()
    let (chain, block) = try small(folder)
    // Entries, total entries, readings, last trade and last line, behind the receipts root; an
    // empty body's size and the number of corrections, both zero, take no byte.
    let row = block.roots.receipts.array + [2, 2, 2, 2, 5]
    try folder.damage(row, at: row.count - 1)
    let failure = #expect(throws: StorageFailure.self) {
      try Store(path: folder.database, chain: chain)
    }
    #expect(failure == .corrupt("history ends at 5, not at 4"))
  }

  @Test func aLineLinkedElsewhereIsFound() throws {
    let folder = try TemporaryFolder()
    let (chain, _) = try small(folder)
    // Line 5 belongs to account 0, the line before it is 3; now it says 2, of account 1.
    var line = CanonicalWriter()
    line.write(UInt64(0xfeed_beef_0004))
    line.write(UInt32(7))
    line.write(Int64(3))
    try folder.damage(line.bytes, at: line.bytes.count - 1)
    let store = try Store(path: folder.database, chain: chain)
    #expect(throws: InvariantViolation.self) { try store.checkInvariants() }
    #expect(throws: StorageFailure.corrupt("line 2 of the history of account 0")) {
      try store.history(account: AccountIndex(0), limit: 9)
    }
  }
}
