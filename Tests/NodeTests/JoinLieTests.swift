import Consensus
import Domain
import Node
import Storage
import Testing

/// Peers that lie to a node that joins: each is left out with its name and what it did, nothing of
/// it is stored, and the next one is asked.
@Suite struct JoinLieTests {
  /// What a liar does to an answer, and what is said of it.
  struct Lie<Answer>: Sendable {
    let reason: String
    let change: @Sendable (inout Answer) throws -> Void

    init(_ reason: String, _ change: @escaping @Sendable (inout Answer) throws -> Void) {
      self.reason = reason
      self.change = change
    }
  }

  /// The honest source, with another offer.
  private func lying(
    _ maker: ChainMaker, _ change: @escaping @Sendable (inout SnapshotOffer) throws -> Void
  ) -> SnapshotSource {
    var source = maker.archive.source(named: "liar")
    let honest = source.offer
    source.offer = {
      guard var offer = try await honest() else { return nil }
      try change(&offer)
      return offer
    }
    return source
  }

  /// Joins by a liar and an honest peer, and checks that the liar alone is left out.
  private func expect(
    _ liar: SnapshotSource, _ maker: ChainMaker, dropped reason: String, store name: String
  ) async throws {
    let comment: Comment = "\(name): \(reason)"
    let honest = maker.archive.source(named: "honest")
    let (store, report) = try await JoinTests.join(maker.test, [liar, honest], store: name)
    #expect(report.dropped == [DroppedPeer(name: "liar", reason: reason)], comment)
    let height = try #require(report.height, comment)
    #expect(report.stateRoot == maker.attestations[Int(height)].stateRoot, comment)
    #expect(try store.verifyChain()?.hash == maker.blocks[Int(height) - 1].hash, comment)
    // Alone, the liar gets nowhere, and leaves nothing.
    let (empty, alone) = try await JoinTests.join(maker.test, [liar], store: "alone-" + name)
    #expect(alone.height == nil, comment)
    #expect(alone.dropped.map(\.name) == ["liar"], comment)
    #expect(try empty.headers(from: 1, limit: 1).isEmpty, comment)
    #expect(try empty.latestSnapshot() == nil, comment)
  }

  private func withChain(
    validators: Int, _ body: (ChainMaker) async throws -> Void
  ) async throws {
    let keys = testKeys(validators, from: 40)
    let test = try TestGrid(validators: keys)
    defer { test.remove() }
    try await body(try await JoinTests.chain(test, validators: keys, seed: 20))
  }

  // MARK: Offers

  @Test func offersThatDoNotHoldTogetherAreRefused() async throws {
    try await withChain(validators: 1) { maker in
      let honest = try #require(try await maker.archive.offer())
      let height = honest.height
      let next = height + 1
      let lies: [Lie<SnapshotOffer>] = [
        Lie("an offer without a proof", { $0.headers.removeLast($0.headers.count - 1) }),
        Lie("an offer without a proof", { $0.headers[$0.headers.count - 1].finalization = [] }),
        Lie(
          "an offer of 1025 headers",
          { $0.headers = Array(repeating: $0.headers[0], count: 1025) }),
        Lie(
          "the header of block \(height) with an offer of \(height + 5)",
          { $0.height += 5 }
        ),
        Lie("a header of another chain", { $0.headers[0].bytes[3] ^= 1 }),
        Lie("header \(next) cannot be read", { $0.headers[1].bytes.removeLast() }),
        Lie("header \(next) does not continue the chain", { $0.headers[1].bytes[70] ^= 1 }),
        Lie("header \(next) does not continue the chain", { $0.headers[0].bytes[200] ^= 1 }),
        Lie("its chunks do not make the state root that is attested", { $0.accountsRoot = .zero }),
        Lie(
          "its chunks do not make the state root that is attested",
          { $0.chunks[4].digest = Digest.sha256([4]) }
        ),
        Lie("its chunks do not make the state root that is attested", { $0.chunks.swapAt(3, 4) }),
        Lie("a chunk of -1 bytes, named pipeline", { $0.chunks[0].size = -1 }),
        Lie("a chunk of \(1 << 40) bytes, named pipeline", { $0.chunks[0].size = 1 << 40 }),
        Lie(
          "a state of \(9 << 30) bytes",
          { offer in
            for place in 0..<9 { offer.chunks[place].size = 1 << 30 }
            for place in 9..<offer.chunks.count { offer.chunks[place].size = 0 }
          }
        ),
        Lie(
          "the finalization of block \(next) does not verify",
          { $0.headers[1].finalization[80] ^= 1 }
        ),
        Lie(
          "the finalization of block \(next) does not verify",
          { $0.headers[1].finalization = [1, 2, 3] }
        ),
      ]
      #expect(honest.headers.count == 2)
      for (place, lie) in lies.enumerated() {
        try await expect(
          lying(maker, lie.change), maker, dropped: lie.reason, store: "offer\(place)")
      }
    }
  }

  /// A state that nobody attests, under headers that are all true.
  @Test func aStateOfTheLiarsOwnIsRefused() async throws {
    try await withChain(validators: 4) { maker in
      let test = maker.test
      var forger = try await ChainMaker(
        test, validators: testKeys(4, from: 40), seed: 99, store: "forged.sqlite")
      forger.forge(by: testKeys(4, from: 90))
      try await forger.grow(130, isSaving: true)
      try await forger.grow(6)
      try forger.store.prune(below: .max)
      let offer = try #require(try await forger.archive.offer())
      let honest = try #require(try await maker.archive.offer())
      #expect(offer.height > honest.height)
      let last = offer.height + UInt64(offer.headers.count) - 1
      try await expect(
        forger.archive.source(named: "liar"), maker,
        dropped: "the finalization of block \(last) does not verify", store: "forged")
    }
  }

  /// Three of four validators are needed; two, and one twice, are not enough.
  @Test func aMinorityCannotProve() async throws {
    try await withChain(validators: 4) { maker in
      let keys = testKeys(4, from: 40)
      let honest = try #require(try await maker.archive.offer())
      let last = maker.blocks[Int(honest.height) + honest.headers.count - 2].header
      let subject = Subject.block(.finalize, last, hash: last.hash)
      let signature = keys[1].sign(subject.payload(chain: last.chain), for: .consensus)
      let one = Vote(subject: subject, signer: 1, signature: signature)
      let other = Vote(
        subject: subject, signer: 2,
        signature: keys[2].sign(subject.payload(chain: last.chain), for: .consensus))
      for (place, votes) in [[one, other], [one, other, other]].enumerated() {
        let proof = FinalityProof(
          blocks: [], certificate: Certificate(subject: subject, votes: votes)
        ).encoded
        let liar = lying(maker) { $0.headers[$0.headers.count - 1].finalization = proof }
        try await expect(
          liar, maker, dropped: "the finalization of block \(last.height) does not verify",
          store: "minority\(place)")
      }
    }
  }

  // MARK: Chunks

  @Test func chunksThatAreNotWhatWasOfferedAreRefused() async throws {
    try await withChain(validators: 1) { maker in
      let honest = try #require(try await maker.archive.offer())
      let chunk = try #require(honest.chunks.first { $0.name == "ledger/accounts/0" })
      let archive = maker.archive
      let bad = "chunk ledger/accounts/0 is not what its digest says"
      let lies: [Lie<[UInt8]?>] = [
        Lie(bad, { $0?[7] ^= 1 }), Lie(bad, { $0?.append(0) }), Lie(bad, { $0?.removeLast() }),
        Lie(bad, { $0 = [] }), Lie("it has no chunk ledger/accounts/0", { $0 = nil }),
        Lie("busy", { _ in throw TestFailure("busy") }),
      ]
      for (place, lie) in lies.enumerated() {
        var liar = archive.source(named: "liar")
        liar.chunk = { digest, _ in
          var bytes = try await archive.chunk(digest)
          if digest == chunk.digest { try lie.change(&bytes) }
          return bytes
        }
        try await expect(liar, maker, dropped: lie.reason, store: "chunk\(place)")
      }
    }
  }

  /// The digests are the true ones, and so is the state; but a size is not.
  @Test(arguments: [-1, 1])
  func aWrongSizeIsTheOfferersFault(by difference: Int) async throws {
    try await withChain(validators: 1) { maker in
      let honest = try #require(try await maker.archive.offer())
      let place = try #require(honest.chunks.firstIndex { $0.size > 1 })
      let name = honest.chunks[place].name
      let size = honest.chunks[place].size
      try await expect(
        lying(maker) { $0.chunks[place].size += difference }, maker,
        dropped: "chunk \(name) was offered with \(size + difference) bytes and has \(size)",
        store: "size\(difference)")
    }
  }

  // MARK: Headers

  @Test(arguments: [1, 4])
  func headersThatDoNotLeadFromTheGenesisAreRefused(validators: Int) async throws {
    try await withChain(validators: validators) { maker in
      let archive = maker.archive
      let height = try #require(try await archive.offer()).height
      let certified = try #require(maker.blocks[9...].first { $0.finality != nil })
      let seal = certified.header.height
      let lies: [Lie<[SentHeader]>] = [
        Lie("it has no header 1", { $0 = [] }),
        Lie("header 1 does not continue the chain", { $0.removeFirst() }),
        Lie("header 5 does not continue the chain", { $0.remove(at: 4) }),
        Lie("header 5 does not continue the chain", { $0[4].bytes[70] ^= 1 }),
        Lie("header 5 cannot be read", { $0[4].bytes += [0] }),
        Lie("header 1 attests another state of the genesis", { $0[0].bytes[150] ^= 1 }),
        Lie("header 1 attests block \(1 << 56)", { $0[0].bytes[136] ^= 1 }),
        Lie("header 1 is of epoch 2, not 1", { $0[0].bytes[39] = 2 }),
        Lie(
          "the finalization of block \(seal) does not verify",
          { $0[Int(seal) - 1].finalization[90] ^= 1 }
        ),
        Lie("more headers than were asked for", { $0.append($0[$0.count - 1]) }),
        Lie(
          "no proof among 5 headers behind block 0",
          { headers in
            headers.removeLast(headers.count - 5)
            for place in headers.indices { headers[place].finalization = [] }
          }
        ),
        Lie("asleep", { _ in throw TestFailure("asleep") }),
      ]
      for (place, lie) in lies.enumerated() {
        var liar = archive.source(named: "liar")
        liar.headers = { from, limit in
          var headers = try await archive.headers(from: from, limit: limit)
          try lie.change(&headers)
          return headers
        }
        try await expect(liar, maker, dropped: lie.reason, store: "headers\(place)")
      }
      #expect(height > 12)
    }
  }

  /// A fork that is signed by nobody, up to the block that was proven.
  @Test func aForkThatLeadsElsewhereIsRefused() async throws {
    try await withChain(validators: 1) { maker in
      let archive = maker.archive
      let height = try #require(try await archive.offer()).height
      var liar = archive.source(named: "liar")
      var forger = try await ChainMaker(
        maker.test, validators: testKeys(1, from: 40), seed: 21, store: "fork.sqlite")
      try await forger.grow(Int(height))
      let fork = forger.blocks.map {
        SentHeader(bytes: $0.header.encoded, finalization: [])
      }
      liar.headers = { from, limit in Array(fork[Int(from - 1)...].prefix(limit)) }
      try await expect(
        liar, maker, dropped: "its headers lead to another block \(height) than was proven",
        store: "fork")
    }
  }
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
