import Consensus
import Domain
import Storage

/// Packets for one chain as they can be proven: under a final header that attests a block at or
/// behind the one that sent the first of them.
package struct ProvableOutbox: Sendable {
  /// What a store has of a lane's next packets.
  package enum Found: Sendable {
    case outbox(ProvableOutbox)
    /// No header that attests them is final so far.
    case unproven
    /// They were never sent, or by blocks that this store never had.
    case absent
  }

  package let header: BlockHeader
  /// A header proof in canonical bytes.
  package let finality: [UInt8]
  /// Behind the last one that was executed, in order.
  package let packets: [PacketProof]

  /// Bytes of a delivery that packets may take; what is left is for its proof.
  private static let bytes = Limits.deliveryBytes / 2

  /// Looks for the packets behind `received` in the lane to `destination`. Throws `corrupt` when
  /// what is stored does not make the attested root.
  package static func find(
    in store: some ChainStorage, to destination: ChainID, after received: UInt64
  ) throws -> Found {
    guard received < .max, let first = try store.packet(to: destination, sequence: received + 1)
    else { return .absent }
    guard let (header, finality) = try proof(of: first.height, in: store),
      let attested = try store.headers(from: header.attested.height, limit: 1).first
    else { return .unproven }
    let settled = try store.settled(before: attested)
    guard try store.packetsFrom() <= settled + 1 else { return .absent }
    let sent = try store.packets(above: settled, through: header.attested.height)
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
    return .outbox(
      ProvableOutbox(header: header, finality: finality.encoded, packets: packets))
  }

  /// A final header whose root covers what the block at `height` has sent, and what makes it final:
  /// the first that attests that block or a later one, or, where many blocks became final together,
  /// the last among those behind it that attest a block below it. Nil while there is none.
  ///
  /// No header before the first attests the packets, so that the roots of all blocks below it have
  /// them. And while nothing becomes final, nothing is executed that could be attested: so the last
  /// is near the block that was finalized, however far that is from the first.
  private static func proof(
    of height: UInt64, in store: some ChainStorage
  ) throws -> (BlockHeader, HeaderProof)? {
    guard let first = try store.firstHeader(attestingFrom: height),
      let proof = try store.finality(of: first)
    else { return nil }
    for (place, header) in proof.headers.enumerated().reversed()
    where (height..<first.height).contains(header.attested.height) {
      // Behind a block that sealed an epoch are blocks that were dropped.
      let stored = try store.headers(from: header.height, limit: 1).first
      guard stored?.hash == header.hash else { continue }
      return (
        header,
        HeaderProof(
          headers: Array(proof.headers[(place + 1)...]), certificate: proof.certificate)
      )
    }
    return (first, proof)
  }
}
