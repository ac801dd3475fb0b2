import Domain

/// What both sides of a trade pay and get; the same in every mechanism.
struct TradePricing {
  var makerFeePermille: Int64
  var takerFeePermille: Int64

  /// The value of a trade is price × energy. The buyer pays it rounded up, and a fee on that; the
  /// seller gets it rounded down, less a fee on that but never below zero; each fee is rounded
  /// up. The network fund gets the difference.
  ///
  /// Throws when the trade is not one that the book can make: no energy, a negative price, an
  /// amount beyond 64 bits, or more to pay than was held for it.
  func price(_ trade: Trade) throws(InvariantViolation) -> PricedTrade {
    guard trade.wattHours > 0, trade.price.raw >= 0 else {
      throw InvariantViolation("a trade of \(trade.wattHours) Wh at \(trade.price.raw)")
    }
    let buyerFee = trade.taker == .buy ? takerFeePermille : makerFeePermille
    let sellerFee = trade.taker == .sell ? takerFeePermille : makerFeePermille
    let up: Int64
    let down: Int64
    let buyersFee: Int64
    let sellersFee: Int64
    do {
      (down, up) = try thousandth(trade.price.raw, trade.wattHours)
      buyersFee = try thousandth(up, buyerFee).up
      sellersFee = min(try thousandth(down, sellerFee).up, down)
    } catch { throw InvariantViolation("the value of a trade does not fit 64 bits: \(trade)") }
    let (pays, overflow) = up.addingReportingOverflow(buyersFee)
    guard !overflow, pays <= trade.released.raw else {
      throw InvariantViolation("a buyer owes more than was held: \(trade)")
    }
    let gets = down - sellersFee
    return PricedTrade(
      trade: trade, buyerPays: Money(pays), sellerGets: Money(gets),
      networkGets: Money(pays - gets))
  }

  /// The same for one side of a coupling round, in which, as in an auction, everybody is a maker.
  func price(_ trade: RoundTrade) throws(InvariantViolation) -> PricedRoundTrade {
    let none = trade.side == .sell ? trade.account : SystemAccount.networkFund.index
    let priced = try price(
      Trade(
        buyer: trade.side == .buy ? trade.account : none, seller: none, buyOrder: trade.order,
        sellOrder: trade.order, wattHours: trade.wattHours, price: trade.price,
        mechanism: .auction, taker: nil,
        released: trade.side == .buy ? trade.released : .max))
    return PricedRoundTrade(
      trade: trade, amount: trade.side == .buy ? priced.buyerPays : priced.sellerGets)
  }

  /// a × b ÷ 1000 of amounts that are not negative, rounded down and up: µ¤ per kWh × Wh, or
  /// µ¤ × ‰. In 64 bits as far as they go.
  private func thousandth(
    _ a: Int64, _ b: Int64
  ) throws(Rejection) -> (down: Int64, up: Int64) {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    if overflow {
      let wide = Int128(a) * Int128(b)
      return (try Rounding.down.divide(wide, by: 1000), try Rounding.up.divide(wide, by: 1000))
    }
    let down = product / 1000
    return (down, down * 1000 == product ? down : down + 1)
  }
}
