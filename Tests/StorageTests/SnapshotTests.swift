import Domain
import Storage
import Testing

@Suite struct SnapshotTests {
  private func snapshot(_ height: UInt64, _ chunks: [(String, [UInt8])]) -> StoredSnapshot {
    StoredSnapshot(
      height: height, stateRoot: Digest.sha256([UInt8(height)]),
      chunks: chunks.map { StateChunk(name: $0.0, bytes: $0.1) })
  }

  @Test func snapshotsShareChunksAndTheOldestGoes() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 1)
    let store = try Store(path: folder.database, chain: sample.chain)
    let base = sample.bytes(9000)
    let genesis = snapshot(0, [("a", base), ("b", [1]), ("empty", [])])
    try store.commit(CommitBatch(snapshot: genesis))
    #expect(try store.latestSnapshot() == genesis)
    #expect(try store.counts().chunks == 3)

    // The same bytes under another name are the same chunk; order and names come back.
    let first = snapshot(1, [("c", base), ("b", [2]), ("a", base)])
    try store.commit(CommitBatch(executed: [sample.block()], snapshot: first))
    #expect(try store.latestSnapshot() == first)
    #expect(try store.latestSnapshot(notAbove: 0) == genesis)
    #expect(try store.counts().chunks == 4)

    let second = snapshot(2, [("a", base)])
    try store.commit(CommitBatch(executed: [sample.block()], snapshot: second))
    #expect(try store.latestSnapshot() == second)
    #expect(try store.latestSnapshot(notAbove: 1) == first)
    #expect(try store.latestSnapshot(notAbove: 0) == nil)
    let counts = try store.counts()
    #expect(counts.snapshots == 2)
    #expect(counts.chunks == 2)

    // Taken again at the same height, it replaces the former.
    let again = snapshot(2, [("z", [9])])
    try store.commit(CommitBatch(snapshot: again))
    #expect(try store.latestSnapshot() == again)
    #expect(try store.latestSnapshot(notAbove: 1) == first)
    #expect(try store.counts().chunks == 3)
  }

  @Test func theDigestIsTakenOverNamesAndDigestsInOrder() {
    let one = snapshot(1, [("a", [1]), ("b", [2])])
    let other = snapshot(1, [("b", [2]), ("a", [1])])
    var writer = CanonicalWriter()
    writer.write(UInt32(2))
    writer.write("a")
    writer.write(Digest.sha256([1]))
    writer.write("b")
    writer.write(Digest.sha256([2]))
    #expect(one.digest == Digest.sha256(writer.bytes))
    #expect(one.digest != other.digest)
  }

  @Test(arguments: [true, false])
  func aDamagedSnapshotIsFound(inChunk: Bool) throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 2)
    var store = try Store(path: folder.database, chain: sample.chain)
    let bytes = sample.bytes(100)
    let good = snapshot(0, [("chunk", bytes)])
    try store.commit(CommitBatch(snapshot: good))
    try store.close()
    try folder.damage(inChunk ? bytes : Array("chunk".utf8) + Digest.sha256(bytes).array)
    store = try Store(path: folder.database, chain: sample.chain)
    let failure = #expect(throws: StorageFailure.self) { try store.latestSnapshot() }
    let what = inChunk ? "chunk chunk" : "the list of chunks"
    #expect(failure == .corrupt("\(what) of the snapshot of height 0"))
  }
}
