import Domain

/// The money that Ledger holds for automatic buys of a close, and what is left of it.
struct Budgets: Sendable {
  private let given: [Budget]
  private var left: [UInt32: Int64]

  init(_ budgets: [Budget]) throws(InvariantViolation) {
    given = budgets
    left = [:]
    left.reserveCapacity(budgets.count)
    for budget in budgets {
      guard budget.held.raw >= 0 else { throw InvariantViolation("a budget is negative") }
      guard left.updateValue(budget.held.raw, forKey: budget.account.raw) == nil else {
        throw InvariantViolation("account \(budget.account.raw) has two budgets")
      }
    }
  }

  /// µ¤; zero for an account that was given none.
  func left(of account: AccountIndex) -> Int64 { left[account.raw] ?? 0 }

  mutating func take(_ amount: Int64, of account: AccountIndex) {
    guard amount > 0 else { return }
    left[account.raw, default: 0] -= amount
  }

  mutating func give(_ amount: Int64, to account: AccountIndex) {
    guard amount > 0 else { return }
    left[account.raw, default: 0] += amount
  }

  /// What was not used, in the order in which it was given.
  var unused: [Release] {
    var releases: [Release] = []
    for budget in given {
      let amount = left(of: budget.account)
      if amount > 0 { releases.append(Release(account: budget.account, amount: Money(amount))) }
    }
    return releases
  }
}

/// An order that the rules place by themselves for one auction: a shortfall bids at retail, an
/// overflow is offered at feed-in. It has no number and is the youngest at its price.
struct AutomaticOrder: Sendable {
  var account: AccountIndex
  /// The whole shortfall or overflow, mWh.
  var energy: Int64
  /// Whole Wh that take part in the auction and have not traded.
  var wattHours: Int64
  var filled: Int64 = 0

  /// What did not trade, for the utility, mWh; the part below a Wh included.
  var rest: Int64 { energy - filled * 1000 }
}

/// The automatic orders of a close, by account, ascending, and their two limits.
struct AutomaticOrders: Sendable {
  var shortfalls: ContiguousArray<AutomaticOrder> = []
  var overflows: ContiguousArray<AutomaticOrder> = []
  let retail: Int64
  let feedIn: Int64
  /// µ¤ that each Wh of a shortfall's order holds.
  let perWattHour: Int64

  init(retail: Price, feedIn: Price, perWattHour: Int64) {
    self.retail = retail.raw
    self.feedIn = feedIn.raw
    self.perWattHour = perWattHour
  }

  func limit(_ side: Side) -> Int64 { side == .buy ? retail : feedIn }

  func wattHours(_ side: Side) -> Int64 {
    (side == .buy ? shortfalls : overflows).reduce(0) { $0 + $1.wattHours }
  }

  func orders(_ side: Side) -> ContiguousArray<AutomaticOrder> {
    side == .buy ? shortfalls : overflows
  }

  mutating func fill(_ side: Side, _ index: Int, _ wattHours: Int64) {
    switch side {
    case .buy:
      shortfalls[index].wattHours -= wattHours
      shortfalls[index].filled += wattHours
    case .sell:
      overflows[index].wattHours -= wattHours
      overflows[index].filled += wattHours
    }
  }
}

extension BookCore {
  /// Places agents' orders, by account, sells before buys: above the high threshold the excess is
  /// sold, below the low one the gap is bought, when the account has no order of that side. What
  /// an open coupling round may bring or give back counts as held already for the gap.
  /// Energy that is overflow leaves in any case and is not offered twice. A buy is limited by
  /// headroom and by what the budget can hold.
  mutating func placeAgents(_ interval: Interval, _ budgets: inout Budgets)
    throws(InvariantViolation)
  {
    for index in agents.indices {
      guard let settings = agents[index] else { continue }
      let account = AccountIndex(index)
      grow(to: account.raw)
      let buys = place(of: account.raw, .buy)
      if let limit = settings.sellPrice, sides[buys + 1].count == 0 {
        let excess = balances[index] - reserved[index] - settings.high.raw
        try quote(.sell, account, limit, wattHours: excess / 1000, .agent, interval, &budgets)
      }
      if let limit = settings.buyPrice, sides[buys].count == 0 {
        let gap = settings.low.raw - balances[index] - committed[index]
        try quote(.buy, account, limit, wattHours: gap / 1000, .agent, interval, &budgets)
      }
    }
  }

  /// Where a side has nothing executable, the community's account quotes the reference price
  /// plus or minus its share of the band (rounded down), within the band, from all that it owns.
  mutating func quoteMarket(_ input: AuctionInput, reference: Price, _ budgets: inout Budgets)
    throws(InvariantViolation)
  {
    grow(to: community.raw)
    let band = Int128(input.retail.raw - input.feedIn.raw)
    let distance = Int64(band * Int128(parameters.makerSpreadPermille) / 1000)
    let ask = Price(min(reference.raw + distance, input.retail.raw))
    let bid = Price(max(reference.raw - distance, input.feedIn.raw))
    let (wantsAsk, wantsBid) = (bestExecutable(.sell) == nil, bestExecutable(.buy) == nil)
    let all = Limits.orderWattHours
    if wantsAsk {
      try quote(.sell, community, ask, wattHours: all, .marketMaker, input.interval, &budgets)
    }
    if wantsBid {
      try quote(.buy, community, bid, wattHours: all, .marketMaker, input.interval, &budgets)
    }
  }

  /// Puts an order with a number into the book until the next close, as large as `wattHours`,
  /// energy or headroom, and budget allow, without matching. None where that is nothing, where
  /// the price is out of an order's range, or where the book has no room.
  private mutating func quote(
    _ side: Side, _ account: AccountIndex, _ limit: Price, wattHours: Int64,
    _ origin: OrderOrigin, _ interval: Interval, _ budgets: inout Budgets
  ) throws(InvariantViolation) {
    guard (1...Limits.price).contains(limit.raw), orderCount < Limits.restingOrders else { return }
    let place = place(of: account.raw, side)
    guard sides[place & ~1].count + sides[place | 1].count < Int32(Limits.ordersPerAccount) else {
      return
    }
    let held = try holdPerWattHour(side, limit)
    var quantity = executablePart(place, of: min(wattHours, Limits.orderWattHours))
    if held > 0 { quantity = min(quantity, budgets.left(of: account) / held) }
    guard quantity > 0 else { return }
    budgets.take(held * quantity, of: account)
    let slot = append(
      RestingOrder(
        id: nextOrder, account: account.raw, side: side, remaining: quantity,
        expires: interval.next.index, origin: origin),
      price: limit.raw, perWattHour: held)
    nextOrder += 1
    expose(slot, quantity)
  }

  /// `perWattHour` for prices that were checked before.
  func holdPerWattHour(_ side: Side, _ limit: Price) throws(InvariantViolation) -> Int64 {
    do { return try perWattHour(side, limit) } catch {
      throw InvariantViolation("the hold for a price of \(limit.raw) does not fit")
    }
  }
}
