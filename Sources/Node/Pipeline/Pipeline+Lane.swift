import Backbone
import Domain

/// What became of packets of the backbone that a block brought.
package struct Received: Hashable, Sendable {
  /// How many count as executed, those that could not be read included.
  package var executed: Int
  /// Why the first one that does not count is refused; nil when all do.
  package var refusal: PacketReason?

  package init(executed: Int = 0, refusal: PacketReason? = nil) {
    self.executed = executed
    self.refusal = refusal
  }
}

extension Pipeline {
  /// Executes the packets of a delivery, if its proof holds: applied, when one was new.
  mutating func receive(
    _ delivery: PacketDelivery, entry: Int, of header: BlockHeader
  ) async throws(InvariantViolation) -> Receipt {
    guard let lane, delivery.source == lane.backbone else { return .rejected(.unknownObject) }
    // Before the proof, which is dear.
    if let refusal = delivery.refusal(received: lane.received) { return .rejected(refusal) }
    let proven: ProvenPackets
    do throws(Rejection) {
      proven = try ProvenPackets(
        delivery,
        known: ProvenValidators(
          chain: lane.backbone, epoch: lane.epoch, validators: lane.validators))
    } catch { return .rejected(error) }
    let new = proven.packets.filter { $0.sequence > lane.received }
    // Only now: packets that are still missing may need the validators of an older epoch.
    for epoch in lane.epoch..<proven.header.epoch {
      guard let keys = proven.validators.validators(of: epoch + 1),
        self.lane?.adopt(keys, epoch: epoch + 1) ?? false
      else { return .rejected(.malformed) }
    }
    let received = try await receive(new, entry: entry)
    return received.executed > 0 ? .applied : .rejected(.limitExceeded)
  }

  /// Executes packets of the backbone, proven before, in their order, each once, with all that
  /// they do in the grid. What is refused changes nothing, so that packets may be brought twice,
  /// or by several.
  ///
  /// - Parameter entry: the place in the block of what brought them.
  package mutating func receive(
    _ packets: [Packet], entry: Int?
  ) async throws(InvariantViolation) -> Received {
    let place = entry.map { UInt32(clamping: $0) }
    var received = Received()
    var arrivals: [Arrival] = []
    for packet in packets {
      switch lane?.receive(packet) ?? .refused(.unknownSource) {
      case .done(let effect):
        received.executed += 1
        if let arrival = try await arrival(of: effect, packet.sequence, entry: place) {
          arrivals.append(arrival)
        }
      case .refused(let reason) where reason.isExecuted: received.executed += 1
      case .refused(let reason): received.refusal = received.refusal ?? reason
      }
    }
    if !arrivals.isEmpty { try await ledger.receive(arrivals) }
    return received
  }

  /// What the ledger has to do for an executed packet; nil for nothing.
  private mutating func arrival(
    of effect: LaneEffect, _ packet: UInt64, entry: UInt32?
  ) async throws(InvariantViolation) -> Arrival? {
    switch effect {
    case .credit(let transfer):
      return .credit(
        TravelCredit(
          account: transfer.account, asset: transfer.asset, amount: transfer.amount,
          kind: .receivedFromAbroad, packet: packet, entry: entry))
    case .issue(let account, let asset, let amount):
      return .credit(
        TravelCredit(
          account: account, asset: asset, amount: amount, kind: .issued, packet: packet,
          entry: entry))
    case .refund(let taken, _):
      return .credit(
        TravelCredit(
          account: taken.item.account, asset: taken.item.asset, amount: taken.item.amount,
          kind: .refunded, packet: taken.sequence, entry: entry))
    case .reward(let interval, _, let amount):
      return .reward(try await fee.share(amount), interval: interval, entry: entry)
    case .fill(let bid, let price, let bought, let sold, let money):
      try await settle(
        bid,
        bought == 0 && sold == 0 && money == .zero
          ? nil
          : try .result(price: price, bought: bought, sold: sold, money: money))
    case .release(let bid, _): try await settle(bid, nil)
    case .none, .wheeling, .validators: break
    }
    return nil
  }

  /// The result of a bid. An empty one holds nothing and has nothing to settle.
  private mutating func settle(
    _ bid: LaneBid, _ fill: RoundFill?
  ) async throws(InvariantViolation) {
    if open == nil, fill == nil { return }
    try await settleRound(bid.round, fill)
  }

  /// Sends what the ledger has debited. The ledger knew the lane's room and its next sequence, so
  /// that nothing can be left behind.
  mutating func depart(_ departures: [Departure]) throws(InvariantViolation) {
    for departure in departures {
      let sequence: UInt64?
      do throws(Rejection) {
        switch departure.cargo {
        case .transfer(let transfer): sequence = try lane?.transfer(transfer)
        case .withdrawal(let account, let amount):
          sequence = try lane?.withdraw(amount, from: account)
        }
      } catch {
        throw InvariantViolation("the lane cannot send what was debited: \(error)")
      }
      guard sequence == departure.sequence else {
        throw InvariantViolation(
          "packet \(departure.sequence) was announced, the lane is at \(sequence ?? 0)")
      }
    }
  }

  /// Tells the backbone what the grid is at this block.
  mutating func sendCheckpoint(of block: DecidedBlock) async throws(InvariantViolation) {
    guard let frozen = lane?.isStopped, !frozen else { return }
    let supplies = await ledger.supplies()
    let cleanStored = await fee.cleanStored
    let interval = newestFinal
    do throws(Rejection) {
      try lane?.checkpoint(
        ProvenHeader(height: block.header.height, hash: block.hash), interval: interval,
        supplies: supplies.travelling, cleanStored: cleanStored, energyHeld: supplies.held)
    } catch {
      throw InvariantViolation("no checkpoint of block \(block.header.height): \(error)")
    }
  }

  /// The newest interval that is final. One whose bid waits for its result is not, even when later
  /// ones are.
  private var newestFinal: Interval {
    let closed = nextClose.advanced(by: -1)
    return open?.interval == closed ? closed.advanced(by: -1) : closed
  }

  /// The lane's own invariants, and that it sees the supplies that the ledger has.
  func checkLane() async throws(InvariantViolation) {
    guard let lane else { return }
    try lane.checkInvariants()
    let supplies = await ledger.supplies().travelling
    for asset in TravellingAssets<Int64>.assets
    where Int128(supplies[asset]) != lane.supply(of: asset) {
      throw InvariantViolation(
        "the accounts have \(supplies[asset]) of \(asset), the lane \(lane.supply(of: asset))")
    }
  }
}
