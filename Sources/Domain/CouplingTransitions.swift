// What the stages of the pipeline hand each other for a coupling round: at the close that offers,
// and when the round's result has come. Between the two, whatever stands behind the offer is held.

/// What a coupling round gives a grid: its one price, and how much of its bid is accepted.
package struct RoundFill: Hashable, Sendable {
  package var price: Price
  /// Wh that the grid's buys get, the highest limits first, then the oldest; 0 and more.
  package var bought: Int64
  /// Wh that its sells give, the lowest limits first, then the oldest; 0 and more.
  package var sold: Int64
  /// What the grid's reserve on the backbone gets for it; below zero what it pays.
  package var money: Money

  package init(price: Price, bought: Int64, sold: Int64, money: Money) {
    self.price = price
    self.bought = bought
    self.sold = sold
    self.money = money
  }

  /// What a proven result says; nil without a price, when nobody has bid within reach. Throws when
  /// something was traded all the same.
  package static func result(
    price: Price?, bought: Int64, sold: Int64, money: Money
  ) throws(InvariantViolation) -> RoundFill? {
    guard let price else {
      guard bought == 0, sold == 0, money == .zero else {
        throw InvariantViolation("a coupling round trades \(bought) and \(sold) Wh at no price")
      }
      return nil
    }
    return RoundFill(price: price, bought: bought, sold: sold, money: money)
  }
}

// MARK: The close that offers

/// (5) What stayed executable after the call auction, as the book froze it.
package struct RoundOffer: Hashable, Sendable {
  /// The grid's bid, as the market encodes it.
  package var bid: [UInt8]
  /// Energy behind the sells of orders, by account, ascending: for escrow. What stands behind the
  /// sells of overflows is not in it; see `AuctionOutcome.unsoldOverflows`.
  package var energy: [AccountEnergy]
  /// What the buys of orders may bring, by account, ascending: headroom that nothing else may
  /// take. A shortfall needs none.
  package var headroom: [AccountEnergy]

  package init(bid: [UInt8], energy: [AccountEnergy], headroom: [AccountEnergy]) {
    self.bid = bid
    self.energy = energy
    self.headroom = headroom
  }
}

// MARK: The round's result

/// What an order, or an automatic order, gets of a round.
package struct RoundTrade: Hashable, Sendable {
  package var account: AccountIndex
  package var side: Side
  /// Zero for an automatic order: a buy of that kind covers a shortfall and is consumed at once, a
  /// sell is of an overflow.
  package var order: OrderID
  /// Above zero.
  package var wattHours: Int64
  package var price: Price
  /// A buyer's money that was held for these watt-hours; zero for a seller.
  package var released: Money

  package init(
    account: AccountIndex, side: Side, order: OrderID, wattHours: Int64, price: Price,
    released: Money
  ) {
    self.account = account
    self.side = side
    self.order = order
    self.wattHours = wattHours
    self.price = price
    self.released = released
  }

  package var isAutomatic: Bool { order.raw == 0 }
  package var energy: Energy { Energy(wattHours: wattHours) }
}

/// A part of a round with its price: what a buyer pays, its value rounded up and the fee, or what a
/// seller gets, its value rounded down less the fee.
package struct PricedRoundTrade: Hashable, Sendable {
  package var trade: RoundTrade
  package var amount: Money

  package init(trade: RoundTrade, amount: Money) {
    self.trade = trade
    self.amount = amount
  }
}

/// The book's part of a round's result.
package struct RoundResult: Sendable {
  /// Sells, then buys; each by price, then time.
  package var trades: [RoundTrade] = []
  /// Holds of buys that the round did not fill and that end with it.
  package var releases: [Release] = []
  /// Energy out of escrow that is its holder's again, by account, ascending.
  package var returned: [AccountEnergy] = []
  /// What woke with it, after all of the above: trades and releases; no receipts.
  package var woken = MatchOutcome()

  package init() {}
}

/// What the ledger books of a round's result.
package struct RoundSettlement: Sendable {
  package var interval: Interval
  package var trades: [PricedRoundTrade] = []
  package var releases: [Release] = []
  package var returned: [AccountEnergy] = []
  /// The change of the grid's money: from the backbone's reserve, below zero to it.
  package var money: Money = .zero
  /// (6) of the same interval.
  package var utility: UtilitySettlement
  /// The meters' sums of the interval.
  package var generation: Energy = .zero
  package var consumption: Energy = .zero
  /// Change in WATT held over the steps (1) to (4).
  package var stored: Energy = .zero

  package init(interval: Interval, utility: UtilitySettlement) {
    self.interval = interval
    self.utility = utility
  }
}
