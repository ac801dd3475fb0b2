import Domain

/// The book's part of a close: expiry, agents, market maker, automatic orders, call auction.
extension BookCore {
  /// Holds the auction of `input.interval`, which must be the next one.
  ///
  /// Of what an account's budget holds, first the hold of its shortfall is put by (rounded up to
  /// whole Wh), so that an agent or the market maker does not spend what is owed for energy
  /// already consumed. Wakes that the auction causes act after it and belong to the next
  /// interval's tally.
  package mutating func auction(_ input: AuctionInput) throws(InvariantViolation) -> AuctionOutcome
  {
    try check(input)
    var events = MatchOutcome()
    var budgets = try Budgets(input.budgets)
    for slot in timedOrders(where: { $0.origin != .member }) { end(slot, into: &events) }
    apply(input.energy)
    let reference = ReferencePrice.price(
      feedIn: input.feedIn, retail: input.retail, surplus: input.expectedSurplus,
      deficit: input.expectedDeficit)
    var outcome = AuctionOutcome(referencePrice: reference)

    var automatic = try automaticOrders(input, &budgets)
    exposeWakes()
    let putBy = putBy(automatic, &budgets)
    try placeAgents(input.interval, &budgets)
    try quoteMarket(input, reference: reference, &budgets)
    for (order, amount) in zip(automatic.shortfalls, putBy) {
      budgets.give(amount, to: order.account)
    }
    limitShortfalls(&automatic, budgets)
    endOwnCrossings(&automatic, into: &events)
    outcome.clearingPrice = try clear(&automatic, reference, into: &events)
    (outcome.tradedSurplus, outcome.optimalSurplus) = surplus(automatic)
    try finish(automatic, &budgets, &outcome)

    let due = timedOrders { $0.expires <= input.interval.index }
    for slot in due { end(slot, into: &events) }
    nextInterval = input.interval.next
    traded = [PriceTally(), PriceTally()]
    runWakes(into: &events)
    if let bidder = input.bidder {
      outcome.offer = try offer(input.interval, by: bidder, automatic, &budgets)
    }
    outcome.trades = events.trades
    outcome.releases = events.releases + budgets.unused
    return outcome
  }

  private func check(_ input: AuctionInput) throws(InvariantViolation) {
    guard input.interval == nextInterval else {
      throw InvariantViolation(
        "the auction of interval \(input.interval.index) is held when \(nextInterval.index) is due")
    }
    guard input.bidder == nil || round == nil else {
      throw InvariantViolation(
        "interval \(input.interval.index) would bid beside an open coupling round")
    }
    guard input.feedIn.raw >= 0, input.feedIn <= input.retail, input.retail.raw <= Limits.price
    else { throw InvariantViolation("the tariff of an auction is out of range") }
    for list in [input.shortfalls, input.overflows] {
      for (place, line) in list.enumerated() {
        guard line.energy.raw >= 0, place == 0 || list[place - 1].account < line.account else {
          throw InvariantViolation("shortfalls or overflows are negative or out of order")
        }
      }
    }
  }

  /// Orders that end at a close and meet the condition, oldest first. A walk over the pool, and
  /// none when no order is timed.
  private func timedOrders(where condition: (RestingOrder) -> Bool) -> [Int32] {
    guard timedCount > 0 else { return [] }
    var found: [Int32] = []
    for (slot, order) in orders.enumerated()
    where order.remaining > 0 && order.expires != RestingOrder.forever && condition(order) {
      found.append(Int32(slot))
    }
    return found.sorted { orders[Int($0)].id < orders[Int($1)].id }
  }

  /// The automatic orders of the close. Overflow is set aside for its order before any other
  /// sell of its account.
  private mutating func automaticOrders(_ input: AuctionInput, _ budgets: inout Budgets)
    throws(InvariantViolation) -> AutomaticOrders
  {
    var automatic = AutomaticOrders(
      retail: input.retail, feedIn: input.feedIn,
      perWattHour: try holdPerWattHour(.buy, input.retail))
    for line in input.overflows {
      grow(to: line.account.raw)
      guard line.energy.raw <= balances[line.account.int] else {
        throw InvariantViolation("account \(line.account.raw) holds less than its overflow")
      }
      reserved[line.account.int] = line.energy.raw
      takeBack(place(of: line.account.raw, .sell))
      automatic.overflows.append(
        AutomaticOrder(
          account: line.account, energy: line.energy.raw, wattHours: line.energy.wattHours))
    }
    for line in input.shortfalls {
      grow(to: line.account.raw)
      automatic.shortfalls.append(
        AutomaticOrder(
          account: line.account, energy: line.energy.raw, wattHours: line.energy.wattHours))
    }
    return automatic
  }

  /// Puts by, for each shortfall, the hold of its energy rounded up to whole Wh, as far as the
  /// budget goes.
  private func putBy(_ automatic: AutomaticOrders, _ budgets: inout Budgets) -> [Int64] {
    var amounts: [Int64] = []
    for order in automatic.shortfalls {
      let wattHours = Int128(order.energy / 1000) + (order.energy % 1000 > 0 ? 1 : 0)
      let needed = wattHours * Int128(automatic.perWattHour)
      let amount = Int64(min(needed, Int128(budgets.left(of: order.account))))
      budgets.take(amount, of: order.account)
      amounts.append(amount)
    }
    return amounts
  }

  /// A shortfall bids for no more than its budget can hold.
  private func limitShortfalls(_ automatic: inout AutomaticOrders, _ budgets: Budgets) {
    guard automatic.perWattHour > 0 else { return }
    for index in automatic.shortfalls.indices {
      let order = automatic.shortfalls[index]
      let affordable = budgets.left(of: order.account) / automatic.perWattHour
      automatic.shortfalls[index].wattHours = min(order.wattHours, affordable)
    }
  }

  /// The end of the automatic orders: what they did not trade goes to the utility, unsold
  /// overflow leaves the mirror, and the budgets pay for what the shortfalls bought.
  private mutating func finish(
    _ automatic: AutomaticOrders, _ budgets: inout Budgets, _ outcome: inout AuctionOutcome
  ) throws(InvariantViolation) {
    for order in automatic.shortfalls {
      budgets.take(order.filled * automatic.perWattHour, of: order.account)
      if order.rest > 0 {
        outcome.unfilledShortfalls.append(AccountEnergy(order.account, Energy(order.rest)))
      }
    }
    for order in automatic.overflows {
      reserved[order.account.int] = 0
      balances[order.account.int] -= order.rest
      guard balances[order.account.int] >= 0 else {
        throw InvariantViolation("the mirror of account \(order.account.raw) fell below zero")
      }
      if order.rest > 0 {
        outcome.unsoldOverflows.append(AccountEnergy(order.account, Energy(order.rest)))
      }
      noteWake(place(of: order.account.raw, .buy))
    }
    guard outcome.tradedSurplus >= 0, outcome.optimalSurplus >= outcome.tradedSurplus else {
      throw InvariantViolation("the traded surplus lies outside zero and its optimum")
    }
  }
}
