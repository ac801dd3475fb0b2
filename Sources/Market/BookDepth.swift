import Domain

/// A price level as it is published.
package struct DepthLevel: Hashable, Sendable {
  package var price: Price
  /// Wh of all orders, dormant parts included.
  package var wattHours: Int64
  /// Wh that can trade now.
  package var executable: Int64
  /// Orders at this price, dormant ones included.
  package var orders: Int

  package init(price: Price, wattHours: Int64, executable: Int64, orders: Int) {
    self.price = price
    self.wattHours = wattHours
    self.executable = executable
    self.orders = orders
  }
}

/// The book as it is published: each side from its best price on.
package struct BookDepth: Hashable, Sendable {
  /// From the whole book, dormant orders included, so that the sides may cross.
  package var bids: [DepthLevel] = []
  package var asks: [DepthLevel] = []
  /// Best prices at which something can trade now; nil when nothing can.
  package var bestExecutableBid: Price?
  package var bestExecutableAsk: Price?
  /// Price of the last trade, whatever its mechanism; nil before the first.
  package var lastTradePrice: Price?

  package init() {}
}

/// An account's order that rests in the book.
package struct OpenOrder: Hashable, Sendable {
  package var id: OrderID
  package var side: Side
  package var limit: Price
  /// Wh that have not traded.
  package var remaining: Int64
  /// Wh of `remaining` that can trade now.
  package var executable: Int64
  /// Wh of `remaining` that wait for the result of a coupling round.
  package var frozen: Int64
  /// Agents' and the market maker's orders show the next interval to close, before whose
  /// auction they are cancelled.
  package var timeInForce: TimeInForce
  package var origin: OrderOrigin

  package init(
    id: OrderID, side: Side, limit: Price, remaining: Int64, executable: Int64,
    frozen: Int64 = 0, timeInForce: TimeInForce, origin: OrderOrigin
  ) {
    self.id = id
    self.side = side
    self.limit = limit
    self.remaining = remaining
    self.executable = executable
    self.frozen = frozen
    self.timeInForce = timeInForce
    self.origin = origin
  }
}

extension BookCore {
  /// The best `levels` prices of each side, at most Limits.bookLevels.
  package func depth(levels count: Int) -> BookDepth {
    var depth = BookDepth()
    depth.bids = depthLevels(.buy, count)
    depth.asks = depthLevels(.sell, count)
    depth.bestExecutableBid = bestExecutable(.buy).map { Price($0) }
    depth.bestExecutableAsk = bestExecutable(.sell).map { Price($0) }
    depth.lastTradePrice = lastPrice.map { Price($0) }
    return depth
  }

  /// An account's orders of both sides, oldest first.
  package func openOrders(of account: AccountIndex) -> [OpenOrder] {
    guard account.int < balances.count else { return [] }
    var open: [OpenOrder] = []
    for side in Side.allCases {
      var slot = sides[place(of: account.raw, side)].oldest
      while slot != noSlot {
        let order = orders[Int(slot)]
        open.append(
          OpenOrder(
            id: OrderID(order.id), side: side, limit: Price(levels[Int(order.level)].price),
            remaining: order.remaining, executable: order.executable, frozen: order.frozen,
            timeInForce: order.timeInForce, origin: order.origin))
        slot = order.younger
      }
    }
    return open.sorted { $0.id < $1.id }
  }

  /// The best price of a side at which something can trade now.
  func bestExecutable(_ side: Side) -> Int64? {
    let best = ladders[side.index].executable.best
    return best == noSlot ? nil : levels[Int(best)].price
  }

  private func depthLevels(_ side: Side, _ count: Int) -> [DepthLevel] {
    let count = min(count, Limits.bookLevels)
    var published: [DepthLevel] = []
    guard count > 0 else { return published }
    ladders[side.index].all.visit { index in
      let level = levels[Int(index)]
      published.append(
        DepthLevel(
          price: Price(level.price), wattHours: level.wattHours, executable: level.executable,
          orders: Int(level.orders)))
      return published.count < count
    }
    return published
  }
}
