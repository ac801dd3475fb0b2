import Domain

/// What must be durable before anything that follows from it leaves the node (rule 9).
package enum JournalRecord: Hashable, Sendable {
  /// A vote of this node's own, with the signature as sent.
  case vote(Vote)
  case certificate(Certificate)
  /// This view's block is certified: held whole, valid and durable.
  case certified(view: UInt64)
  case block(Block)
  /// This node is about to sign in an epoch, or has witnessed that another is (rule 16).
  case beginning(Beginning)
  /// This node signs nothing in this epoch up to that view (rule 16).
  case abstention(epoch: UInt64, through: UInt64)

  /// Of a view; the highest there is for what holds through a whole epoch, so that no floor
  /// outdates it.
  package var view: UInt64 {
    switch self {
    case .vote(let vote): vote.subject.view
    case .certificate(let certificate): certificate.subject.view
    case .certified(let view): view
    case .block(let block): block.header.view
    case .beginning, .abstention: .max
    }
  }

  /// Nil for one that tells no epoch: it goes with the records before it.
  var epoch: UInt64? {
    switch self {
    case .vote(let vote): vote.subject.epoch
    case .certificate(let certificate): certificate.subject.epoch
    case .certified: nil
    case .block(let block): block.header.epoch
    case .beginning(let beginning): beginning.epoch
    case .abstention(let epoch, _): epoch
    }
  }

  package var kind: UInt8 {
    switch self {
    case .vote: 1
    case .certificate: 2
    case .certified: 3
    case .block: 4
    case .beginning: 5
    case .abstention: 6
    }
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 256)
    writer.write(kind)
    switch self {
    case .vote(let vote): vote.encode(into: &writer)
    case .certificate(let certificate): certificate.encode(into: &writer)
    case .certified(let view): writer.write(view)
    case .block(let block): block.encode(into: &writer)
    case .beginning(let beginning): beginning.encode(into: &writer)
    case .abstention(let epoch, let view):
      writer.write(epoch)
      writer.write(view)
    }
    return writer.bytes
  }

  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    switch try reader.read(UInt8.self) {
    case 1: self = .vote(try Vote(from: &reader))
    case 2: self = .certificate(try Certificate(from: &reader))
    case 3: self = .certified(view: try reader.read(UInt64.self))
    case 4: self = .block(try Block(from: &reader))
    case 5: self = .beginning(try Beginning(from: &reader))
    case 6:
      let epoch = try reader.read(UInt64.self)
      self = .abstention(epoch: epoch, through: try reader.read(UInt64.self))
    default: throw .malformed
    }
    try reader.finish()
  }
}

extension Block {
  func encode(into writer: inout CanonicalWriter) {
    header.encode(into: &writer)
    writer.write(counted: body)
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    let header = try BlockHeader(from: &reader)
    let body = try reader.readCounted()
    guard body.count <= Limits.blockBytes else { throw .malformed }
    self.init(header: header, body: body)
  }
}

/// Where a node stands when it starts: the last block that it executed, its state's attestation,
/// and the journal above it, in the order of writing (rule 10).
package struct RecoveredConsensus: Sendable {
  package var floor: ChainPoint
  package var attestation: Attestation
  package var journal: [JournalRecord]
  /// Header of the floor; nil for the genesis.
  package var header: BlockHeader?
  /// Of the floor, if storage has one for it: it tells those who lag that it is final.
  package var finalization: Certificate?
  /// What blocks below the floor came to, ascending: headers of others may attest these.
  package var earlier: [Attestation] = []

  /// A chain with blocks. The floor may be the block that sealed the epoch before.
  package init(
    header: BlockHeader, hash: Digest, attestation: Attestation, journal: [JournalRecord],
    finalization: Certificate? = nil
  ) {
    self.init(
      floor: ChainPoint(header, hash: hash), attestation: attestation, journal: journal)
    self.header = header
    self.finalization = finalization
  }

  /// A chain that has only its genesis, which counts as the block of view 0.
  package init(
    genesis: some ChainGenesis, attestation: Attestation, journal: [JournalRecord]
  ) {
    self.init(
      floor: ChainPoint(
        height: 0, view: 0, hash: genesis.chainID,
        time: Timestamp(seconds: genesis.calendar.origin)),
      attestation: attestation, journal: journal)
  }

  /// Any point as the floor: the genesis, or the block that sealed the epoch before.
  package init(floor: ChainPoint, attestation: Attestation, journal: [JournalRecord]) {
    self.floor = floor
    self.attestation = attestation
    self.journal = journal
  }
}

/// A block's place in its chain.
package struct ChainPoint: Hashable, Sendable {
  package var height: UInt64
  package var view: UInt64
  package var hash: Digest
  package var time: Timestamp

  package init(height: UInt64, view: UInt64, hash: Digest, time: Timestamp) {
    self.height = height
    self.view = view
    self.hash = hash
    self.time = time
  }

  package init(_ header: BlockHeader, hash: Digest) {
    self.init(height: header.height, view: header.view, hash: hash, time: header.time)
  }
}
