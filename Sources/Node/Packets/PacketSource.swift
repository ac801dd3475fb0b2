import Consensus
import Domain
import Storage

/// What is asked for of a lane: the packets behind the last one that its destination has executed.
package struct LaneQuestion: Hashable, Sendable {
  package var destination: ChainID
  package var received: UInt64
  /// The newest epoch of the source whose validators the destination knows.
  package var epoch: UInt64

  package init(destination: ChainID, received: UInt64, epoch: UInt64) {
    self.destination = destination
    self.received = received
    self.epoch = epoch
  }
}

/// The packets of a chain that this node keeps, with their proofs.
package struct PacketSource: Sendable {
  /// What this node has to say to a question.
  package enum Answer: Sendable {
    case delivery(PacketDelivery)
    /// They are here, and cannot be proven yet.
    case unproven
    /// They were never sent, or by blocks that this node never had, or take a longer proof than a
    /// delivery may have.
    case absent
  }

  package let chain: ChainID
  let reader: StoreReader
  /// As of the newest block.
  let registry: @Sendable () -> ValidatorRegistry

  package init(
    chain: ChainID, store: Store, registry: @escaping @Sendable () -> ValidatorRegistry
  ) {
    self.chain = chain
    reader = StoreReader(store, for: .peers)
    self.registry = registry
  }

  package func answer(_ question: LaneQuestion) async throws(NodeFailure) -> Answer {
    let found = try await reader.read { store in
      try ProvableOutbox.find(in: store, to: question.destination, after: question.received)
    }
    switch found {
    case .absent: return .absent
    case .unproven: return .unproven
    case .outbox(let outbox):
      guard let delivery = delivery(of: outbox, question) else { return .absent }
      return .delivery(delivery)
    }
  }

  /// With the changes of epoch that lead to the header's; nil when it is beyond what a delivery may
  /// have.
  private func delivery(of outbox: ProvableOutbox, _ question: LaneQuestion) -> PacketDelivery? {
    PacketDelivery(
      of: outbox, from: chain, to: question.destination, epochs: registry().history,
      known: question.epoch)
  }
}

extension PacketDelivery {
  /// `epochs`: how those of the source began; in it go those behind `known`, up to the header's.
  /// Nil when they, or all, are more than a delivery may have.
  package init?(
    of outbox: ProvableOutbox, from source: ChainID, to destination: ChainID,
    epochs: [EpochChange], known: UInt64
  ) {
    let changes = epochs.filter { $0.epoch > known && $0.epoch <= outbox.header.epoch }
    self.init(
      source: source, destination: destination, epochs: changes.map(\.chunk.bytes),
      header: outbox.header, finality: outbox.finality, packets: outbox.packets)
    guard changes.count <= Self.maximumEpochs, encoded.count <= Limits.deliveryBytes else {
      return nil
    }
  }
}
