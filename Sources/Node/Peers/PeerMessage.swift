import Consensus
import Domain

/// What goes between nodes.
///
/// Canonical bytes: the content, then one byte for its kind, which stands last so that a block of
/// megabytes need not be moved to take it off. 1: a `Message`; 2: entries, framed as in a block's
/// body, at most `PeerLimits.entriesBytes`.
package enum PeerMessage: Sendable {
  case consensus(Message)
  /// Clients' entries for whoever proposes next, as their authors signed them.
  case entries([(EntryKind, SignedBytes)])

  private static let consensusTag: UInt8 = 1
  private static let entriesTag: UInt8 = 2

  package var encoded: [UInt8] {
    switch self {
    case .consensus(let message):
      var bytes = message.encoded
      bytes.append(Self.consensusTag)
      return bytes
    case .entries(let entries):
      var writer = CanonicalWriter(
        capacity: entries.reduce(1) { $0 + Self.framedSize(of: $1.1) })
      for (kind, signed) in entries {
        writer.write(kind.rawValue)
        writer.write(counted: signed.payload)
        writer.write(signed.signature)
      }
      writer.write(Self.entriesTag)
      return writer.bytes
    }
  }

  /// Throws `malformed` on anything that `encoded` cannot have given.
  package init(decoding bytes: consuming [UInt8]) throws(Rejection) {
    switch bytes.popLast() {
    case Self.consensusTag: self = .consensus(try Message(decoding: bytes))
    case Self.entriesTag:
      guard !bytes.isEmpty, bytes.count < PeerLimits.entriesBytes else { throw .malformed }
      self = .entries(try BlockBody.split(bytes))
    default: throw .malformed
    }
  }

  /// Entries in as few messages as their bound allows, in order.
  package static func forwarding(_ entries: some Sequence<VerifiedEntry>) -> [PeerMessage] {
    var messages: [PeerMessage] = []
    var batch: [(EntryKind, SignedBytes)] = []
    var size = 1
    for entry in entries {
      if size + entry.encodedSize > PeerLimits.entriesBytes, !batch.isEmpty {
        messages.append(.entries(batch))
        batch = []
        size = 1
      }
      batch.append((entry.content.kind, entry.signed))
      size += entry.encodedSize
    }
    if !batch.isEmpty { messages.append(.entries(batch)) }
    return messages
  }

  private static func framedSize(of signed: SignedBytes) -> Int { 69 + signed.payload.count }
}

/// By urgency: a lower lane's messages overtake the pieces of a higher one's.
package enum PeerLane: UInt8, Sendable, CaseIterable {
  /// Votes, certificates, fetches, answers without blocks.
  case urgent = 0
  /// Proposals and forwarded entries.
  case blocks = 1
  /// Answers with blocks.
  case answers = 2

  /// Bytes of its largest message, with its kind.
  package var limit: Int {
    switch self {
    case .urgent: PeerLimits.urgentBytes
    case .blocks: max(PeerLimits.proposalBytes, PeerLimits.entriesBytes)
    case .answers: PeerLimits.answerBytes
    }
  }
}

/// A message in bytes, once, however many peers it goes to.
package struct EncodedMessage: Sendable {
  /// What decides who gives way when a peer's outbox is full.
  package enum Kind: Sendable {
    case vote(view: UInt64)
    case fetch
    case proposal
    case entries
    case other
  }

  package let bytes: [UInt8]
  package let lane: PeerLane
  package let kind: Kind

  package init(_ message: PeerMessage) {
    bytes = message.encoded
    switch message {
    case .entries: (lane, kind) = (.blocks, .entries)
    case .consensus(.proposal): (lane, kind) = (.blocks, .proposal)
    case .consensus(.vote(let vote)): (lane, kind) = (.urgent, .vote(view: vote.subject.view))
    case .consensus(.fetch): (lane, kind) = (.urgent, .fetch)
    case .consensus(.answer(let answer))
    where !answer.blocks.isEmpty || bytes.count > PeerLimits.urgentBytes:
      (lane, kind) = (.answers, .other)
    case .consensus: (lane, kind) = (.urgent, .other)
    }
  }
}

/// Puts messages together again from their pieces, within each lane's bound.
package struct MessageAssembler: Sendable {
  private var partial = [[UInt8]](repeating: [], count: PeerLane.allCases.count)

  package init() {}

  /// The message that this piece completes, if it does.
  package mutating func add(_ piece: some Collection<UInt8>, isLast: Bool, to lane: PeerLane)
    throws(PeerOffence) -> [UInt8]?
  {
    let index = Int(lane.rawValue)
    guard !piece.isEmpty, piece.count <= PeerLimits.pieceBytes else {
      throw PeerOffence("a piece of \(piece.count) bytes")
    }
    guard partial[index].count + piece.count <= lane.limit else {
      throw PeerOffence("a message of more than \(lane.limit) bytes in lane \(lane.rawValue)")
    }
    partial[index].append(contentsOf: piece)
    guard isLast else { return nil }
    defer { partial[index] = [] }
    return partial[index]
  }
}

/// What no honest peer sends; it costs the sender its link.
package struct PeerOffence: Error, Hashable {
  package var reason: String

  init(_ reason: String) { self.reason = reason }
}
