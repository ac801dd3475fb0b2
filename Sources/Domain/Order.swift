package enum Side: UInt8, Sendable, Codable, CaseIterable {
  case buy = 1
  case sell = 2

  @inlinable
  package var opposite: Side { self == .buy ? .sell : .buy }
}

/// How long an order stays.
package enum TimeInForce: Hashable, Sendable {
  /// Until it is filled or cancelled.
  case goodTillCancelled
  /// What does not trade at once is cancelled.
  case immediateOrCancel
  /// Trades at once and whole, or is rejected.
  case fillOrKill
  /// Takes part up to and in the call auction at the close of that interval, then is cancelled; it
  /// is not in that interval's coupling round.
  case goodTillInterval(Interval)
}

/// Running number of an order on its chain, from 1, in order of arrival; so it is also the
/// order's place in time.
package struct OrderID: Hashable, Comparable, Sendable {
  package var raw: UInt64

  @inlinable
  package init(_ raw: UInt64) { self.raw = raw }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

/// What a member asks of the book.
package struct OrderRequest: Hashable, Sendable {
  package var side: Side
  /// Whole watt-hours, 1...Limits.orderWattHours.
  package var wattHours: Int64
  /// Worst acceptable price, 1...Limits.price.
  package var limit: Price
  package var timeInForce: TimeInForce

  package init(side: Side, wattHours: Int64, limit: Price, timeInForce: TimeInForce) {
    self.side = side
    self.wattHours = wattHours
    self.limit = limit
    self.timeInForce = timeInForce
  }
}

/// What a buy order holds while it rests: the same for every watt-hour, so that what any sequence
/// of partial fills costs, each rounded up, never exceeds what was held.
package enum BuyHold {
  /// Held µ¤ per Wh: ⌈limit ÷ 1000⌉, plus the larger of both fees on that, rounded up.
  @inlinable
  package static func perWattHour(limit: Price, feePermille: Int64) throws(Rejection) -> Int64 {
    let price = try Rounding.up.divide(Int128(limit.raw), by: 1000)
    let fee = try Rounding.up.divide(Int128(price) * Int128(feePermille), by: 1000)
    let (sum, overflow) = price.addingReportingOverflow(fee)
    guard !overflow else { throw .overflow }
    return sum
  }

  /// The whole hold of `wattHours` at `limit`.
  @inlinable
  package static func amount(wattHours: Int64, limit: Price, feePermille: Int64)
    throws(Rejection) -> Money
  {
    let unit = try perWattHour(limit: limit, feePermille: feePermille)
    return Money(try Rounding.up.divide(Int128(unit) * Int128(wattHours), by: 1))
  }
}

/// How a trade came about.
package enum Mechanism: UInt8, Sendable, CaseIterable {
  /// An arriving or waking order met a resting one, at the resting order's price.
  case continuous = 1
  /// The call auction at a close, at its one price.
  case auction = 2
}

/// A match of two orders, before it is priced by Fees.
package struct Trade: Hashable, Sendable {
  package var buyer: AccountIndex
  package var seller: AccountIndex
  /// Zero for an automatic order of rules 4.2, which has no number of its own.
  package var buyOrder: OrderID
  package var sellOrder: OrderID
  package var wattHours: Int64
  package var price: Price
  package var mechanism: Mechanism
  /// The side that arrived; the other one rested. In an auction both count as makers: nil.
  package var taker: Side?
  /// The buyer's money that was held for these watt-hours and is released by this trade.
  package var released: Money
  /// Bought to cover a shortfall: burned with the trade, it never reaches the buyer's balance.
  package var coversShortfall: Bool

  package init(
    buyer: AccountIndex, seller: AccountIndex, buyOrder: OrderID, sellOrder: OrderID,
    wattHours: Int64, price: Price, mechanism: Mechanism, taker: Side?, released: Money,
    coversShortfall: Bool = false
  ) {
    self.buyer = buyer
    self.seller = seller
    self.buyOrder = buyOrder
    self.sellOrder = sellOrder
    self.wattHours = wattHours
    self.price = price
    self.mechanism = mechanism
    self.taker = taker
    self.released = released
    self.coversShortfall = coversShortfall
  }
}

/// A trade with every amount that it moves; `buyerPays = sellerGets + networkGets`.
package struct PricedTrade: Hashable, Sendable {
  package var trade: Trade
  /// Value rounded up, plus the buyer's fee.
  package var buyerPays: Money
  /// Value rounded down, less the seller's fee.
  package var sellerGets: Money
  /// Fees and the rounding difference, to the network fund.
  package var networkGets: Money

  package init(trade: Trade, buyerPays: Money, sellerGets: Money, networkGets: Money) {
    self.trade = trade
    self.buyerPays = buyerPays
    self.sellerGets = sellerGets
    self.networkGets = networkGets
  }
}

/// A zero-intelligence agent's settings (rules 7.1). Thresholds and gaps in whole Wh.
package struct AgentSettings: Hashable, Sendable, Codable {
  /// Buys the gap when the balance is below `low`; nil does not buy.
  package var buyPrice: Price?
  /// Sells the excess when the balance is above `high`; nil does not sell.
  package var sellPrice: Price?
  package var low: Energy
  package var high: Energy

  package init(buyPrice: Price?, sellPrice: Price?, low: Energy, high: Energy) {
    self.buyPrice = buyPrice
    self.sellPrice = sellPrice
    self.low = low
    self.high = high
  }
}
