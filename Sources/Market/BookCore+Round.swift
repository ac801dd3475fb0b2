import Domain

/// A part of an order, or of an automatic order, that is in a coupling round.
///
/// As long as the order rests and has not let go of it (`RestingOrder.frozen`), what the round
/// leaves of it comes back to the order. Otherwise it ends with the result: when the order was
/// cancelled, replaced or has expired meanwhile, and always for agents', the market maker's and
/// automatic orders, which live for one close.
struct RoundItem: Hashable, Sendable {
  var account: UInt32
  var side: Side
  /// µ¤ per kWh; 0 only for an automatic order.
  var limit: Int64
  /// µ¤ held for each Wh; 0 for a sell.
  var perWattHour: Int64
  /// Above zero.
  var wattHours: Int64
  /// The order's number; 0 for an automatic one, which has neither energy in the book's mirror nor
  /// headroom set aside.
  var order: UInt64

  var isAutomatic: Bool { order == 0 }

  /// Whether a price is within the limit.
  func accepts(_ price: Int64) -> Bool { side.isBuy ? limit >= price : limit <= price }
}

/// What the grid has in a coupling round, until the result has come. It is frozen: it neither
/// trades, nor ends, nor is anybody's to take.
struct OpenRound: Hashable, Sendable {
  var interval: Interval
  /// Sells, then buys; each by price, then time, automatic orders last at their price, by account:
  /// the order in which they are filled.
  var items: [RoundItem] = []
}

extension BookCore {
  /// (5) of a close: freezes what is executable, resting and automatic orders alike, and says it
  /// by price, without names. What exceeds a bid's limits stays out, the worst prices first. The
  /// money of a shortfall that takes part stays held. Nil when there is nothing to offer or to ask
  /// for.
  mutating func offer(
    _ interval: Interval, by grid: ChainID, _ automatic: AutomaticOrders,
    _ budgets: inout Budgets
  ) throws(InvariantViolation) -> RoundOffer? {
    var opened = OpenRound(interval: interval)
    var bid = CouplingBid(grid: grid)
    bid.sells = freeze(.sell, automatic, into: &opened.items)
    bid.buys = freeze(.buy, automatic, into: &opened.items)
    guard !opened.items.isEmpty else { return nil }
    for item in opened.items where item.isAutomatic && item.side.isBuy {
      budgets.take(item.wattHours * item.perWattHour, of: AccountIndex(item.account))
    }
    do throws(Rejection) { try bid.validate() } catch {
      throw InvariantViolation("the bid of interval \(interval.index) is \(error)")
    }
    round = opened
    var writer = CanonicalWriter(capacity: 2200)
    bid.encode(into: &writer)
    return RoundOffer(
      bid: writer.bytes, energy: opened.energies(.sell), headroom: opened.energies(.buy))
  }

  /// Freezes a side as far as a bid has room for it; gives its steps.
  private mutating func freeze(
    _ side: Side, _ automatic: AutomaticOrders, into items: inout [RoundItem]
  ) -> [PriceStep] {
    let worst = side.isBuy ? 0 : Int64.max
    var steps: [PriceStep] = []
    var room = CouplingLimits.sideWattHours
    for step in self.steps(side, automatic, until: worst).prefix(CouplingLimits.steps)
    where room > 0 {
      steps.append(PriceStep(price: step.price, wattHours: min(step.wattHours, room)))
      room -= steps[steps.count - 1].wattHours
    }
    for part in fills(side, automatic, steps.wattHours) {
      let held =
        part.isAutomatic
        ? (side.isBuy ? automatic.perWattHour : 0)
        : levels[Int(orders[part.index].level)].perWattHour
      items.append(
        RoundItem(
          account: part.account, side: side, limit: part.limit, perWattHour: held,
          wattHours: part.wattHours, order: part.id))
      guard !part.isAutomatic else { continue }
      let energy = part.wattHours * 1000
      if !side.isBuy { balances[Int(part.account)] -= energy }
      committed[Int(part.account)] += energy
      if orders[part.index].origin == .member {
        freeze(Int32(part.index), part.wattHours)
      } else {
        consume(Int32(part.index), part.wattHours)
      }
    }
    return steps
  }

  /// The round's result; nil when the bid had no part in it. Fills what is frozen, price, then
  /// time, up to the quantities of `fill`; the rest comes back or ends (`RoundItem`); what has
  /// become free wakes dormant orders as ever.
  ///
  /// Throws when no such round is open, or when what is frozen cannot make up the quantities.
  package mutating func settleRound(_ interval: Interval, _ fill: RoundFill?)
    throws(InvariantViolation) -> RoundResult
  {
    guard let open = round, open.interval == interval else {
      throw InvariantViolation("no coupling round of interval \(interval.index) is open")
    }
    let traded = try open.traded(fill)
    round = nil
    var result = RoundResult()
    var returned: [AccountEnergy] = []
    for (item, wattHours) in zip(open.items, traded) {
      if let fill, wattHours > 0 {
        result.trades.append(item.trade(wattHours, at: fill.price))
      }
      let back = item.wattHours - wattHours
      let goesOn = thaw(item, traded: wattHours)
      if !goesOn, back * item.perWattHour > 0 {
        result.releases.append(
          Release(
            account: AccountIndex(item.account), amount: Money(back * item.perWattHour)))
      }
      if !item.isAutomatic, !item.side.isBuy, back > 0 {
        returned.append(AccountEnergy(AccountIndex(item.account), Energy(wattHours: back)))
      }
    }
    result.returned = merged(returned)
    if let fill, !result.trades.isEmpty { lastPrice = fill.price.raw }
    for item in open.items where !item.isAutomatic {
      noteWake(place(of: item.account, item.side))
      noteWake(place(of: item.account, item.side.other))
    }
    runWakes(into: &result.woken)
    return result
  }

  /// Ends the round for one item; whether what it leaves goes on resting.
  private mutating func thaw(_ item: RoundItem, traded: Int64) -> Bool {
    guard !item.isAutomatic else { return false }
    let account = Int(item.account)
    committed[account] -= item.wattHours * 1000
    balances[account] += (item.side.isBuy ? traded : item.wattHours - traded) * 1000
    let slot = slot(of: OrderID(item.order))
    guard slot != noSlot, orders[Int(slot)].frozen > 0 else { return false }
    thaw(slot, traded: traded)
    return true
  }
}

extension OpenRound {
  /// Wh that each item trades.
  func traded(_ fill: RoundFill?) throws(InvariantViolation) -> [Int64] {
    guard let fill else { return items.map { _ in 0 } }
    var sold = fill.sold
    var bought = fill.bought
    let traded = items.map { item in
      guard item.accepts(fill.price.raw) else { return Int64(0) }
      let wattHours = max(min(item.wattHours, item.side.isBuy ? bought : sold), 0)
      if item.side.isBuy { bought -= wattHours } else { sold -= wattHours }
      return wattHours
    }
    guard sold == 0, bought == 0, fill.price.raw >= 0 else {
      throw InvariantViolation(
        "the round of interval \(interval.index) gives \(fill), which was not bid")
    }
    return traded
  }

  /// What stands behind the orders of a side, by account, ascending.
  func energies(_ side: Side) -> [AccountEnergy] {
    merged(
      items.filter { $0.side.isBuy == side.isBuy && !$0.isAutomatic }.map {
        AccountEnergy(AccountIndex($0.account), Energy(wattHours: $0.wattHours))
      })
  }
}

extension RoundItem {
  func trade(_ wattHours: Int64, at price: Price) -> RoundTrade {
    RoundTrade(
      account: AccountIndex(account), side: side, order: OrderID(order), wattHours: wattHours,
      price: price, released: Money(wattHours * perWattHour))
  }
}

/// One line for each account, ascending.
private func merged(_ lines: [AccountEnergy]) -> [AccountEnergy] {
  var result: [AccountEnergy] = []
  for line in lines.sorted(by: { $0.account < $1.account }) {
    if let last = result.last, last.account == line.account {
      result[result.count - 1].energy += line.energy
    } else {
      result.append(line)
    }
  }
  return result
}

// MARK: Invariants

extension BookCore {
  /// What is frozen is in the round, once; headroom is set aside for the round and nothing else.
  func checkRound() throws(InvariantViolation) {
    var needed = ContiguousArray<Int64>(repeating: 0, count: committed.count)
    var frozen = 0
    for item in round?.items ?? [] {
      guard Int(item.account) < balances.count || item.isAutomatic, item.wattHours > 0,
        item.limit >= 0, item.order < nextOrder
      else { throw InvariantViolation("an impossible part of a coupling round: \(item)") }
      guard !item.isAutomatic else { continue }
      needed[Int(item.account)] += item.wattHours * 1000
      let slot = slot(of: OrderID(item.order))
      guard slot != noSlot, orders[Int(slot)].frozen > 0 else { continue }
      let order = orders[Int(slot)]
      guard order.frozen == item.wattHours, order.account == item.account,
        order.side.isBuy == item.side.isBuy, levels[Int(order.level)].price == item.limit
      else { throw InvariantViolation("order \(order.id) is out of step with its round") }
      frozen += 1
    }
    guard round?.items.isEmpty != true else {
      throw InvariantViolation("a coupling round is open with nothing in it")
    }
    guard needed == committed else {
      throw InvariantViolation("headroom is set aside that no coupling round needs")
    }
    guard frozen == orders.reduce(0, { $0 + ($1.frozen > 0 ? 1 : 0) }) else {
      throw InvariantViolation("an order is frozen for no coupling round")
    }
  }
}
