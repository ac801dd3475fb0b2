/// What one chain asks of another. Packets from one chain to another are numbered 1, 2, 3… without
/// holes, and each is executed exactly once, in this order.
///
/// Canonical bytes: source, destination, sequence, acknowledged, kind (8 bits), the body behind its
/// length.
package struct Packet: Hashable, Sendable {
  package var source: ChainID
  package var destination: ChainID
  /// From 1.
  package var sequence: UInt64
  /// The last packet of the other direction that the source had executed when it sent this one; 0
  /// for none. What became of it and of all before it was sent no later than this packet.
  package var acknowledged: UInt64
  /// A `PacketKind`, or one of a later version.
  package var kind: UInt8
  /// The body as it was sent; `content` reads it.
  package var body: [UInt8]

  package init(
    source: ChainID, destination: ChainID, sequence: UInt64, acknowledged: UInt64,
    content: PacketContent
  ) {
    self.source = source
    self.destination = destination
    self.sequence = sequence
    self.acknowledged = acknowledged
    kind = content.kind.rawValue
    var writer = CanonicalWriter(capacity: 128)
    content.encode(into: &writer)
    body = writer.bytes
  }

  /// Bytes of a packet beside its body.
  package static let envelopeBytes = 32 + 32 + 8 + 8 + 1 + 4

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: Self.envelopeBytes + body.count)
    encode(into: &writer)
    return writer.bytes
  }

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(source)
    writer.write(destination)
    writer.write(sequence)
    writer.write(acknowledged)
    writer.write(kind)
    writer.write(counted: body)
  }

  /// Throws `malformed` for anything that is not a packet, or one above Limits.packetBytes. The
  /// body may be anything: a receiver executes what it does not understand as a refusal, so that
  /// the lane goes on.
  package init(from reader: inout CanonicalReader) throws(Rejection) {
    source = try reader.readDigest()
    destination = try reader.readDigest()
    sequence = try reader.read(UInt64.self)
    acknowledged = try reader.read(UInt64.self)
    kind = try reader.read(UInt8.self)
    body = try reader.readCounted()
    guard sequence > 0, Self.envelopeBytes + body.count <= Limits.packetBytes else {
      throw .malformed
    }
  }

  /// The body, read. Throws `unknownKind`, or `malformed` for a body of another form, or with a
  /// field out of its range.
  package func content() throws(PacketReason) -> PacketContent {
    guard let kind = PacketKind(rawValue: kind) else { throw .unknownKind }
    do throws(Rejection) {
      var reader = CanonicalReader(body)
      let content = try PacketContent(kind, from: &reader)
      try reader.finish()
      return content
    } catch { throw .malformed }
  }

  /// Leaf of the outbox tree: the encoded packet.
  package var leaf: Digest { MerkleTree.leaf(encoded) }
}

/// The raw values are in every packet's hash: they never change.
package enum PacketKind: UInt8, CaseIterable, Sendable {
  // From a grid to the backbone.
  case checkpoint = 1
  case bid = 2
  case transferOut = 3
  case withdrawal = 4
  // From the backbone to a grid.
  case result = 65
  case transferIn = 66
  case void = 67
  case issue = 68
  case reward = 69
  case wheeling = 70
  case validators = 71
  case frozen = 72

  package var isForBackbone: Bool { rawValue < 65 }
}

/// Why a packet was refused, or what it asked for was. A value in a receipt, and in the packet that
/// says so to its sender; the raw values never change. Checks are made in the order of the cases.
package enum PacketReason: UInt8, Error, CaseIterable, Sendable {
  // The packet is not executed: it is as if it had not come.
  /// Sent to another chain.
  case wrongDestination = 1
  /// From a chain that is not registered.
  case unknownSource = 2
  /// From a chain that signed two histories.
  case frozenSource = 3
  /// Executed before.
  case alreadyExecuted = 4
  /// One or more packets before it have not come; who carries them begins there.
  case gap = 5
  /// This block has sent as many packets as a block may: again in the next.
  case outboxFull = 6
  /// A bid for the interval that still runs on this chain, whose clock is behind the sender's:
  /// again when it is over.
  case intervalRuns = 7

  // The packet is executed; what it asks for is not done.
  /// A kind that this chain does not know.
  case unknownKind = 16
  /// A kind for the other direction.
  case wrongKind = 17
  /// Not the form that the protocol describes, or a field out of its range.
  case malformed = 18
  /// To a grid that is not registered.
  case unknownDestination = 19
  /// To a grid that signed two histories.
  case frozenDestination = 20
  /// The backbone has gone beyond the height that the sender named.
  case deadlinePassed = 21
  /// A bid for a round that the grid has bid in, or passed.
  case duplicateBid = 22
  /// A bid while an older one waits for its result.
  case roundOpen = 23
  /// A bid for an interval that has not begun.
  case roundInFuture = 24
  /// A bid for a round that is closed, or past its time.
  case tooLate = 25
  /// More than the grid's reserve has free.
  case insufficientReserve = 26
  /// As many withdrawals of this grid wait for the gateway as may.
  case tooManyWithdrawals = 27
  /// A checkpoint that does not follow the last one by height, hash, interval and energy.
  case notLinked = 28
  /// A checkpoint whose supplies the reserve and the packets under way do not explain.
  case unbacked = 29
  /// A total that does not fit its width.
  case overflow = 30

  /// Whether a packet with this answer counts as executed.
  package var isExecuted: Bool { rawValue >= 16 }
}

/// The packets of one block, in the order in which they were sent. The header that attests the
/// block has their root, of no packets SHA-256 of nothing.
package struct Outbox: Sendable {
  package let packets: [Packet]
  private var tree: MerkleTree

  package init(_ packets: [Packet]) {
    self.packets = packets
    tree = MerkleTree(leaves: packets.map(\.leaf))
  }

  package mutating func root() -> Digest { tree.root() }

  /// The proof of the packet at this place, which exists.
  package mutating func proof(of index: Int) -> PacketProof {
    PacketProof(packet: packets[index], path: tree.proof(of: index))
  }
}

/// A packet and its path to the outbox root of its block.
///
/// Canonical bytes: the packet, index and count of leaves (64 bits each), the path's digests behind
/// a count of 8 bits.
package struct PacketProof: Hashable, Sendable {
  package var packet: Packet
  package var path: MerkleProof

  package init(packet: Packet, path: MerkleProof) {
    self.packet = packet
    self.path = path
  }

  /// Digests in a path: a tree of Limits.outboxPackets leaves is not deeper.
  package static let maximumPath = 16

  /// Whether the packet is one of those with this root.
  package func verify(root: Digest) -> Bool {
    path.count <= UInt64(Limits.outboxPackets) && path.root(of: packet.leaf) == root
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: Packet.envelopeBytes + packet.body.count + 560)
    encode(into: &writer)
    return writer.bytes
  }

  package func encode(into writer: inout CanonicalWriter) {
    packet.encode(into: &writer)
    writer.write(path.index)
    writer.write(path.count)
    writer.write(UInt8(path.path.count))
    for digest in path.path { writer.write(digest) }
  }

  /// Throws `malformed`.
  package init(from reader: inout CanonicalReader) throws(Rejection) {
    packet = try Packet(from: &reader)
    let index = try reader.read(UInt64.self)
    let count = try reader.read(UInt64.self)
    let length = Int(try reader.read(UInt8.self))
    guard length <= Self.maximumPath else { throw .malformed }
    var digests: [Digest] = []
    for _ in 0..<length { digests.append(try reader.readDigest()) }
    path = MerkleProof(index: index, count: count, path: digests)
  }
}
