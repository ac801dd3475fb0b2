/// Bytes as their author signed them, and the signature. Never re-encoded.
package struct SignedBytes: Hashable, Sendable {
  package var payload: [UInt8]
  package var signature: Signature

  package init(payload: [UInt8], signature: Signature) {
    self.payload = payload
    self.signature = signature
  }
}

/// What a block carries; the content behind it is parsed and, as `Verified`, signed.
package enum EntryContent: Hashable, Sendable {
  case reading(Reading)
  case command(Command)
  /// Packets of another chain, with their proof; checked in execution.
  case delivery(PacketDelivery)
  /// Two histories of a grid, with their proofs; checked in execution.
  case report(HistoryReport)

  /// First byte of the entry in a block's body.
  package var kind: EntryKind {
    switch self {
    case .reading: .reading
    case .command: .command
    case .delivery: .delivery
    case .report: .report
    }
  }
}

package enum EntryKind: UInt8, CaseIterable, Sendable {
  case reading = 1
  case command = 2
  case delivery = 3
  case report = 4

  /// Bytes of the largest payload.
  package var limit: Int {
    switch self {
    case .reading: Limits.readingBytes
    case .command: Limits.commandBytes
    case .delivery: Limits.deliveryBytes
    case .report: Limits.reportBytes
    }
  }
}

/// Kinds of entries that the blocks of a chain carry.
package struct EntryKinds: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let microgrid: EntryKinds = [.of(.reading), .of(.command), .of(.delivery)]
  package static let backbone: EntryKinds = [
    .of(.command), .of(.delivery), .of(.report),
  ]

  private static func of(_ kind: EntryKind) -> EntryKinds {
    EntryKinds(rawValue: 1 << kind.rawValue)
  }

  package func contains(_ kind: EntryKind) -> Bool { contains(Self.of(kind)) }
}

/// An entry whose form, size and signature were checked. Only the Verifier makes one.
package struct VerifiedEntry: Hashable, Sendable {
  package let content: EntryContent
  package let signed: SignedBytes
  /// SHA-256 of the signed payload: what the entry is known by while it waits, and in receipts.
  package let identity: Digest

  /// For the Verifier, after its checks, and for tests.
  package init(verified content: EntryContent, signed: SignedBytes) {
    self.content = content
    self.signed = signed
    identity = Digest.sha256(signed.payload)
  }

  /// Bytes that this entry takes in a block's body.
  package var encodedSize: Int { 1 + 4 + signed.payload.count + 64 }
}

/// The framing of a block's body: kind, counted payload, signature; one after the other.
package enum BlockBody {
  package static func append(_ entry: VerifiedEntry, to writer: inout CanonicalWriter) {
    writer.write(entry.content.kind.rawValue)
    writer.write(counted: entry.signed.payload)
    writer.write(entry.signed.signature)
  }

  /// The framed entries, not yet parsed nor verified. Throws `malformed`.
  package static func split(_ body: [UInt8]) throws(Rejection) -> [(EntryKind, SignedBytes)] {
    guard body.count <= Limits.blockBytes else { throw .malformed }
    var reader = CanonicalReader(body)
    var entries: [(EntryKind, SignedBytes)] = []
    while reader.remaining > 0 {
      guard let kind = EntryKind(rawValue: try reader.read(UInt8.self)) else { throw .malformed }
      let payload = try reader.readCounted()
      guard payload.count <= kind.limit, entries.count < Limits.blockEntries else {
        throw .malformed
      }
      entries.append((kind, SignedBytes(payload: payload, signature: try reader.readSignature())))
    }
    return entries
  }
}

/// The roots of the newest executed block, which a header attests, so that a proof leads to a
/// finalised header and a replica that diverged is never voted along.
package struct Attestation: Hashable, Sendable {
  package var height: UInt64
  package var stateRoot: Digest
  package var receiptsRoot: Digest
  /// Root of the packets for other chains; of none, SHA-256 of nothing.
  package var outboxRoot: Digest

  package init(height: UInt64, stateRoot: Digest, receiptsRoot: Digest, outboxRoot: Digest) {
    self.height = height
    self.stateRoot = stateRoot
    self.receiptsRoot = receiptsRoot
    self.outboxRoot = outboxRoot
  }

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(height)
    writer.write(stateRoot)
    writer.write(receiptsRoot)
    writer.write(outboxRoot)
  }

  package init(from reader: inout CanonicalReader) throws(Rejection) {
    height = try reader.read(UInt64.self)
    stateRoot = try reader.readDigest()
    receiptsRoot = try reader.readDigest()
    outboxRoot = try reader.readDigest()
  }
}

package struct BlockHeader: Hashable, Sendable {
  package var chain: ChainID
  package var epoch: UInt64
  /// 1 for the first block; the parent of it is the genesis, with the chain's id as its hash.
  package var height: UInt64
  package var view: UInt64
  /// View of the parent; 0 for the genesis.
  package var parentView: UInt64
  package var parent: Digest
  package var time: Timestamp
  /// SHA-256 of the body.
  package var body: Digest
  package var attested: Attestation

  package init(
    chain: ChainID, epoch: UInt64, height: UInt64, view: UInt64, parentView: UInt64,
    parent: Digest, time: Timestamp, body: Digest, attested: Attestation
  ) {
    self.chain = chain
    self.epoch = epoch
    self.height = height
    self.view = view
    self.parentView = parentView
    self.parent = parent
    self.time = time
    self.body = body
    self.attested = attested
  }

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(chain)
    writer.write(epoch)
    writer.write(height)
    writer.write(view)
    writer.write(parentView)
    writer.write(parent)
    writer.write(time)
    writer.write(body)
    attested.encode(into: &writer)
  }

  package init(from reader: inout CanonicalReader) throws(Rejection) {
    chain = try reader.readDigest()
    epoch = try reader.read(UInt64.self)
    height = try reader.read(UInt64.self)
    view = try reader.read(UInt64.self)
    parentView = try reader.read(UInt64.self)
    parent = try reader.readDigest()
    time = try reader.readTimestamp()
    body = try reader.readDigest()
    attested = try Attestation(from: &reader)
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 256)
    encode(into: &writer)
    return writer.bytes
  }

  /// SHA-256 of the canonical encoding.
  package var hash: Digest { Digest.sha256(encoded) }
}

package struct Block: Hashable, Sendable {
  package var header: BlockHeader
  package var body: [UInt8]

  package init(header: BlockHeader, body: [UInt8]) {
    self.header = header
    self.body = body
  }
}
