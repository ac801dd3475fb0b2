import Domain
import Market

/// A coupling round over the plain book: what is frozen is taken out of the orders, Wh by Wh noted
/// beside them.
extension NaiveBook {
  struct Frozen {
    /// As it stood; `remaining` is what is frozen of it.
    var order: Order
  }

  /// What a bid says, and what stands behind it.
  func offer(by grid: ChainID) -> RoundOffer? {
    guard !frozen.isEmpty else { return nil }
    var writer = CanonicalWriter()
    CouplingBid(grid: grid, buys: steps(.buy), sells: steps(.sell)).encode(into: &writer)
    func behind(_ side: Side) -> [AccountEnergy] {
      balances.indices.compactMap { account in
        let items = frozen.filter {
          $0.order.account == account && $0.order.side == side && !$0.order.isAutomatic
        }
        let wattHours = items.reduce(0) { $0 + $1.order.remaining }
        return wattHours == 0
          ? nil : AccountEnergy(AccountIndex(account), Energy(wattHours: wattHours))
      }
    }
    return RoundOffer(bid: writer.bytes, energy: behind(.sell), headroom: behind(.buy))
  }

  func committed(_ account: Int) -> Int64 {
    frozen.filter { $0.order.account == account && !$0.order.isAutomatic }
      .reduce(0) { $0 + $1.order.remaining * 1000 }
  }

  /// µ¤ held for what is frozen of an account's orders.
  func frozenHold(_ account: Int, automatic: Bool) -> Int64 {
    frozen.filter { $0.order.account == account && $0.order.isAutomatic == automatic }
      .reduce(0) { $0 + hold($1.order) * $1.order.remaining }
  }

  /// The steps of a side, as a bid has them.
  func steps(_ side: Side) -> [PriceStep] {
    var steps: [PriceStep] = []
    for item in frozen where item.order.side == side {
      if steps.last?.price == item.order.limit {
        steps[steps.count - 1].wattHours += item.order.remaining
      } else {
        steps.append(PriceStep(price: item.order.limit, wattHours: item.order.remaining))
      }
    }
    return steps
  }

  /// Freezes all that is executable, sells first, and what `automatic` orders are left.
  mutating func freeze(_ automatic: [Order]) {
    orders += automatic
    for side in [Side.sell, .buy] {
      for part in queue(side) {
        var item = part
        item.remaining = part.executable
        frozen.append(Frozen(order: item))
        guard !part.isAutomatic else { continue }
        let place = orders.firstIndex { $0.id == part.id && !$0.isAutomatic }!
        orders[place].remaining -= part.executable
        orders[place].executable = 0
        if side == .sell { balances[part.account] -= part.executable * 1000 }
        if part.origin == .member { orders[place].attached = part.executable }
        if orders[place].remaining + orders[place].attached == 0 { orders.remove(at: place) }
      }
    }
    orders.removeAll { $0.isAutomatic }
  }

  /// What of the round trades at a price at most, by side.
  func acceptable(_ price: Int64, _ side: Side) -> Int64 {
    frozen.filter { $0.order.side == side && isWithin($0.order, price) }
      .reduce(0) { $0 + $1.order.remaining }
  }

  private func isWithin(_ order: Order, _ price: Int64) -> Bool {
    order.side == .buy ? order.limit >= price : order.limit <= price
  }

  mutating func settleRound(_ fill: RoundFill?) -> RoundResult {
    var result = RoundResult()
    var left = [Side.buy: fill?.bought ?? 0, .sell: fill?.sold ?? 0]
    var returned: [Int: Int64] = [:]
    let items = frozen
    frozen = []
    for item in items {
      let order = item.order
      let isFilled = fill.map { isWithin(order, $0.price.raw) } ?? false
      let wattHours = isFilled ? min(order.remaining, left[order.side]!) : 0
      left[order.side]! -= wattHours
      let back = order.remaining - wattHours
      if let fill, wattHours > 0 {
        lastPrice = fill.price.raw
        result.trades.append(
          RoundTrade(
            account: AccountIndex(order.account), side: order.side, order: OrderID(order.id),
            wattHours: wattHours, price: fill.price, released: Money(wattHours * hold(order))))
      }
      if !order.isAutomatic {
        balances[order.account] += (order.side == .buy ? wattHours : back) * 1000
        if order.side == .sell, back > 0 { returned[order.account, default: 0] += back }
      }
      if let place = orders.firstIndex(where: { $0.id == order.id && $0.attached > 0 }) {
        orders[place].remaining += back
        orders[place].attached = 0
        if orders[place].remaining == 0 { orders.remove(at: place) }
      } else if back * hold(order) > 0 {
        result.releases.append(
          Release(
            account: AccountIndex(order.account), amount: Money(back * hold(order))))
      }
    }
    result.returned = returned.sorted { $0.key < $1.key }.map {
      AccountEnergy(AccountIndex($0.key), Energy(wattHours: $0.value))
    }
    for item in items where !item.order.isAutomatic {
      noteWake(item.order.account, item.order.side)
      noteWake(item.order.account, item.order.side.opposite)
    }
    runWakes()
    result.woken = takeOutcome([])
    return result
  }
}
