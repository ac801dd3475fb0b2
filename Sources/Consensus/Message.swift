import Domain

/// What validators send each other.
///
/// Canonical bytes: kind (1), then the case's parts in order; lists behind a 32-bit count.
package enum Message: Hashable, Sendable {
  case proposal(Block, Vote)
  case vote(Vote)
  case certificate(Certificate)
  case fetch(Fetch)
  case answer(Answer)
  case standing(Standing)

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 512)
    switch self {
    case .proposal(let block, let vote):
      writer.write(1 as UInt8)
      block.encode(into: &writer)
      vote.encode(into: &writer)
    case .vote(let vote):
      writer.write(2 as UInt8)
      vote.encode(into: &writer)
    case .certificate(let certificate):
      writer.write(3 as UInt8)
      certificate.encode(into: &writer)
    case .fetch(let fetch):
      writer.write(4 as UInt8)
      fetch.encode(into: &writer)
    case .answer(let answer):
      writer.write(5 as UInt8)
      answer.encode(into: &writer)
    case .standing(let standing):
      writer.write(6 as UInt8)
      standing.encode(into: &writer)
    }
    return writer.bytes
  }

  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    switch try reader.read(UInt8.self) {
    case 1:
      let block = try Block(from: &reader)
      self = .proposal(block, try Vote(from: &reader))
    case 2: self = .vote(try Vote(from: &reader))
    case 3: self = .certificate(try Certificate(from: &reader))
    case 4: self = .fetch(try Fetch(from: &reader))
    case 5: self = .answer(try Answer(from: &reader))
    case 6: self = .standing(try Standing(from: &reader))
    default: throw .malformed
    }
    try reader.finish()
  }

  /// Of what it carries or asks for; nil for an answer, whose parts are looked at one by one.
  package var epoch: UInt64? {
    switch self {
    case .proposal(_, let vote), .vote(let vote): vote.subject.epoch
    case .certificate(let certificate): certificate.subject.epoch
    case .fetch(let fetch): fetch.epoch
    case .answer: nil
    case .standing(let standing): standing.epoch
    }
  }

  /// Whether every signature in it verifies; for whoever takes messages off the wire. With an
  /// `epoch`: every one that can count there. What is of another epoch counts nowhere, and only
  /// tells that its sender is in that epoch (rule 12); so the core must still be in this one when
  /// it gets the message.
  package func verify(validators: [PublicKey], chain: ChainID, epoch: UInt64? = nil) -> Bool {
    if let epoch, let other = self.epoch, other != epoch { return true }
    return switch self {
    case .proposal(_, let vote), .vote(let vote): vote.verify(validators: validators, chain: chain)
    case .certificate(let certificate):
      certificate.verify(validators: validators, chain: chain)
    case .fetch: true
    case .answer(let answer):
      answer.certificates.allSatisfy { certificate in
        if let epoch, certificate.subject.epoch != epoch { return true }
        return certificate.verify(validators: validators, chain: chain)
      }
    case .standing(let standing): standing.verify(validators: validators, chain: chain)
    }
  }
}

/// Names a block before it is held.
package struct BlockName: Hashable, Sendable {
  package var view: UInt64
  package var hash: Digest

  package init(view: UInt64, hash: Digest) {
    self.view = view
    self.hash = hash
  }
}

/// Asks for what the sender lacks (rule 11): history above `height`, certificates and notarized
/// blocks from view `from` on, and these blocks.
package struct Fetch: Hashable, Sendable {
  /// The sender's. A node of a later one answers with history alone (rule 12).
  package var epoch: UInt64
  /// Height of the sender's last final block.
  package var height: UInt64
  /// First view of which the sender lacks something.
  package var from: UInt64
  package var blocks: [BlockName]

  package init(epoch: UInt64, height: UInt64, from: UInt64, blocks: [BlockName]) {
    self.epoch = epoch
    self.height = height
    self.from = from
    self.blocks = blocks
  }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(epoch)
    writer.write(height)
    writer.write(from)
    writer.write(UInt32(blocks.count))
    for name in blocks {
      writer.write(name.view)
      writer.write(name.hash)
    }
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    epoch = try reader.read(UInt64.self)
    height = try reader.read(UInt64.self)
    from = try reader.read(UInt64.self)
    let count = try reader.readCount(elementSize: 40)
    guard count <= ConsensusLimits.fetchBlocks else { throw .malformed }
    blocks = []
    for _ in 0..<count {
      let view = try reader.read(UInt64.self)
      blocks.append(BlockName(view: view, hash: try reader.readDigest()))
    }
  }
}

/// Certificates, and blocks that they or each other name.
package struct Answer: Hashable, Sendable {
  package var certificates: [Certificate]
  package var blocks: [Block]

  package init(certificates: [Certificate], blocks: [Block]) {
    self.certificates = certificates
    self.blocks = blocks
  }

  var isEmpty: Bool { certificates.isEmpty && blocks.isEmpty }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(UInt32(certificates.count))
    for certificate in certificates { certificate.encode(into: &writer) }
    writer.write(UInt32(blocks.count))
    for block in blocks { block.encode(into: &writer) }
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    let certificates = try reader.readCount(elementSize: 62)
    guard certificates <= ConsensusLimits.answerCertificates else { throw .malformed }
    self.certificates = []
    for _ in 0..<certificates { self.certificates.append(try Certificate(from: &reader)) }
    let blocks = try reader.readCount(elementSize: 244)
    guard blocks <= ConsensusLimits.answerBlocks else { throw .malformed }
    self.blocks = []
    for _ in 0..<blocks { self.blocks.append(try Block(from: &reader)) }
  }
}
