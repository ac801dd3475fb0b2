import Domain
import Storage
import Testing

/// What many validators need of the store beside blocks.
@Suite struct EvidenceTests {
  private func evidence(_ epoch: UInt64, _ view: UInt64, _ signer: UInt16, _ byte: UInt8 = 0)
    -> StoredEvidence
  {
    StoredEvidence(epoch: epoch, view: view, signer: signer, bytes: [byte, 1])
  }

  @Test func evidenceIsKeptOnceForEachVote() throws {
    let folder = try TemporaryFolder()
    let chain = Digest.sha256([1])
    var store = try Store(path: folder.database, chain: chain)
    let first = [evidence(1, 5, 0, 1), evidence(1, 5, 3, 2), evidence(2, 5, 0, 3)]
    try store.commit(CommitBatch(evidence: first))
    try store.commit(CommitBatch(evidence: [evidence(1, 5, 3, 9), evidence(1, 6, 3, 4)]))
    let all = first + [evidence(1, 6, 3, 4)]
    #expect(try store.evidence(limit: 100).records == all)
    #expect(try store.counts().evidence == 4)
    #expect(store.evidenceCount == 4)
    let page = try store.evidence(limit: 3)
    #expect(page.records == first)
    #expect(try store.evidence(after: page.last, limit: 3).records == [all[3]])
    let end = try store.evidence(after: 99, limit: 3)
    #expect(end.records.isEmpty && end.last == 99)
    #expect(try store.evidence(limit: 0).records.isEmpty)
    try store.close()
    store = try Store(path: folder.database, chain: chain)
    #expect(try store.evidence(limit: 100).records == all)
    #expect(store.evidenceCount == 4)
    // What does not become durable does not count either.
    var gap = SampleChain(seed: 1)
    _ = gap.block(body: 1, entries: 1, trades: 0, lines: 0)
    let block = gap.block(body: 1, entries: 1, trades: 0, lines: 0)
    #expect(throws: StorageFailure.self) {
      try store.commit(CommitBatch(executed: [block], evidence: [evidence(3, 1, 1)]))
    }
    try store.commit(CommitBatch(evidence: [evidence(3, 2, 1), evidence(1, 5, 0, 1)]))
    #expect(store.evidenceCount == 5)
    #expect(try store.evidence(limit: 100).items.map(\.number) == [1, 2, 3, 4, 5])
  }

  @Test func whoBreaksTheProtocolInEveryViewDoesNotFillTheDisk() throws {
    let folder = try TemporaryFolder()
    let store = try Store(path: folder.database, chain: Digest.sha256([1]))
    let limit = UInt64(Store.evidencePerSigner)
    try store.commit(CommitBatch(evidence: (1...limit + 50).map { evidence(1, $0, 7) }))
    try store.commit(CommitBatch(evidence: [evidence(1, 1, 8), evidence(2, 1, 7)]))
    #expect(try store.counts().evidence == Int64(limit) + 2)
    #expect(store.evidenceCount == Int64(limit) + 2)
    #expect(try store.evidence(limit: .max).records.last == evidence(2, 1, 7))
  }

  @Test func journalRecordsOfEarlierEpochsGo() throws {
    let folder = try TemporaryFolder()
    let store = try Store(path: folder.database, chain: Digest.sha256([1]))
    func record(_ epoch: UInt64, _ view: UInt64) -> StoredJournalRecord {
      StoredJournalRecord(epoch: epoch, view: view, kind: 1, bytes: [1])
    }
    try store.commit(CommitBatch(journal: [record(1, 5), record(2, 6), record(1, 9)]))
    try store.commit(
      CommitBatch(journal: [record(1, 7), record(3, 8)], journalFloor: 6, journalEpoch: 2))
    #expect(try store.journal() == [record(2, 6), record(3, 8)])
  }

  // MARK: Proofs

  /// The sample's chain with finalizations on every fourth block only.
  private func chain(_ seed: UInt64) throws -> (TemporaryFolder, Store, [ExecutedBlock]) {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: seed)
    var blocks: [ExecutedBlock] = []
    for height in 1...40 as ClosedRange<UInt8> {
      var block = sample.block(body: 10, entries: 1, trades: 1, lines: 2)
      block.finalization = height.isMultiple(of: 4) ? [height] : []
      blocks.append(block)
    }
    let store = try Store(path: folder.database, chain: sample.chain)
    try store.commit(CommitBatch(executed: blocks))
    return (folder, store, blocks)
  }

  @Test(arguments: 1...3 as ClosedRange<UInt64>)
  func theLowestHeaderThatAttestsAHeightIsFound(seed: UInt64) throws {
    let (folder, store, blocks) = try chain(seed)
    defer { withExtendedLifetime(folder) {} }
    var found = 0
    for height in 0...41 as ClosedRange<UInt64> {
      let expected = try blocks.first { block in
        var reader = CanonicalReader(block.header)
        return try BlockHeader(from: &reader).attested.height == height
      }
      #expect(try store.attesting(height: height)?.hash == expected?.hash, "height \(height)")
      if expected != nil { found += 1 }
    }
    #expect(found > 10 && found < 41)
  }

  @Test func theNextFinalizationIsFound() throws {
    let (folder, store, _) = try chain(4)
    defer { withExtendedLifetime(folder) {} }
    #expect(try store.finalization(atOrAbove: 0, limit: 100)?.height == 4)
    #expect(try store.finalization(atOrAbove: 4, limit: 1)?.finalization == [4])
    #expect(try store.finalization(atOrAbove: 5, limit: 4)?.height == 8)
    #expect(try store.finalization(atOrAbove: 5, limit: 3) == nil)
    #expect(try store.finalization(atOrAbove: 41, limit: .max) == nil)
    #expect(try store.finalization(atOrAbove: .max, limit: .max) == nil)
  }

  @Test func snapshotsAreListedWithoutTheirBytes() throws {
    let (folder, store, blocks) = try chain(5)
    defer { withExtendedLifetime(folder) {} }
    let chunks = [StateChunk(name: "a", bytes: [1, 2, 3]), StateChunk(name: "b", bytes: [])]
    for height in [10, 20] as [UInt64] {
      try store.commit(
        CommitBatch(
          snapshot: StoredSnapshot(
            height: height, stateRoot: blocks[Int(height)].roots.state,
            accountsRoot: Digest.sha256([UInt8(height)]), chunks: chunks)))
    }
    let manifests = try store.manifests()
    #expect(manifests.map(\.height) == [20, 10])
    #expect(manifests[0].accountsRoot == Digest.sha256([20]))
    #expect(manifests[0].chunks.map(\.name) == ["a", "b"])
    #expect(manifests[0].chunks.map(\.size) == [3, 0])
    #expect(try store.chunk(chunks[0].digest) == [1, 2, 3])
    #expect(try store.chunk(Digest.sha256([9])) == nil)
    #expect(try store.latestSnapshot()?.accountsRoot == Digest.sha256([20]))
  }
}
