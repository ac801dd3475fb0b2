import Consensus
import Domain
import Logging
import Storage

/// What the courier has to know of the chain that packets are for.
package struct LaneEnd: Sendable {
  /// The last packet of the source that it has executed.
  package var received: UInt64
  /// The newest epoch of the source whose validators it knows, and these.
  package var epoch: UInt64
  package var validators: [PublicKey]

  package init(received: UInt64, epoch: UInt64, validators: [PublicKey]) {
    self.received = received
    self.epoch = epoch
    self.validators = validators
  }
}

/// Carries the packets of one chain to another, both of which this node keeps, until they are
/// executed there.
///
/// It remembers nothing: what has to be carried next follows from what the destination has executed
/// and the source has stored, so that a restart goes on where the last run stopped, and nothing is
/// trusted to it. Each node of a grid runs one in each direction. So that not all of them bring the
/// same packets, they take turns: the one whose turn it is brings them at once, the others only if
/// they are not there a while later.
///
/// A node that joined the source by a state never had the blocks before it, nor their packets. It
/// asks the source's other nodes for these, and hands in an answer only when its proof holds: then
/// it does not matter whose it is.
package struct Courier: Sendable {
  let source: PacketSource
  let destination: ChainID
  /// The source's other nodes.
  let peers: PacketPeers
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
  /// Told of every delivery that was refused or could not be handed in.
  var retried: @Sendable () -> Void = {}
  let log: Logger

  package init(
    source: PacketSource, destination: ChainID, peers: PacketPeers,
    sent: @escaping @Sendable () -> UInt64, end: @escaping @Sendable () -> LaneEnd?,
    turn: @escaping @Sendable (UInt64) -> Int,
    submit: @escaping @Sendable (SignedBytes) async throws(NodeFailure) -> EntryResult,
    bell: Bell, log: Logger
  ) {
    self.source = source
    self.destination = destination
    self.peers = peers
    self.sent = sent
    self.end = end
    self.turn = turn
    self.submit = submit
    self.bell = bell
    self.log = log
  }

  /// Wall-clock time that each further node waits for the one before.
  private static let patience = Duration.milliseconds(500)
  /// Pause after a delivery that was refused or could not be handed in: doubling.
  private static let firstPause = Duration.milliseconds(200)
  private static let longestPause = Duration.seconds(5)

  /// Carries until the task is cancelled.
  package func run() async {
    await withTaskCancellationHandler {
      var pause = Self.firstPause
      var told: String?
      var failedAt: UInt64?
      while !Task.isCancelled {
        do throws(NodeFailure) {
          try await carry()
          (pause, told) = (Self.firstPause, nil)
          await bell.wait()
        } catch {
          if case .stopped = error { return }
          retried()
          let reason = "\(error)"
          // Once for each reason, however long it lasts.
          if told != reason {
            log.warning(
              "packets are not carried",
              metadata: ["to": "\(destination)", "reason": "\(reason)"], source: "Packets")
          }
          told = reason
          // What was brought since the last failure makes it a new one.
          let received = end()?.received
          if received != failedAt { pause = Self.firstPause }
          failedAt = received
          try? await Task.sleep(for: pause)
          pause = min(pause * 2, Self.longestPause)
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

  /// The next packets with their proof; nil while there are none, or none can be proven yet.
  private func next(after end: LaneEnd) async throws(NodeFailure) -> PacketDelivery? {
    let question = LaneQuestion(
      destination: destination, received: end.received, epoch: end.epoch)
    // Before the store is read: what was sent by then is in it, or never will be.
    let isSent = sent() > end.received
    switch try await source.answer(question) {
    case .delivery(let delivery): return delivery
    case .unproven: return nil
    case .absent: return isSent ? try await ask(question, end) : nil
    }
  }

  /// The same from the source's other nodes, one after the other in any order. Throws `notFound`
  /// when none of them has it.
  private func ask(
    _ question: LaneQuestion, _ end: LaneEnd
  ) async throws(NodeFailure) -> PacketDelivery? {
    let turn = turn(end.received + 1)
    if turn > 0 {
      try? await Task.sleep(for: Self.patience * turn)
      guard self.end()?.received == end.received else { return nil }
    }
    for peer in peers.all().shuffled() {
      if Task.isCancelled { return nil }
      do {
        guard let bytes = try await peers.ask(peer, question) else { continue }
        let delivery = try proven(bytes, end)
        log.notice(
          "packets of before this node joined come from another node",
          metadata: [
            "to": "\(destination)", "from": "\(delivery.packets[0].packet.sequence)",
            "count": "\(delivery.packets.count)", "peer": "\(peer.text(as: .node))",
          ])
        return delivery
      } catch {
        log.notice(
          "no packets from this peer",
          metadata: ["peer": "\(peer.text(as: .node))", "reason": "\(error)"])
      }
    }
    throw .notFound(
      "this node never had packet \(end.received + 1), which was sent before the state by which it "
        + "joined, or cannot prove it in so few bytes; none of its peers has it now")
  }

  /// A peer's answer, if it is what was asked for and its proof holds.
  private func proven(_ bytes: [UInt8], _ end: LaneEnd) throws(PeerFault) -> PacketDelivery {
    do throws(Rejection) {
      let delivery = try PacketDelivery(decoding: bytes)
      guard bytes.count <= Limits.deliveryBytes, delivery.destination == destination else {
        throw .malformed
      }
      let known = ProvenValidators(
        chain: source.chain, epoch: end.epoch, validators: end.validators)
      if let refusal = delivery.refusal(received: end.received, from: source.chain, known: known) {
        throw refusal
      }
      return delivery
    } catch { throw PeerFault("its answer proves nothing: \(error)") }
  }
}
