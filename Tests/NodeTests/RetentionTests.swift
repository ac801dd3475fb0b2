import Consensus
import Domain
import Node
import Storage
import Testing

/// Which states a node keeps.
@Suite struct RetentionTests {
  /// With several validators a header may attest the block before the last: a state is kept when a
  /// header attests it, so that whatever is kept can be offered.
  @Test(arguments: [1, 4], 1...3 as ClosedRange<UInt64>)
  func whatIsKeptCanBeProven(validators: Int, seed: UInt64) async throws {
    let comment: Comment = "\(validators) validators, seed \(seed)"
    let keys = testKeys(validators, from: 40)
    let test = try TestGrid(validators: keys)
    defer { test.remove() }
    var maker = try await ChainMaker(
      test, validators: keys, seed: seed, store: "source.sqlite")
    maker.attestsEveryState = false
    var retention = Retention(snapshotHeight: 0, keepBlocks: 5, every: 20)
    #expect(retention.oldestKept == nil)
    var kept: [UInt64] = []
    for height in 1...200 as ClosedRange<UInt64> {
      let execution = try await maker.add([], isCertified: true)
      let decided = Decided(block: maker.blocks[Int(height) - 1], execution: execution)
      guard let snapshot = retention.snapshot(after: [decided]) else { continue }
      #expect(decided.block.header.attested.height == snapshot.height, comment)
      #expect(decided.block.header.attested.stateRoot == snapshot.stateRoot, comment)
      #expect(snapshot.height >= (kept.last ?? 0) + 20, comment)
      #expect(retention.oldestKept == snapshot.height - 5, comment)
      kept.append(snapshot.height)
      try maker.store.commit(CommitBatch(snapshot: snapshot))
      #expect(try await maker.archive.offer()?.height == snapshot.height, comment)
    }
    // At the latest 64 blocks after it was due, and mostly with the next close.
    #expect(kept.count >= (validators == 1 ? 6 : 3), comment)
  }
}
