import Consensus
import Domain
import Testing

/// What travels and what is stored: read back equal, and never a trap on anything else.
@Suite struct CodingTests {
  private static let parent = ChainPoint(height: 4, view: 6, hash: .sha256([6]), time: origin)
  private static let sample = block(view: 7, on: parent, body: [1, 2, 3])
  private static let notarize = Subject.block(
    .notarize, sample.header, hash: sample.header.hash)
  private static let skip = Subject.nullify(epoch: 1, view: 7)

  private static func certificate(_ subject: Subject) -> Certificate {
    Certificate(subject: subject, votes: [0, 1, 2].map { vote(subject, by: $0) })
  }

  private static let records: [JournalRecord] = [
    .vote(vote(notarize, by: 1)), .certificate(certificate(skip)), .certified(view: .max),
    .block(sample), .beginning(beginning(of: 2, life: 77)),
    .abstention(epoch: 3, through: .max),
  ]

  private static let messages: [Message] = [
    .proposal(sample, vote(notarize, by: 3)), .vote(vote(skip, by: 2)),
    .certificate(certificate(notarize)),
    .fetch(Fetch(epoch: 2, height: 9, from: 12, blocks: [BlockName(view: 12, hash: .sha256([1]))])),
    .answer(
      Answer(certificates: [certificate(skip), certificate(notarize)], blocks: [sample, sample])),
    .standing(Standing(epoch: 2, height: 5)),
    .standing(
      Standing(
        epoch: 1, height: 5, answer: 3, beginning: beginning(of: 1, life: 9),
        wantsAll: true, witnessed: [beginning(of: 0, life: 3), beginning(of: 2, life: 4)],
        hasAll: true, certificate: certificate(skip),
        vote: vote(skip, by: 0))),
  ]

  @Test func recordsReadBackEqual() throws {
    for record in Self.records {
      #expect(try JournalRecord(decoding: record.encoded) == record)
    }
  }

  @Test func messagesReadBackEqual() throws {
    for message in Self.messages { #expect(try Message(decoding: message.encoded) == message) }
  }

  @Test func whatIsCutIsMalformed() {
    for bytes in Self.records.map(\.encoded) {
      for count in bytes.indices {
        #expect(throws: Rejection.malformed) {
          try JournalRecord(decoding: Array(bytes.prefix(count)))
        }
      }
      #expect(throws: Rejection.malformed) { try JournalRecord(decoding: bytes + [0]) }
    }
    for bytes in Self.messages.map(\.encoded) {
      for count in bytes.indices {
        #expect(throws: Rejection.malformed) { try Message(decoding: Array(bytes.prefix(count))) }
      }
      #expect(throws: Rejection.malformed) { try Message(decoding: bytes + [0]) }
    }
  }

  @Test func listsAreBounded() {
    let names = (0...ConsensusLimits.fetchBlocks)
      .map { BlockName(view: UInt64($0), hash: .zero) }
    let fetch = Message.fetch(Fetch(epoch: 2, height: 0, from: 1, blocks: names))
    #expect(throws: Rejection.malformed) { try Message(decoding: fetch.encoded) }
    let skips = (0...ConsensusLimits.answerCertificates).map { _ in Self.certificate(Self.skip) }
    let answer = Message.answer(Answer(certificates: skips, blocks: []))
    #expect(throws: Rejection.malformed) { try Message(decoding: answer.encoded) }
    let blocks = (0...ConsensusLimits.answerBlocks).map { _ in Self.sample }
    let full = Message.answer(Answer(certificates: [], blocks: blocks))
    #expect(throws: Rejection.malformed) { try Message(decoding: full.encoded) }
    let lives = (0...ConsensusLimits.beginnings).map { _ in beginning(of: 1, life: 1) }
    let told = Message.standing(Standing(epoch: 1, height: 0, witnessed: lives))
    #expect(throws: Rejection.malformed) { try Message(decoding: told.encoded) }
    let large = JournalRecord.block(
      block(view: 7, on: Self.parent, body: [UInt8](repeating: 0, count: Limits.blockBytes + 1)))
    #expect(throws: Rejection.malformed) { try JournalRecord(decoding: large.encoded) }
  }

  /// Changed, cut, spliced and random bytes: an error or a value that encodes to the same bytes.
  @Test(arguments: 0..<8 as Range<UInt64>)
  func fuzzedBytesNeverTrap(_ seed: UInt64) throws {
    var random = SplitMix64(seed)
    let seeds = Self.records.map(\.encoded) + Self.messages.map(\.encoded)
    for _ in 0..<1500 {
      let bytes = Self.mutate(seeds[Int(random.int(0...Int64(seeds.count - 1)))], &random)
      let comment = Comment(rawValue: "seed \(seed): \(Hex.encode(bytes))")
      if let record = try? JournalRecord(decoding: bytes) {
        #expect(record.encoded == bytes, comment)
      }
      if let message = try? Message(decoding: bytes) { #expect(message.encoded == bytes, comment) }
      if let certificate = try? Certificate(decoding: bytes) {
        #expect(certificate.encoded == bytes, comment)
        _ = certificate.verify(validators: [key(0).publicKey], chain: chain)
      }
    }
  }

  private static func mutate(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
    var bytes = bytes
    if random.chance(10) {
      bytes = (0..<random.int(0...300)).map { _ in UInt8(random.next() & 255) }
    }
    for _ in 0..<random.int(0...4) where !bytes.isEmpty {
      let at = Int(random.int(0...Int64(bytes.count - 1)))
      switch random.int(0...3) {
      case 0: bytes[at] ^= 1 << UInt8(random.int(0...7))
      case 1: bytes[at] = random.chance(50) ? 255 : 0
      case 2: bytes.removeLast(Int(random.int(0...Int64(bytes.count - 1))))
      default: bytes.insert(UInt8(random.next() & 255), at: at)
      }
    }
    return bytes
  }
}
