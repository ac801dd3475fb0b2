import Consensus
import Domain
import Node
import Storage
import Testing

/// Joining a chain whose validators have changed: who they are now is proven from the genesis on.
@Suite struct JoinEpochTests {
  private func sets() -> [[SigningKey]] {
    let all = testKeys(8, from: 60)
    return [[all[0]], Array(all[0..<4]), Array(all[2..<7]), [all[5], all[7]]]
  }

  /// Epochs 1 to 4, a state in the last one and blocks below pruned.
  private func chain(_ test: TestGrid, _ sets: [[SigningKey]]) async throws -> ChainMaker {
    var maker = try await ChainMaker(
      test, validators: sets[0], seed: 30, store: "source.sqlite")
    for next in sets.dropFirst() {
      try await maker.grow(12)
      try await maker.change(to: next)
    }
    try await maker.grow(40, isSaving: true)
    try await maker.grow(6)
    try maker.store.prune(below: .max)
    return maker
  }

  @Test func everyEpochIsProvenByTheOneBefore() async throws {
    let sets = sets()
    let test = try TestGrid(validators: sets[0])
    defer { test.remove() }
    let maker = try await chain(test, sets)
    #expect(maker.registry.epoch == 4)
    let records = maker.registry.history
    #expect(records.map(\.epoch) == [2, 3, 4])
    #expect(records.map(\.validators) == sets.dropFirst().map { $0.map(\.publicKey) })
    // A quorum of the former set: 1 of 1, 3 of 4, 4 of 5, and those of it that came with them.
    #expect(zip(records.map(\.acceptances.count), [1, 3, 4]).allSatisfy { $0 >= $1 })
    for record in records {
      #expect(maker.blocks[Int(record.sealedAt) - 1].header.epoch == record.epoch - 1)
      #expect(maker.blocks[Int(record.sealedAt)].header.epoch == record.epoch)
    }
    let (store, report) = try await JoinTests.join(test, [maker.archive.source(named: "a")])
    let height = try #require(report.height)
    #expect(report.dropped.isEmpty)
    #expect(report.stateRoot == maker.attestations[Int(height)].stateRoot)
    let snapshot = try #require(try store.latestSnapshot())
    var pipeline = try BarePipeline(genesis: test.genesis, chunks: snapshot.chunks)
    #expect(pipeline.registry == maker.registry)
    for block in maker.blocks[Int(height)...] {
      let execution = try await pipeline.execute(block)
      #expect(execution.attestation == maker.attestations[Int(block.header.height)])
    }
  }

  /// Somebody takes the true chain, lets the first epoch end where it likes, and goes on with its
  /// own keys, with signatures that say something else.
  @Test(arguments: [
    "another proposal's", "signed by forgers", "of forgers", "one signer's", "two of them",
    "another epoch's",
  ])
  func anEpochThatNobodyAcceptedIsRefused(what: String) async throws {
    let keys = testKeys(4, from: 60)
    let forgers = testKeys(1, from: 90)
    let test = try TestGrid(validators: keys)
    defer { test.remove() }
    var maker = try await ChainMaker(test, validators: keys, seed: 31, store: "source.sqlite")
    try await maker.grow(20)
    let sealed = maker.height
    maker.pipeline.registry = try ValidatorRegistry(
      chain: test.genesis.chainID, founders: keys.map(\.publicKey),
      chunks: chunks(
        sealedAt: sealed, forgers.map(\.publicKey), acceptances(what, test, keys, forgers)))
    maker.forge(by: forgers)
    try await maker.grow(30, isSaving: true)
    try await maker.grow(4)
    try maker.store.prune(below: .max)
    let (store, report) = try await JoinTests.join(test, [maker.archive.source(named: "liar")])
    #expect(report.height == nil)
    let signers = ["one signer's", "two of them"].contains(what) ? 2 : 0
    #expect(
      report.dropped == [
        DroppedPeer(
          name: "liar",
          reason: "the validators of epoch 2 are not proven: \(signers) of 4 before them have "
            + "accepted them")
      ])
    #expect(store.latestHeight == 0)
  }

  /// What the forgers have to show, in the names of all before them.
  private func acceptances(
    _ what: String, _ test: TestGrid, _ keys: [SigningKey], _ forgers: [SigningKey]
  ) -> [Acceptance] {
    let chain = test.genesis.chainID
    let forged = ValidatorSet.digest(chain: chain, epoch: 2, keys: forgers.map(\.publicKey))
    let other = ValidatorSet.digest(chain: chain, epoch: 2, keys: [keys[0].publicKey])
    func accept(_ digest: Digest, _ key: SigningKey) -> SignedBytes {
      test.command(.acceptValidators(digest), by: key, sequence: 1)
    }
    return keys.enumerated().map { place, key in
      let command: SignedBytes
      switch what {
      case "another proposal's": command = accept(other, key)
      case "signed by forgers":
        command = SignedBytes(
          payload: accept(forged, key).payload, signature: accept(forged, forgers[0]).signature)
      case "of forgers": command = accept(forged, forgers[0])
      case "one signer's": command = accept(forged, keys[place % 2])
      case "two of them": command = accept(place < 2 ? forged : other, key)
      default:
        let next = ValidatorSet.digest(chain: chain, epoch: 3, keys: forgers.map(\.publicKey))
        command = accept(next, key)
      }
      return Acceptance(signer: key.publicKey, command: command)
    }
  }

  /// As the chain's state holds a change.
  private func chunks(sealedAt: UInt64, _ keys: [PublicKey], _ acceptances: [Acceptance])
    -> [StateChunk]
  {
    var state = CanonicalWriter()
    for count in [1, 0, 0] as [UInt32] { state.write(count) }
    var writer = CanonicalWriter()
    writer.write(2 as UInt64)
    writer.write(sealedAt)
    writer.write(UInt32(keys.count))
    for key in keys { writer.write(key) }
    writer.write(UInt32(acceptances.count))
    for acceptance in acceptances {
      writer.write(acceptance.signer)
      writer.write(counted: acceptance.command.payload)
      writer.write(acceptance.command.signature)
    }
    return [
      StateChunk(name: "validators/state", bytes: state.bytes),
      StateChunk(name: "validators/2", bytes: writer.bytes),
    ]
  }

  /// The changes are the true ones, but a header is of another epoch than its height is.
  @Test func aHeaderOfAnotherEpochIsRefused() async throws {
    let sets = sets()
    let test = try TestGrid(validators: sets[0])
    defer { test.remove() }
    let maker = try await chain(test, sets)
    let archive = maker.archive
    let sealed = Int(maker.registry.history[0].sealedAt)
    for (place, epoch) in [(sealed - 1, 2), (sealed, 1)] as [(Int, UInt8)] {
      var liar = archive.source(named: "liar")
      liar.headers = { from, limit in
        var headers = try await archive.headers(from: from, limit: limit)
        headers[place].bytes[39] = epoch
        return headers
      }
      let (_, report) = try await JoinTests.join(test, [liar], store: "joined\(place).sqlite")
      #expect(
        report.dropped.map(\.reason) == [
          "header \(place + 1) is of epoch \(epoch), not \(3 - epoch)"
        ])
    }
  }
}
