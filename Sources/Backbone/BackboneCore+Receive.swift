import Domain

/// Packets of one grid that the pipeline has proven: each by its path to the outbox root that this
/// header attests, and the header by a finalization under the grid's validators of its epoch.
package struct Delivery: Hashable, Sendable {
  package let source: ChainID
  package let header: ProvenHeader
  /// In the order in which they are to be executed.
  package let packets: [Packet]

  /// Throws `limitExceeded` above Limits.packetsPerDelivery, and `malformed` when a packet says
  /// that it is another chain's.
  package init(
    source: ChainID, header: ProvenHeader, packets: [Packet]
  ) throws(Rejection) {
    guard packets.count <= Limits.packetsPerDelivery else { throw .limitExceeded }
    guard packets.allSatisfy({ $0.source == source }) else { throw .malformed }
    self.source = source
    self.header = header
    self.packets = packets
  }
}

/// What became of a packet that was handed in.
package enum PacketOutcome: Hashable, Sendable {
  /// Executed, and what it asked for was done.
  case done
  /// See `PacketReason.isExecuted` for whether it counts as executed.
  case refused(PacketReason)

  package var isExecuted: Bool {
    switch self {
    case .done: true
    case .refused(let reason): reason.isExecuted
    }
  }
}

package struct PacketReceipt: Hashable, Sendable {
  package let source: ChainID
  package let sequence: UInt64
  package let outcome: PacketOutcome

  package init(source: ChainID, sequence: UInt64, outcome: PacketOutcome) {
    self.source = source
    self.sequence = sequence
    self.outcome = outcome
  }
}

extension BackboneCore {
  /// Executes the packets in their order, each once: the one after the last that was executed. An
  /// older one is left alone. A newer one is refused and has to be brought again when those before
  /// it are here: nothing waits inside the state, where a stranger could fill it.
  ///
  /// What a packet asks for and its sequence are one change of the state. A packet whose request
  /// is refused is executed all the same, and its sender told, by a `void` or, for a bid, by the
  /// round's result; else one packet that cannot be done would stop its lane for ever.
  ///
  /// - Parameter bidCost: µ¤ that a bid may cost its grid at most, 0 or more; nil for bytes that
  ///   are not a bid of this grid.
  package mutating func receive(
    _ delivery: Delivery, bidCost: ([UInt8]) -> Money?
  ) -> [PacketReceipt] {
    if let place = grids.place(of: delivery.source) { witness(delivery.header, of: place) }
    return delivery.packets.map { packet in
      PacketReceipt(
        source: packet.source, sequence: packet.sequence, outcome: execute(packet, bidCost))
    }
  }

  private mutating func execute(
    _ packet: Packet, _ bidCost: ([UInt8]) -> Money?
  ) -> PacketOutcome {
    let place: Int
    do throws(PacketReason) { place = try admit(packet) } catch { return .refused(error) }
    grids[place].received = packet.sequence
    do throws(PacketReason) {
      try perform(try packet.content(), of: place, bidCost)
      return .done
    } catch {
      // A checkpoint may have shown a second history.
      guard !grids[place].isFrozen else { return .refused(error) }
      if let round = answeredRound(of: packet, error) {
        send(.result(round: round, .notIncluded(error)), to: place)
      } else {
        send(.void(sequence: packet.sequence, error), to: place)
        grids[place].lastVoid = grids[place].sent
      }
      return .refused(error)
    }
  }

  /// The round whose result says why a bid is not included; nil when a `void` does. A bid that is
  /// none, and one for a round that has its result or waits for it, must not get a second result.
  private func answeredRound(of packet: Packet, _ reason: PacketReason) -> Interval? {
    guard reason != .malformed, reason != .duplicateBid,
      case .bid(let round, _) = try? packet.content()
    else { return nil }
    return round
  }

  /// The grid's place when this packet is the next of its lane.
  private func admit(_ packet: Packet) throws(PacketReason) -> Int {
    guard packet.destination == chain else { throw .wrongDestination }
    guard let place = grids.place(of: packet.source) else { throw .unknownSource }
    let record = grids[place]
    guard !record.isFrozen else { throw .frozenSource }
    guard packet.sequence > record.received else { throw .alreadyExecuted }
    guard packet.sequence == record.received + 1 else { throw .gap }
    guard hasRoomToSend(1) else { throw .outboxFull }
    // Whoever proposes a block chooses its time within bounds, and must not lose a grid its round.
    if packet.kind == PacketKind.bid.rawValue, case .bid(let round, _)? = try? packet.content(),
      round == genesis.calendar.interval(at: time)
    {
      throw .intervalRuns
    }
    return place
  }

  /// Does what the content asks for, or throws before any effect.
  private mutating func perform(
    _ content: PacketContent, of place: Int, _ bidCost: ([UInt8]) -> Money?
  ) throws(PacketReason) {
    switch content {
    case .checkpoint(let checkpoint): try take(checkpoint, of: place)
    case .bid(let round, let steps):
      try enter(round: round, steps: steps, cost: bidCost(steps), of: place)
    case .transferOut(let transfer): try move(transfer, of: place)
    case .withdrawal(let account, let amount): try withdraw(amount, by: account, of: place)
    case .result, .transferIn, .void, .issue, .reward, .wheeling, .validators, .frozen:
      throw .wrongKind
    }
  }

  private mutating func move(_ transfer: TransferOut, of place: Int) throws(PacketReason) {
    guard let target = grids.place(of: transfer.grid) else { throw .unknownDestination }
    guard !grids[target].isFrozen else { throw .frozenDestination }
    guard height <= transfer.deadline else { throw .deadlinePassed }
    guard transfer.amount <= grids[place].free(transfer.asset) else {
      throw .insufficientReserve
    }
    grids[place].debit(transfer.asset, transfer.amount)
    grids[target].credit(transfer.asset, transfer.amount)
    send(
      .transferIn(
        TransferIn(
          origin: grids[place].grid, sender: transfer.sender, account: transfer.account,
          asset: transfer.asset, amount: transfer.amount)), to: target)
  }

  private mutating func withdraw(
    _ amount: Money, by account: AccountID, of place: Int
  ) throws(PacketReason) {
    guard amount.raw <= grids[place].free(.money) else { throw .insufficientReserve }
    guard grids[place].withdrawalsWaiting < BackboneLimits.withdrawalsPerGrid else {
      throw .tooManyWithdrawals
    }
    grids[place].debit(.money, amount.raw)
    grids[place].withdrawalsWaiting += 1
    withdrawals.append(
      PendingWithdrawal(
        id: nextWithdrawal, grid: grids[place].grid, account: account, amount: amount))
    nextWithdrawal += 1
  }
}
