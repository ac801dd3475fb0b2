import Domain

extension LedgerCore {
  /// How much WATT an account may still get: B_max less what it has, and less what a coupling
  /// round may bring it.
  func room(for index: AccountIndex) -> Energy {
    let reserved = escrow?.reserved(by: index) ?? .zero
    return Energy(terms.maximumHeld.raw - accounts[index.int].watt.raw - reserved.raw)
  }

  /// What an open coupling round holds of an account's energy, beside its balance: what its orders
  /// offer, its overflow, and room below B_max for what its buys may bring. All zero without one.
  package func escrow(
    of index: AccountIndex
  ) -> (orders: Energy, overflow: Energy, headroom: Energy) {
    let part = escrow?[index] ?? Escrow.Part()
    return (part.orders, part.overflow, part.headroom)
  }

  /// (5) of a close that bids: what stands behind the bid, and the overflow that the auction did
  /// not sell, go into escrow until `settleRound`. Returns the change of the WATT supply over the
  /// steps before; later intervals may be closed from here on.
  package mutating func suspend(
    _ offer: RoundOffer, overflows: [AccountEnergy], interval: Interval
  ) throws(InvariantViolation) -> Energy {
    try checkClosing(interval)
    guard escrow == nil else {
      throw InvariantViolation("interval \(interval.index) bids beside an open coupling round")
    }
    var held = Escrow(interval: interval)
    for line in offer.energy {
      try take(line)
      try held.change(line.account, orders: line.energy)
    }
    for line in overflows {
      try take(line)
      try held.change(line.account, overflow: line.energy)
    }
    for line in offer.headroom {
      guard line.energy.raw > 0, line.account.int < accounts.count else {
        throw InvariantViolation("headroom for nothing, or for nobody: \(line)")
      }
      try held.change(line.account, headroom: line.energy)
    }
    escrow = held
    isClosing = false
    let stored = Energy(totals[.watt] - wattAtLastClose)
    wattAtLastClose = totals[.watt]
    return stored
  }

  /// Off the balance and into escrow: the supply stays.
  private mutating func take(_ line: AccountEnergy) throws(InvariantViolation) {
    guard line.account.int < accounts.count, line.energy.raw > 0,
      accounts[line.account.int].watt >= line.energy
    else {
      throw InvariantViolation("account \(line.account.raw) does not hold what a round takes")
    }
    accounts[line.account.int].watt -= line.energy
    touch(line.account)
  }

  /// A round's result, and with it (6) of its interval: what was sold leaves escrow and the grid,
  /// what was bought comes in, the rest of the orders' energy is its holders' again, the utility
  /// takes the rest of the overflow. Returns the interval's balance.
  ///
  /// The supply of money changes by `round.money`. What buyers pay and what comes from the
  /// backbone is what sellers get and the network fund, which gets nothing below zero.
  package mutating func settleRound(_ round: RoundSettlement)
    throws(InvariantViolation) -> EnergyBalanceSheet
  {
    guard !isClosing, let held = escrow, held.interval == round.interval else {
      throw InvariantViolation("no round of interval \(round.interval.index) is open")
    }
    guard (-Limits.amount...Limits.amount).contains(round.money.raw) else {
      throw InvariantViolation("a round moves \(round.money.raw) µ¤")
    }
    settling = round.interval
    defer { settling = nil }
    let before = totals[.watt]
    try checkOrder(round.utility.shortfalls)
    try checkOrder(round.utility.overflows)
    var sheet = EnergyBalanceSheet()
    sheet.generation = round.generation
    sheet.consumption = round.consumption
    let net = try trade(round)
    if net.raw > 0 { sheet.tieImport = net } else { sheet.tieExport = -net }
    for line in round.returned {
      try escrow?.change(line.account, orders: -line.energy)
      accounts[line.account.int].watt += line.energy
      touch(line.account)
    }
    for posting in round.utility.overflows {
      try escrow?.change(posting.account, overflow: -posting.energy)
      try totals.count(-posting.energy.raw, of: .watt)
    }
    guard escrow?.energy == .zero else {
      throw InvariantViolation("energy of interval \(round.interval.index) stays in escrow")
    }
    escrow = nil
    try settle(round.releases)
    try book(round.utility, in: &sheet)
    sheet.stored = round.stored + Energy(totals[.watt] - before)
    try checkBalance(sheet, of: round.interval)
    wattAtLastClose += totals[.watt] - before
    try totals.check()
    return sheet
  }

  /// Sells and buys of the round; returns the energy that came in, less what went out.
  private mutating func trade(_ round: RoundSettlement) throws(InvariantViolation) -> Energy {
    var net = Energy.zero
    var rest = round.money
    for priced in round.trades {
      try check(priced)
      if priced.trade.side == .buy {
        try buy(priced)
        net += priced.trade.energy
        rest += priced.amount
      } else {
        try sell(priced)
        net -= priced.trade.energy
        rest -= priced.amount
      }
    }
    guard rest.raw >= 0 else {
      throw InvariantViolation(
        "the round of interval \(round.interval.index) leaves \(rest.raw) µ¤")
    }
    try totals.count(round.money.raw, of: .money)
    try totals.count(round.money.raw, from: .coupling)
    if rest.raw > 0 { credit(rest, to: Self.networkFund) }
    return net
  }

  private func check(_ priced: PricedRoundTrade) throws(InvariantViolation) {
    let trade = priced.trade
    guard trade.account.int < accounts.count, trade.account > Self.educationFund,
      (1...Limits.amount / 1000).contains(trade.wattHours),
      (0...Limits.amount).contains(priced.amount.raw), trade.released.raw >= 0,
      accounts[trade.account.int].heldMoney >= trade.released,
      trade.side == .sell || priced.amount <= trade.released
    else { throw InvariantViolation("a round's trade that cannot be: \(priced)") }
  }

  private mutating func buy(_ priced: PricedRoundTrade) throws(InvariantViolation) {
    let trade = priced.trade
    accounts[trade.account.int].heldMoney -= trade.released
    credit(trade.released - priced.amount, to: trade.account)
    try totals.count(trade.energy.raw, from: .tieLine)
    if trade.isAutomatic {
      // It comes in and is consumed at once. Its line of metering took the energy off already.
      try totals.count(-trade.energy.raw, from: .metering)
    } else {
      try escrow?.change(trade.account, headroom: -trade.energy)
      try changeWatt(of: trade.account, by: trade.energy)
    }
    record(
      trade.account, .bought, reference: trade.order.raw, watt: trade.energy,
      money: -priced.amount)
  }

  private mutating func sell(_ priced: PricedRoundTrade) throws(InvariantViolation) {
    let trade = priced.trade
    if trade.isAutomatic {
      try escrow?.change(trade.account, overflow: -trade.energy)
    } else {
      try escrow?.change(trade.account, orders: -trade.energy)
    }
    try totals.count(-trade.energy.raw, of: .watt)
    try totals.count(-trade.energy.raw, from: .tieLine)
    credit(priced.amount, to: trade.account)
    record(
      trade.account, .sold, reference: trade.order.raw, watt: -trade.energy,
      money: priced.amount)
  }

  /// The sums of the escrow are those of its parts, and its interval was closed.
  func checkEscrow() throws(InvariantViolation) {
    guard let escrow else { return }
    var sums = (orders: Energy.zero, all: Energy.zero)
    for account in escrow.accounts {
      let part = escrow[account]
      guard account > Self.educationFund, account.int < accounts.count, !part.isEmpty,
        part.orders >= .zero, part.overflow >= .zero, part.headroom >= .zero
      else { throw InvariantViolation("an impossible part of the escrow: \(part)") }
      sums.orders += part.orders
      sums.all += part.orders + part.overflow
    }
    guard sums.orders == escrow.ordersEnergy, sums.all == escrow.energy,
      escrow.interval <= interval
    else { throw InvariantViolation("the escrow is not the sum of its parts") }
  }
}
