import Domain
import Storage

/// Packets for one chain as they can be proven: under the first final header that attests a block
/// at or behind the one that sent the first of them.
package struct ProvableOutbox: Sendable {
  package let header: BlockHeader
  /// A header proof in canonical bytes.
  package let finality: [UInt8]
  /// Behind the last one that was executed, in order.
  package let packets: [PacketProof]

  /// Bytes of a delivery that packets may take; what is left is for its proof.
  private static let bytes = Limits.deliveryBytes / 2

  /// Nil when no packet behind `received` was sent to `destination`, or none can be proven yet.
  /// Throws `corrupt` when what is stored does not make the attested root.
  package init?(
    in store: some ChainStorage, to destination: ChainID, after received: UInt64
  ) throws {
    guard let first = try store.packet(to: destination, sequence: received + 1),
      let header = try store.firstHeader(attestingFrom: first.height),
      let finality = try store.finality(of: header),
      let attested = try store.headers(from: header.attested.height, limit: 1).first
    else { return nil }
    let sent = try store.packets(
      above: try store.settled(before: attested), through: header.attested.height)
    var outbox = Outbox(sent.map(\.packet))
    guard outbox.root() == header.attested.outboxRoot else {
      throw StorageFailure.corrupt("the packets that block \(header.height) attests")
    }
    var packets: [PacketProof] = []
    var bytes = 0
    for (place, stored) in sent.enumerated()
    where stored.packet.destination == destination && stored.packet.sequence > received {
      bytes += Packet.envelopeBytes + stored.packet.body.count + 560
      guard packets.count < Limits.packetsPerDelivery, bytes <= Self.bytes || packets.isEmpty
      else { break }
      packets.append(outbox.proof(of: place))
    }
    self.header = header
    self.finality = finality.encoded
    self.packets = packets
  }
}
