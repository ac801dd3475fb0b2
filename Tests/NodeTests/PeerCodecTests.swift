import Consensus
import Domain
import Node
import Testing
import Wire

@Suite struct PeerCodecTests {
  private let chain = PeerChain(4)

  private func entry(_ bytes: Int) -> VerifiedEntry {
    let signed = SignedBytes(payload: [UInt8](repeating: 7, count: bytes), signature: .zero)
    let reading = Reading(
      chain: chain.chain, meter: chain.keys[0].publicKey, interval: Interval(1),
      exported: Energy(0), imported: Energy(0))
    return VerifiedEntry(verified: .reading(reading), signed: signed)
  }

  @Test func consensusMessagesComeBack() throws {
    let block = chain.block(view: 3, bytes: 1000)
    let messages: [Message] = [
      .vote(chain.nullify(3, by: 1)), .proposal(block, chain.notarize(block, by: 3)),
      .certificate(chain.certificate(.nullify(epoch: 1, view: 2))),
      .answer(
        Answer(certificates: [chain.certificate(.nullify(epoch: 1, view: 2))], blocks: [block])),
      .standing(Standing(epoch: 1, height: 2, vote: chain.nullify(3, by: 1))),
    ]
    for message in messages {
      let bytes = PeerMessage.consensus(message).encoded
      guard case .consensus(let read) = try PeerMessage(decoding: bytes) else {
        Issue.record("another kind")
        continue
      }
      #expect(read == message)
      #expect(PeerMessage.consensus(read).encoded == bytes)
    }
  }

  @Test func entriesComeBack() throws {
    let entries = [entry(200), entry(1), entry(256)]
    let sent = PeerMessage.forwarding(entries)
    #expect(sent.count == 1)
    let bytes = try #require(sent.first?.encoded)
    #expect(bytes.count == 1 + entries.reduce(0) { $0 + $1.encodedSize })
    guard case .entries(let read) = try PeerMessage(decoding: bytes) else {
      Issue.record("another kind")
      return
    }
    #expect(read.map(\.1) == entries.map(\.signed))
    #expect(read.map(\.0) == [.reading, .reading, .reading])
  }

  @Test func forwardingSplitsAtItsBound() throws {
    let entries = (0..<4000).map { _ in entry(256) }
    let messages = PeerMessage.forwarding(entries)
    #expect(messages.count == 5)
    var count = 0
    for message in messages {
      let bytes = message.encoded
      #expect(bytes.count <= PeerLimits.entriesBytes)
      guard case .entries(let read) = try PeerMessage(decoding: bytes) else { continue }
      count += read.count
    }
    #expect(count == 4000)
    #expect(PeerMessage.forwarding([]).isEmpty)
  }

  @Test(
    arguments: [
      [], [1], [2], [3], [0, 1], [0, 0, 0, 0, 2], [1, 0, 0, 0, 1, 9, 2],
      [UInt8](repeating: 0, count: 100) + [1],
    ] as [[UInt8]])
  func malformed(bytes: [UInt8]) {
    #expect(throws: Rejection.malformed) { try PeerMessage(decoding: bytes) }
  }

  @Test func everyTruncationAndAnyTailIsRefused() {
    let block = chain.block(view: 3, bytes: 40)
    let whole = PeerMessage.consensus(.proposal(block, chain.notarize(block, by: 3))).encoded
    for length in 0..<whole.count - 1 {
      #expect(throws: Rejection.malformed) {
        try PeerMessage(decoding: Array(whole.prefix(length)) + [1])
      }
    }
    #expect(throws: Rejection.malformed) {
      try PeerMessage(decoding: Array(whole.dropLast()) + [0, 1])
    }
  }

  /// What is taken at all comes back as the same bytes: there is one encoding.
  @Test(arguments: [1, 2, 3] as [UInt64]) func changedBytesAreRefusedOrAnotherMessage(seed: UInt64)
  {
    let block = chain.block(view: 3, bytes: 60)
    let certificate = chain.certificate(.nullify(epoch: 1, view: 2))
    let samples = [
      PeerMessage.consensus(.proposal(block, chain.notarize(block, by: 3))).encoded,
      PeerMessage.consensus(.answer(Answer(certificates: [certificate], blocks: [block]))).encoded,
      PeerMessage.consensus(.standing(Standing(epoch: 1, height: 2, certificate: certificate)))
        .encoded,
      PeerMessage.forwarding([entry(20), entry(30)])[0].encoded,
    ]
    var state = seed
    func draw(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var taken = 0
    for _ in 0..<5000 {
      var bytes = samples[draw(samples.count)]
      for _ in 0...draw(3) {
        switch draw(3) {
        case 0: bytes[draw(bytes.count)] = UInt8(draw(256))
        case 1: bytes.remove(at: draw(bytes.count))
        default: bytes.insert(UInt8(draw(256)), at: draw(bytes.count))
        }
      }
      guard let message = try? PeerMessage(decoding: bytes) else { continue }
      taken += 1
      #expect(message.encoded == bytes, "seed \(seed)")
    }
    #expect(taken > 0)
  }

  @Test func entriesBeyondTheirBoundAreRefused() {
    let framed = PeerMessage.forwarding((0..<900).map { _ in entry(256) })[0].encoded.dropLast()
    let tooMany = Array(framed + framed + [2])
    #expect(throws: Rejection.malformed) { try PeerMessage(decoding: tooMany) }
  }

  @Test func lanes() {
    let block = chain.block(view: 3, bytes: 10)
    let certificate = chain.certificate(.nullify(epoch: 1, view: 2))
    func lane(_ message: Message) -> PeerLane { EncodedMessage(.consensus(message)).lane }
    #expect(lane(.vote(chain.nullify(3, by: 1))) == .urgent)
    #expect(lane(.certificate(certificate)) == .urgent)
    #expect(lane(.standing(Standing(epoch: 1, height: 0))) == .urgent)
    #expect(lane(.proposal(block, chain.notarize(block, by: 3))) == .blocks)
    #expect(lane(.answer(Answer(certificates: [certificate], blocks: []))) == .urgent)
    #expect(lane(.answer(Answer(certificates: [], blocks: [block]))) == .answers)
    let many = [Certificate](repeating: certificate, count: 100)
    #expect(lane(.answer(Answer(certificates: many, blocks: []))) == .answers)
    #expect(EncodedMessage(PeerMessage.forwarding([entry(9)])[0]).lane == .blocks)
  }

  @Test func theLargestOfEachKindFitsItsLane() {
    let signers = (0..<UInt16(ConsensusLimits.validators)).map {
      Vote(subject: .nullify(epoch: 1, view: 1), signer: $0, signature: .zero)
    }
    let certificate = Certificate(subject: .nullify(epoch: 1, view: 1), votes: signers)
    let block = chain.block(view: 1, bytes: Limits.blockBytes)
    func size(_ message: Message) -> Int { PeerMessage.consensus(message).encoded.count }
    #expect(size(.certificate(certificate)) < PeerLane.urgent.limit)
    #expect(
      size(.standing(Standing(epoch: 1, height: 1, certificate: certificate, vote: signers[0])))
        < PeerLane.urgent.limit)
    let names = [BlockName](
      repeating: BlockName(view: 1, hash: .zero), count: ConsensusLimits.fetchBlocks)
    #expect(
      size(.fetch(Fetch(epoch: 1, height: 1, from: 1, blocks: names))) < PeerLane.urgent.limit)
    #expect(size(.proposal(block, signers[0])) < PeerLane.blocks.limit)
    let small = chain.block(view: 1, bytes: 0)
    let blocks =
      [block, block]
      + [Block](repeating: small, count: ConsensusLimits.answerBlocks - 2)
    let certificates = [Certificate](
      repeating: certificate, count: ConsensusLimits.answerCertificates)
    let answer = size(.answer(Answer(certificates: certificates, blocks: blocks)))
    #expect(answer < PeerLane.answers.limit)
  }

  @Test func piecesComeTogetherByLane() throws {
    var assembler = MessageAssembler()
    #expect(try assembler.add([1, 2], isLast: false, to: .blocks) == nil)
    #expect(try assembler.add([9], isLast: true, to: .urgent) == [9])
    #expect(try assembler.add([5], isLast: false, to: .answers) == nil)
    #expect(try assembler.add([3], isLast: true, to: .blocks) == [1, 2, 3])
    #expect(try assembler.add([4], isLast: true, to: .blocks) == [4])
    #expect(try assembler.add([6], isLast: true, to: .answers) == [5, 6])
  }

  @Test func piecesBeyondBoundsAreOffences() throws {
    var assembler = MessageAssembler()
    #expect(throws: PeerOffence.self) { try assembler.add([], isLast: true, to: .urgent) }
    let large = [UInt8](repeating: 0, count: PeerLimits.pieceBytes)
    #expect(throws: PeerOffence.self) {
      try assembler.add(large + [0], isLast: false, to: .blocks)
    }
    for lane in PeerLane.allCases {
      var assembler = MessageAssembler()
      var sent = 0
      while sent + large.count <= lane.limit {
        _ = try assembler.add(large, isLast: false, to: lane)
        sent += large.count
      }
      let rest = [UInt8](repeating: 0, count: lane.limit - sent)
      if !rest.isEmpty { _ = try assembler.add(rest, isLast: false, to: lane) }
      #expect(throws: PeerOffence.self) { try assembler.add([0], isLast: true, to: lane) }
    }
  }

  @Test func bucketsAllowARateAndASecondsBurst() {
    var bucket = TokenBucket(perSecond: 1000, now: 50)
    #expect(bucket.take(1000, now: 50) == 0)
    #expect(bucket.take(1, now: 50) == 1001)
    #expect(bucket.take(1, now: 2050) == 0)
    #expect(bucket.take(1, now: 2050) == 1001)
    #expect(bucket.take(1000, now: 2_002_050) == 0)
    // A clock that goes back gives nothing.
    #expect(bucket.take(10, now: 0) > 0)
    // More than the bucket holds is a debt.
    var small = TokenBucket(perSecond: 10, now: 0)
    #expect(small.take(30, now: 0) == 2_000_001)
    #expect(small.take(0, now: 2_000_000) == 0)
  }

  @Test func pausesDoubleWithinTheirBounds() {
    var pauses = Pauses()
    var expected = PeerLimits.firstPause
    for _ in 0..<12 {
      var other = pauses
      #expect(other.take(jitter: 0) == expected / 2)
      #expect(pauses.take(jitter: 1) == expected / 2 * 2)
      expected = min(2 * expected, PeerLimits.longestPause)
    }
    pauses.reset()
    #expect(pauses.take(jitter: 1) == PeerLimits.firstPause)
  }
}
