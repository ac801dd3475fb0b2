import Domain

/// An order that acts: it arrives, or it wakes.
struct Taker: Sendable {
  var id: UInt64
  var account: UInt32
  var side: Side
  var limit: Int64
  /// µ¤ held for each Wh; 0 for a sell.
  var perWattHour: Int64

  /// Whether a resting order of the other side at `price` is acceptable.
  func accepts(_ price: Int64) -> Bool { side.isBuy ? price <= limit : price >= limit }
}

/// What an acting order met.
struct Crossing: Sendable {
  var filled: Int64 = 0
  /// The next counterpart in turn is its own account's: the rest of the order ends.
  var metOwn = false
}

extension BookCore {
  /// Trades up to `wattHours` against executable orders, best price first, oldest first, each at
  /// its own price. The taker's own totals are not touched: it is not in the book, or the Wh
  /// that act are still dormant there.
  mutating func cross(_ taker: Taker, _ wattHours: Int64, into outcome: inout MatchOutcome)
    -> Crossing
  {
    let opposite = taker.side.other
    var crossing = Crossing()
    while crossing.filled < wattHours {
      let index = ladders[opposite.index].executable.best
      guard index != noSlot else { break }
      let level = levels[Int(index)]
      guard taker.accepts(level.price) else { break }
      let slot = level.first
      let maker = orders[Int(slot)]
      guard maker.account != taker.account else {
        crossing.metOwn = true
        break
      }
      let quantity = min(wattHours - crossing.filled, maker.executable)
      consume(slot, quantity)
      crossing.filled += quantity
      post(taker, maker, level, quantity, into: &outcome)
    }
    if crossing.filled > 0 { traded[taker.side.index].add(crossing.filled, at: taker.limit) }
    return crossing
  }

  /// Whether the best executable order that the taker accepts is its own account's.
  func meetsOwn(_ taker: Taker) -> Bool {
    let index = ladders[taker.side.other.index].executable.best
    guard index != noSlot, taker.accepts(levels[Int(index)].price) else { return false }
    return orders[Int(levels[Int(index)].first)].account == taker.account
  }

  /// Whether `wattHours` would trade at once, before an order of the own account is in turn.
  func canFill(_ taker: Taker, _ wattHours: Int64) -> Bool {
    let own = bestOwn(taker)
    var found: Int64 = 0
    ladders[taker.side.other.index].executable.visit { index in
      let level = levels[Int(index)]
      guard taker.accepts(level.price) else { return false }
      guard own != noSlot, orders[Int(own)].level == index else {
        found += level.executable
        return found < wattHours
      }
      var slot = level.first
      while slot != own, found < wattHours {
        found += orders[Int(slot)].executable
        slot = orders[Int(slot)].next
      }
      return false
    }
    return found >= wattHours
  }

  /// The first order of the taker's own account that would be in turn, or `noSlot`.
  private func bestOwn(_ taker: Taker) -> Int32 {
    let opposite = taker.side.other
    guard Int(taker.account) < balances.count else { return noSlot }
    var best = noSlot
    var bestKey = Int64.min
    var slot = sides[place(of: taker.account, opposite)].oldest
    while slot != noSlot {
      let order = orders[Int(slot)]
      let key = opposite.key(levels[Int(order.level)].price)
      if order.executable > 0, key > bestKey {
        best = slot
        bestKey = key
      }
      slot = order.younger
    }
    return best
  }

  /// The effects of a continuous trade beside those on the maker's order: energy moves, and what
  /// slept for want of energy or headroom is queued, the seller's buys first.
  private mutating func post(
    _ taker: Taker, _ maker: RestingOrder, _ level: PriceLevel, _ wattHours: Int64,
    into outcome: inout MatchOutcome
  ) {
    let buys = taker.side.isBuy
    let buyer = buys ? taker.account : maker.account
    let seller = buys ? maker.account : taker.account
    let held = buys ? taker.perWattHour : level.perWattHour
    balances[Int(seller)] -= wattHours * 1000
    balances[Int(buyer)] += wattHours * 1000
    noteWake(place(of: seller, .buy))
    noteWake(place(of: buyer, .sell))
    traded[maker.side.index].add(wattHours, at: level.price)
    lastPrice = level.price
    outcome.trades.append(
      Trade(
        buyer: AccountIndex(buyer), seller: AccountIndex(seller),
        buyOrder: OrderID(buys ? taker.id : maker.id),
        sellOrder: OrderID(buys ? maker.id : taker.id), wattHours: wattHours,
        price: Price(level.price), mechanism: .continuous, taker: taker.side,
        released: Money(held * wattHours)))
  }

  /// Gives held money back; nothing is reported for nothing.
  func release(_ account: UInt32, _ amount: Int64, into outcome: inout MatchOutcome) {
    guard amount > 0 else { return }
    outcome.releases.append(Release(account: AccountIndex(account), amount: Money(amount)))
  }
}
