import Domain

/// An order that the call auction fills, or a coupling round freezes: a resting one by its slot,
/// or an automatic one.
struct Filled {
  var account: UInt32
  /// Wh that it may still trade.
  var wattHours: Int64
  var limit: Int64
  /// Zero for an automatic order.
  var id: UInt64
  /// A slot of the book, or the place of an automatic order of the side.
  var index: Int
  var isAutomatic: Bool
}

extension BookCore {
  /// Ends orders so that no account's executable orders cross each other: by age, an order that
  /// crosses an older one of its own account which stays is ended; automatic orders are the
  /// youngest, an overflow's before a shortfall's. What an ended order had set aside goes to the
  /// account's next dormant orders, which are younger and looked at in their turn.
  mutating func endOwnCrossings(
    _ automatic: inout AutomaticOrders, into events: inout MatchOutcome
  ) {
    guard let bid = bestPrice(.buy, automatic), let ask = bestPrice(.sell, automatic), bid >= ask
    else { return }
    var (overflow, shortfall) = (0, 0)
    for account in balances.indices {
      let index = AccountIndex(account)
      let offered = Self.find(index, in: automatic.overflows, from: &overflow)
      let wanted = Self.find(index, in: automatic.shortfalls, from: &shortfall)
      let place = place(of: index.raw, .buy)
      guard sides[place].allocated > 0 || wanted != nil,
        sides[place + 1].allocated > 0 || offered != nil
      else { continue }
      let kept = endOwnCrossings(of: place, into: &events)
      var lowestAsk = kept.lowestAsk
      if let offered, automatic.overflows[offered].wattHours > 0 {
        if automatic.feedIn <= kept.highestBid {
          automatic.overflows[offered].wattHours = 0
        } else {
          lowestAsk = min(lowestAsk, automatic.feedIn)
        }
      }
      if let wanted, automatic.retail >= lowestAsk { automatic.shortfalls[wanted].wattHours = 0 }
    }
  }

  /// The same for the account's resting orders; gives the highest bid and the lowest ask that
  /// stay.
  private mutating func endOwnCrossings(of place: Int, into events: inout MatchOutcome)
    -> (highestBid: Int64, lowestAsk: Int64)
  {
    var (highestBid, lowestAsk) = (Int64.min, Int64.max)
    var (buy, sell) = (sides[place].oldest, sides[place + 1].oldest)
    while buy != noSlot || sell != noSlot {
      let isBuy =
        sell == noSlot || buy != noSlot && orders[Int(buy)].id < orders[Int(sell)].id
      let slot = isBuy ? buy : sell
      let order = orders[Int(slot)]
      if isBuy { buy = order.younger } else { sell = order.younger }
      guard order.executable > 0 else { continue }
      let limit = levels[Int(order.level)].price
      if isBuy ? limit >= lowestAsk : limit <= highestBid {
        end(slot, into: &events)
        exposeWakes()
      } else if isBuy {
        highestBid = max(highestBid, limit)
      } else {
        lowestAsk = min(lowestAsk, limit)
      }
    }
    return (highestBid, lowestAsk)
  }

  /// Place of an account's automatic order; the search goes on from where it last stood.
  private static func find(
    _ account: AccountIndex, in orders: ContiguousArray<AutomaticOrder>, from start: inout Int
  ) -> Int? {
    while start < orders.count, orders[start].account < account { start += 1 }
    return start < orders.count && orders[start].account == account ? start : nil
  }

  /// Clears what crosses at one price; nil when nothing does.
  ///
  /// Both sides are filled by price, then time, and paired in that order. A pair is never of one
  /// account: at price p a filled buy has limit ≥ p and a filled sell limit ≤ p, so the two would
  /// cross each other, and no account has such orders any more.
  mutating func clear(
    _ automatic: inout AutomaticOrders, _ reference: Price, into events: inout MatchOutcome
  ) throws(InvariantViolation) -> Price? {
    guard let bid = bestPrice(.buy, automatic), let ask = bestPrice(.sell, automatic), bid >= ask
    else { return nil }
    let clearing = CallAuction.clear(
      bids: steps(.buy, automatic, until: ask), asks: steps(.sell, automatic, until: bid),
      target: lastPrice ?? reference.raw)
    guard let clearing else { return nil }
    var buys = fills(.buy, automatic, clearing.wattHours)
    var sells = fills(.sell, automatic, clearing.wattHours)
    var (buy, sell) = (0, 0)
    while buy < buys.count, sell < sells.count {
      let wattHours = min(buys[buy].wattHours, sells[sell].wattHours)
      guard buys[buy].account != sells[sell].account else {
        throw InvariantViolation("account \(buys[buy].account) would trade with itself")
      }
      trade(buys[buy], sells[sell], wattHours, clearing.price, &automatic, into: &events)
      buys[buy].wattHours -= wattHours
      sells[sell].wattHours -= wattHours
      if buys[buy].wattHours == 0 { buy += 1 }
      if sells[sell].wattHours == 0 { sell += 1 }
    }
    lastPrice = clearing.price
    return Price(clearing.price)
  }

  private mutating func trade(
    _ buy: Filled, _ sell: Filled, _ wattHours: Int64, _ price: Int64,
    _ automatic: inout AutomaticOrders, into events: inout MatchOutcome
  ) {
    var held = automatic.perWattHour
    if !buy.isAutomatic {
      held = levels[Int(orders[buy.index].level)].perWattHour
      consume(Int32(buy.index), wattHours)
      balances[Int(buy.account)] += wattHours * 1000
    } else {
      automatic.fill(.buy, buy.index, wattHours)
    }
    balances[Int(sell.account)] -= wattHours * 1000
    if sell.isAutomatic {
      automatic.fill(.sell, sell.index, wattHours)
      reserved[Int(sell.account)] -= wattHours * 1000
    } else {
      consume(Int32(sell.index), wattHours)
    }
    noteWake(place(of: sell.account, .buy))
    if !buy.isAutomatic { noteWake(place(of: buy.account, .sell)) }
    traded[Side.buy.index].add(wattHours, at: buy.limit)
    traded[Side.sell.index].add(wattHours, at: sell.limit)
    events.trades.append(
      Trade(
        buyer: AccountIndex(buy.account), seller: AccountIndex(sell.account),
        buyOrder: OrderID(buy.id), sellOrder: OrderID(sell.id), wattHours: wattHours,
        price: Price(price), mechanism: .auction, taker: nil,
        released: Money(held * wattHours), coversShortfall: buy.isAutomatic))
  }

  /// The orders of a side that trade `volume` Wh together, by price, then time; at the automatic
  /// orders' price these come last, by account.
  func fills(_ side: Side, _ automatic: AutomaticOrders, _ volume: Int64) -> [Filled] {
    var fills: [Filled] = []
    var left = volume
    var automaticIsDue = true
    func add(_ order: Filled) {
      let wattHours = min(left, order.wattHours)
      guard wattHours > 0 else { return }
      fills.append(order)
      fills[fills.count - 1].wattHours = wattHours
      left -= wattHours
    }
    func addAutomatic() {
      automaticIsDue = false
      for (index, order) in automatic.orders(side).enumerated() {
        add(
          Filled(
            account: order.account.raw, wattHours: order.wattHours,
            limit: automatic.limit(side), id: 0, index: index, isAutomatic: true))
      }
    }
    ladders[side.index].executable.visit { index in
      let level = levels[Int(index)]
      if automaticIsDue, side.key(level.price) < side.key(automatic.limit(side)) { addAutomatic() }
      var slot = level.first
      while slot != noSlot, left > 0 {
        let order = orders[Int(slot)]
        add(
          Filled(
            account: order.account, wattHours: order.executable, limit: level.price,
            id: order.id, index: Int(slot), isAutomatic: false))
        slot = order.next
      }
      return left > 0
    }
    if automaticIsDue { addAutomatic() }
    return fills
  }

  /// The best executable price of a side, automatic orders included.
  private func bestPrice(_ side: Side, _ automatic: AutomaticOrders) -> Int64? {
    let resting = bestExecutable(side)
    guard automatic.wattHours(side) > 0 else { return resting }
    let limit = automatic.limit(side)
    guard let resting else { return limit }
    return side.key(resting) > side.key(limit) ? resting : limit
  }

  /// Executable Wh by price, best first, automatic orders included, as far as `worst`.
  func steps(_ side: Side, _ automatic: AutomaticOrders, until worst: Int64) -> [PriceStep] {
    var steps: [PriceStep] = []
    var extra = automatic.wattHours(side)
    let limit = automatic.limit(side)
    func addExtra() {
      if extra > 0, side.key(limit) >= side.key(worst) {
        steps.append(PriceStep(price: limit, wattHours: extra))
      }
      extra = 0
    }
    ladders[side.index].executable.visit { index in
      let level = levels[Int(index)]
      guard side.key(level.price) >= side.key(worst) else { return false }
      if side.key(level.price) < side.key(limit) { addExtra() }
      let isSame = level.price == limit
      steps.append(
        PriceStep(price: level.price, wattHours: level.executable + (isSame ? extra : 0)))
      if isSame { extra = 0 }
      return true
    }
    addExtra()
    return steps
  }

  /// Surplus of all trades since the last close, and the most that the same orders could have
  /// had: what traded, at its limits, and what is still executable.
  func surplus(_ automatic: AutomaticOrders) -> (traded: Int128, optimal: Int128) {
    let bought = traded[Side.buy.index].steps
    let sold = traded[Side.sell.index].steps
    let bids = bought + steps(.buy, automatic, until: 0)
    let asks = sold + steps(.sell, automatic, until: .max)
    return (
      Surplus.value(bought) - Surplus.value(sold), Surplus.optimum(bids: bids, asks: asks)
    )
  }
}
