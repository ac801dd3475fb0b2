/// Packets of one chain on their way into a block of another, with what proves them: their paths to
/// the outbox root that a header attests, and what makes this header final under the source's
/// validators. Anybody may bring it.
///
/// Canonical bytes: source, destination; the changes of epoch behind a count of 8 bits, each behind
/// its length; the header; what makes it final, behind its length; the packets with their paths
/// behind a 32-bit count.
package struct PacketDelivery: Hashable, Sendable {
  package var source: ChainID
  package var destination: ChainID
  /// How the source's epochs began, from the one that the destination knows up to the header's: as
  /// the registry of validators encodes them. At most `maximumEpochs`.
  package var epochs: [[UInt8]]
  /// Of the source.
  package var header: BlockHeader
  /// A header proof in canonical bytes.
  package var finality: [UInt8]
  /// In the order of their sequence, without a gap; 1...Limits.packetsPerDelivery.
  package var packets: [PacketProof]

  package static let maximumEpochs = 16

  package init(
    source: ChainID, destination: ChainID, epochs: [[UInt8]], header: BlockHeader,
    finality: [UInt8], packets: [PacketProof]
  ) {
    self.source = source
    self.destination = destination
    self.epochs = epochs
    self.header = header
    self.finality = finality
    self.packets = packets
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 1024 + finality.count + 512 * packets.count)
    writer.write(source)
    writer.write(destination)
    writer.write(UInt8(epochs.count))
    for change in epochs { writer.write(counted: change) }
    header.encode(into: &writer)
    writer.write(counted: finality)
    writer.write(UInt32(packets.count))
    for packet in packets { packet.encode(into: &writer) }
    return writer.bytes
  }

  /// Throws `malformed` for anything else than a delivery in canonical bytes whose packets go from
  /// its source to its destination, in order.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    source = try reader.readDigest()
    destination = try reader.readDigest()
    epochs = []
    let changes = Int(try reader.read(UInt8.self))
    guard changes <= Self.maximumEpochs, source != destination else { throw .malformed }
    for _ in 0..<changes { epochs.append(try reader.readCounted()) }
    header = try BlockHeader(from: &reader)
    finality = try reader.readCounted()
    let count = try reader.readCount(elementSize: Packet.envelopeBytes + 17)
    guard (1...Limits.packetsPerDelivery).contains(count), header.chain == source else {
      throw .malformed
    }
    packets = []
    packets.reserveCapacity(count)
    for _ in 0..<count {
      let proof = try PacketProof(from: &reader)
      let last = packets.last?.packet.sequence
      guard proof.packet.source == source, proof.packet.destination == destination,
        last.map({ $0 < .max && proof.packet.sequence == $0 + 1 }) ?? true
      else { throw .malformed }
      packets.append(proof)
    }
    try reader.finish()
  }
}
