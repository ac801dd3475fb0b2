import Consensus
import Domain
import Logging
import Storage

/// What the courier has to know of the chain that packets are for.
struct LaneEnd: Sendable {
  /// The last packet of the source that it has executed.
  var received: UInt64
  /// The newest epoch of the source whose validators it knows.
  var epoch: UInt64
}

/// Carries the packets of one chain to another, both of which this node keeps, until they are
/// executed there.
///
/// It remembers nothing: what has to be carried next follows from what the destination has executed
/// and the source has stored, so that a restart goes on where the last run stopped, and nothing is
/// trusted to it. Each node of a grid runs one in each direction. So that not all of them bring the
/// same packets, they take turns: the one whose turn it is brings them at once, the others only if
/// they are not there a while later.
struct Courier: Sendable {
  let source: ChainID
  let destination: ChainID
  let reader: StoreReader
  /// Of the source, as of its newest block.
  let registry: @Sendable () -> ValidatorRegistry
  /// The last packet that the source has sent to the destination, by its state.
  let sent: @Sendable () -> UInt64
  /// Nil while the destination does not know the source.
  let end: @Sendable () -> LaneEnd?
  /// This node's turn after the one that leads it, 0 for the first, for the packet of a sequence.
  let turn: @Sendable (UInt64) -> Int
  /// Hands a delivery in, and gives what became of it in its block.
  let submit: @Sendable (SignedBytes) async throws(NodeFailure) -> EntryResult
  /// Rings with every block of either chain.
  let bell: Bell
  let log: Logger

  /// Wall-clock time that each further node waits for the one before.
  private static let patience = Duration.milliseconds(500)
  /// Pause after a delivery that was refused or could not be handed in.
  private static let pause = Duration.milliseconds(200)

  /// Carries until the task is cancelled.
  func run() async {
    await withTaskCancellationHandler {
      while !Task.isCancelled {
        do throws(NodeFailure) {
          try await carry()
          await bell.wait()
        } catch {
          if case .stopped = error { return }
          log.warning(
            "packets are not carried",
            metadata: ["to": "\(destination)", "reason": "\(error)"])
          try? await Task.sleep(for: Self.pause)
        }
      }
    } onCancel: {
      bell.ring()
    }
  }

  /// Brings what can be proven so far.
  private func carry() async throws(NodeFailure) {
    while !Task.isCancelled, let end = end(), let delivery = try await next(after: end) {
      let first = delivery.packets[0].packet.sequence
      if turn(first) > 0 {
        try? await Task.sleep(for: Self.patience * turn(first))
        guard self.end()?.received == end.received else { continue }
      }
      let result = try await submit(
        SignedBytes(payload: delivery.encoded, signature: .zero))
      guard let rejection = result.receipt.rejection else { continue }
      // Another node has brought it.
      if rejection == .duplicate, self.end().map({ $0.received > end.received }) ?? false {
        continue
      }
      throw .busy("a delivery from packet \(first) on was refused: \(rejection)")
    }
  }

  private func isMissing(_ sequence: UInt64) async throws(NodeFailure) -> Bool {
    let destination = self.destination
    return try await reader.read { try $0.packet(to: destination, sequence: sequence) == nil }
  }

  /// The next packets with their proof; nil while there are none, or none can be proven yet.
  private func next(after end: LaneEnd) async throws(NodeFailure) -> PacketDelivery? {
    let (source, destination) = (self.source, self.destination)
    let found = try await reader.read { store in
      try ProvableOutbox(in: store, to: destination, after: end.received)
    }
    guard let outbox = found else {
      // Packets of blocks that this node has never had: it joined the source by a state.
      if sent() > end.received, try await isMissing(end.received + 1) {
        throw .notFound(
          "packet \(end.received + 1) was sent before the state by which this node joined; a node "
            + "that has the blocks must carry it")
      }
      return nil
    }
    let changes = registry().history.filter {
      $0.epoch > end.epoch && $0.epoch <= outbox.header.epoch
    }
    return PacketDelivery(
      source: source, destination: destination, epochs: changes.map(\.chunk.bytes),
      header: outbox.header, finality: outbox.finality, packets: outbox.packets)
  }
}
