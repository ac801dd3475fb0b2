import Domain
import Storage

/// The packets that headers have yet to attest: those of the newest blocks.
///
/// A header attests the newest block that its proposer had executed, and passes over others; one
/// whose proposer lags attests an earlier block than the header before it. So a block's outbox root
/// covers all packets behind the highest block that its own header, or one before it, attests. Of
/// the headers that attest a packet's block or a later one, take the first, and call that block b:
/// b's own header and those before it attest blocks below the packet's, so that b's root covers the
/// packet. So does the root of any later block below the first of these headers. Every packet
/// stands under a root that a header attests, whichever blocks headers pass over. One that stands
/// under two is executed once, by its sequence.
package struct OutboxWindow: Hashable, Sendable {
  private struct Sent: Hashable, Sendable {
    let height: UInt64
    let packets: [Packet]
  }

  private static let chunkName = "outbox/window"
  /// By height, ascending; blocks that sent nothing are left out.
  private var blocks: [Sent] = []

  package init() {}

  /// How many packets the entries of the next block may send: a root covers Limits.outboxPackets.
  /// An eighth of them stays free for what has to be sent whatever waits, results of rounds and
  /// news of validators.
  package var room: Int {
    let waiting = blocks.reduce(0) { $0 + $1.packets.count }
    return max(0, min(Limits.packetsPerBlock, Limits.outboxPackets / 8 * 7 - waiting))
  }

  /// Whether packets are here that no header has attested.
  package var isWaiting: Bool { !blocks.isEmpty }

  /// All packets here with their blocks, in the order in which they were sent.
  fileprivate var sent: [StoredPacket] {
    blocks.flatMap { block in
      block.packets.map { StoredPacket(height: block.height, packet: $0) }
    }
  }

  /// Takes what the block with this header has sent, and forgets what its header attests.
  package mutating func add(_ packets: [Packet], of header: BlockHeader) {
    blocks.removeAll { $0.height <= header.attested.height }
    if !packets.isEmpty { blocks.append(Sent(height: header.height, packets: packets)) }
  }

  /// Of all packets here, in the order in which they were sent.
  package func root() -> Digest {
    if blocks.isEmpty { return Digest.sha256([]) }
    var outbox = Outbox(blocks.flatMap(\.packets))
    return outbox.root()
  }

  package var chunk: StateChunk {
    var writer = CanonicalWriter(capacity: 64)
    writer.write(UInt32(blocks.count))
    for block in blocks {
      writer.write(block.height)
      writer.write(UInt32(block.packets.count))
      for packet in block.packets { packet.encode(into: &writer) }
    }
    return StateChunk(name: Self.chunkName, bytes: writer.bytes)
  }

  /// What gave this one chunk. Throws `malformed`.
  package init(chunks: [StateChunk]) throws(Rejection) {
    guard chunks.count == 1, chunks[0].name == Self.chunkName else { throw .malformed }
    var reader = CanonicalReader(chunks[0].bytes)
    for _ in 0..<(try reader.readCount(elementSize: 12)) {
      let height = try reader.read(UInt64.self)
      guard blocks.last.map({ $0.height < height }) ?? true else { throw .malformed }
      var packets: [Packet] = []
      for _ in 0..<(try reader.readCount(elementSize: Packet.envelopeBytes)) {
        packets.append(try Packet(from: &reader))
      }
      guard !packets.isEmpty else { throw .malformed }
      blocks.append(Sent(height: height, packets: packets))
    }
    try reader.finish()
  }
}

extension StoredOutbox {
  /// The packets of the state after the block at `height`, of which `store` has the headers: from
  /// these on it has all that later roots cover.
  package init(
    _ window: OutboxWindow, at height: UInt64, in store: some ChainStorage
  ) throws {
    guard let last = try store.headers(from: height, limit: 1).first else {
      throw StorageFailure.corrupt("block \(height)")
    }
    self.init(from: try store.settled(before: last) + 1, packets: window.sent)
  }
}
