import Domain

/// What the grid has to do for an executed packet, in the same change of its state.
package enum LaneEffect: Hashable, Sendable {
  /// Nothing: a checkpoint was refused, or something was said that is known.
  case none
  /// From a member of another grid, or an account of the backbone. It cannot fail: a key that was
  /// never seen becomes an account.
  case credit(TransferIn)
  /// From the gateway, or of the backbone's TSL.
  case issue(to: AccountID, asset: Asset, amount: Int64)
  /// The transfer or withdrawal of this sequence was not done: its sender gets it back.
  case refund(UnderWay, PacketReason)
  /// The round's result: the fills of what `hold` names, and its end. Below zero, `money` leaves
  /// the grid.
  case fill(LaneBid, price: Price?, bought: Int64, sold: Int64, money: Money)
  /// The bid had no part in its round: what `hold` names is free again.
  case release(LaneBid, PacketReason)
  /// For the storage owners by capacity, 0 and more.
  case reward(interval: Interval, clean: Energy, amount: RewardTokens)
  case wheeling(line: UInt64, fee: Price)
  case validators(epoch: UInt64)
}

package enum LaneOutcome: Hashable, Sendable {
  case done(LaneEffect)
  /// See `PacketReason.isExecuted` for whether it counts as executed.
  case refused(PacketReason)
}

extension GridLane {
  /// Executes a packet of the backbone, whose proof was checked, exactly once: the one after the
  /// last. An older one is left alone, a newer one has to be brought again. A packet that cannot
  /// be read counts as executed: the backbone's quorum has sent it, and the lane goes on.
  package mutating func receive(_ packet: Packet) -> LaneOutcome {
    guard packet.destination == grid else { return .refused(.wrongDestination) }
    guard packet.source == backbone else { return .refused(.unknownSource) }
    guard packet.sequence > received else { return .refused(.alreadyExecuted) }
    guard packet.sequence == received + 1 else { return .refused(.gap) }
    received = packet.sequence
    let outcome: LaneOutcome
    do throws(PacketReason) {
      outcome = .done(try perform(try packet.content()))
    } catch { outcome = .refused(error) }
    settle(until: packet.acknowledged)
    return outcome
  }

  private mutating func perform(
    _ content: PacketContent
  ) throws(PacketReason) -> LaneEffect {
    switch content {
    case .transferIn(let transfer):
      credited[transfer.asset] += Int128(transfer.amount)
      return .credit(transfer)
    case .issue(let account, let asset, let amount):
      credited[asset] += Int128(amount)
      return .issue(to: account, asset: asset, amount: amount)
    case .void(let sequence, let reason): return void(sequence, reason)
    case .result(let round, let answer): return settle(round, answer)
    case .reward(let interval, let clean, let amount):
      credited.ect += Int128(amount.raw)
      return .reward(interval: interval, clean: clean, amount: amount)
    case .wheeling(let line, let fee): return .wheeling(line: line, fee: fee)
    case .validators(let epoch, let keys):
      return adopt(keys, epoch: epoch) ? .validators(epoch: epoch) : .none
    case .frozen:
      isStopped = true
      defer { openBid = nil }
      return openBid.map { .release($0, .frozenSource) } ?? .none
    case .checkpoint, .bid, .transferOut, .withdrawal: throw .wrongKind
    }
  }

  /// What this sequence took comes back, once: it is under way no more.
  private mutating func void(_ sequence: UInt64, _ reason: PacketReason) -> LaneEffect {
    let index = lowerBound(underWay.count) { underWay[$0].sequence < sequence }
    if index < underWay.count, underWay[index].sequence == sequence {
      let refunded = journeys.remove(at: index)
      debited[refunded.item.asset] -= Int128(refunded.item.amount)
      return .refund(refunded, reason)
    }
    if let bid = openBid, bid.sequence == sequence {
      openBid = nil
      return .release(bid, reason)
    }
    return .none
  }

  /// A hold ends with the result of its own round, or with the grid's freezing, and with nothing
  /// else.
  private mutating func settle(_ round: Interval, _ answer: CouplingAnswer) -> LaneEffect {
    guard let bid = openBid, bid.round == round else { return .none }
    openBid = nil
    switch answer {
    case .cleared(let price, let bought, let sold, let money):
      credited.money += Int128(money.raw)
      return .fill(bid, price: price, bought: bought, sold: sold, money: money)
    case .notIncluded(let reason): return .release(bid, reason)
    }
  }

  /// What the backbone has executed without a `void` so far is done: it sends a `void` with the
  /// change that executes the packet, so before anything else that acknowledges it.
  private mutating func settle(until sequence: UInt64) {
    acknowledged = max(acknowledged, min(sequence, sent))
    let done = lowerBound(underWay.count) { underWay[$0].sequence <= acknowledged }
    if done > 0 { journeys.removeFirst(done) }
  }
}
