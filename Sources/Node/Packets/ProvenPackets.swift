import Consensus
import Domain

/// The packets of a delivery, proven to whoever knows the source's validators of some epoch.
package struct ProvenPackets: Sendable {
  package let header: BlockHeader
  package let hash: Digest
  package let packets: [Packet]
  /// Who validates the source in the header's epoch.
  package let validators: ProvenValidators

  /// `known`: an epoch of the source, and its validators. In this order, throws `staleVersion` for
  /// a header of an epoch before it, `unknownObject` for one of an epoch that the delivery's
  /// changes do not lead to, `malformed` for a change or a finality that cannot be read or a packet
  /// that does not stand under the header's outbox root, and `badSignature` when a quorum has not
  /// accepted the next validators, or has not finalized the header.
  package init(
    _ delivery: PacketDelivery, known: ProvenValidators
  ) throws(Rejection) {
    header = delivery.header
    guard header.epoch >= known.epoch else { throw .staleVersion }
    guard header.epoch - known.epoch == UInt64(delivery.epochs.count) else {
      throw .unknownObject
    }
    let root = header.attested.outboxRoot
    guard delivery.packets.allSatisfy({ $0.verify(root: root) }) else { throw .malformed }
    var changes: [EpochChange] = []
    for bytes in delivery.epochs { changes.append(try EpochChange(decoding: bytes)) }
    let proven = try ProvenHeaderChain(
      header, finality: delivery.finality, changes: changes, known: known)
    hash = proven.hash
    validators = proven.validators
    packets = delivery.packets.map(\.packet)
  }
}

extension PacketDelivery {
  /// `duplicate` when nothing in it is new, `tooLate` when packets before it are missing.
  func refusal(received: UInt64) -> Rejection? {
    guard let first = packets.first?.packet.sequence, let last = packets.last?.packet.sequence,
      last > received
    else { return .duplicate }
    return first - 1 > received ? .tooLate : nil
  }

  /// Why no block should carry it, for a chain that has executed the packets of `source` up to
  /// `received` and knows who validates it: in this order `unknownObject` for another source,
  /// `duplicate` when nothing in it is new, `tooLate` when packets before it are missing, and what
  /// `ProvenPackets` says of its proof.
  func refusal(received: UInt64, from source: ChainID, known: ProvenValidators) -> Rejection? {
    guard source == self.source else { return .unknownObject }
    if let refusal = refusal(received: received) { return refusal }
    do throws(Rejection) { _ = try ProvenPackets(self, known: known) } catch { return error }
    return nil
  }
}
