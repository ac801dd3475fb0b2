import Domain

extension LedgerCore {
  /// Trades in their order, then releases. Of each trade the buyer's hold pays the seller and the
  /// network fund, and the rest of it becomes free; the energy goes to the buyer, or is burned
  /// when it covers the buyer's shortfall. What becomes free pays arrears first.
  ///
  /// Throws when an amount does not add up, is not held, or energy is not there: the book and
  /// the ledger then disagree.
  package mutating func settle(_ trades: [PricedTrade], releases: [Release])
    throws(InvariantViolation)
  {
    // Two lines for each trade; by doubling, however many calls there are.
    let lines = history.count + 2 * trades.count
    if history.capacity < lines { history.reserveCapacity(max(lines, 2 * history.count)) }
    var fees = Money.zero
    for priced in trades {
      try settle(priced)
      fees += priced.networkGets
    }
    if fees.raw > 0 { credit(fees, to: Self.networkFund) }
    try settle(releases)
    try totals.check()
  }

  /// What is no longer held becomes free, and pays arrears first.
  mutating func settle(_ releases: [Release]) throws(InvariantViolation) {
    for release in releases {
      guard release.account.int < accounts.count, release.amount.raw >= 0,
        accounts[release.account.int].heldMoney >= release.amount
      else {
        throw InvariantViolation(
          "release of \(release.amount.raw) to account \(release.account.raw) is not held")
      }
      guard release.amount.raw > 0 else { continue }
      accounts[release.account.int].heldMoney -= release.amount
      credit(release.amount, to: release.account)
    }
  }

  private mutating func settle(_ priced: PricedTrade) throws(InvariantViolation) {
    try check(priced)
    let trade = priced.trade
    let energy = Energy(wattHours: trade.wattHours)
    let buyer = trade.buyer
    let seller = trade.seller
    accounts[buyer.int].heldMoney -= trade.released
    credit(trade.released - priced.buyerPays, to: buyer)
    if trade.coversShortfall {
      try changeWatt(of: seller, by: -energy)
      try totals.count(-energy.raw, from: .metering)
    } else {
      accounts[seller.int].watt -= energy
      accounts[buyer.int].watt += energy
    }
    credit(priced.sellerGets, to: seller)
    // A shortfall's line of metering took the energy off already; this one gives it back.
    record(
      buyer, .bought, reference: trade.buyOrder.raw, counterparty: seller, watt: energy,
      money: -priced.buyerPays)
    record(
      seller, .sold, reference: trade.sellOrder.raw, counterparty: buyer, watt: -energy,
      money: priced.sellerGets)
  }

  private func check(_ priced: PricedTrade) throws(InvariantViolation) {
    let trade = priced.trade
    func violation(_ what: String) -> InvariantViolation {
      InvariantViolation(
        "trade of \(trade.wattHours) Wh from account \(trade.seller.raw) to "
          + "\(trade.buyer.raw) at \(trade.price.raw): \(what)")
    }
    guard trade.buyer.int < accounts.count, trade.seller.int < accounts.count,
      trade.buyer != trade.seller
    else { throw violation("no such pair of accounts") }
    guard trade.wattHours > 0, trade.wattHours <= Limits.amount / 1000 else {
      throw violation("no such quantity")
    }
    guard priced.sellerGets.raw >= 0, priced.networkGets.raw >= 0,
      priced.buyerPays.raw >= priced.sellerGets.raw,
      priced.buyerPays - priced.sellerGets == priced.networkGets
    else { throw violation("its amounts do not sum to zero") }
    guard trade.released >= priced.buyerPays else {
      throw violation("the buyer pays \(priced.buyerPays.raw) of \(trade.released.raw)")
    }
    guard accounts[trade.buyer.int].heldMoney >= trade.released else {
      throw violation("\(trade.released.raw) µ¤ are not held")
    }
    let energy = Energy(wattHours: trade.wattHours)
    guard accounts[trade.seller.int].watt >= energy else {
      throw violation("the seller holds \(accounts[trade.seller.int].watt.raw) mWh")
    }
    if trade.coversShortfall {
      guard isClosing else { throw violation("a shortfall is covered outside a close") }
    } else if !isClosing {
      // Within a close, overflow that the utility takes is still in its holder's balance when that
      // holder buys again; that nobody holds more than B_max is checked when the close is over.
      guard energy <= room(for: trade.buyer) else {
        throw violation("the buyer holds \(accounts[trade.buyer.int].watt.raw) mWh")
      }
    }
  }
}
