import Domain

extension Pipeline {
  /// The close of an interval, in the order that the market's rules give it:
  /// (1) readings into minted and burned WATT, (2) commission and overflow, (3) agents, market
  /// maker and automatic orders with (4) the call auction, then, without a backbone, at once
  /// (6) the utility for the rest, the energy balance, and rewards.
  mutating func closeInterval(_ interval: Interval) async throws(InvariantViolation)
    -> IntervalClose
  {
    let metered = try await meter.close(interval)
    let posted = try await ledger.post(metered)
    let assessment = try await fee.assess(close: interval, holdings: posted.holdings)
    try await ledger.collect(assessment)
    var input = AuctionInput(
      interval: interval, retail: assessment.retail, feedIn: assessment.feedIn)
    input.energy = posted.energy
    input.shortfalls = posted.shortfalls
    input.overflows = assessment.overflows
    input.budgets = await ledger.reserve(
      merged(posted.shortfalls.map(\.account), await book.automaticAccounts))
    input.expectedSurplus = metered.expectedSurplus
    input.expectedDeficit = metered.expectedDeficit
    let auction = try await book.auction(input)
    let trades = try await fee.assess(auction.trades)
    try await ledger.settle(trades, releases: auction.releases)
    let utility = try await fee.settle(
      assessment, unfilled: auction.unfilledShortfalls, unsold: auction.unsoldOverflows)
    let sheet = try await ledger.settle(utility, close: metered)
    guard sheet.isBalanced else {
      throw InvariantViolation("interval \(interval.index) does not balance: \(sheet)")
    }
    let rewards = try await fee.reward(clean: storedClean(metered, trades, utility))
    try await ledger.reward(rewards, interval: interval)
    try await compareMirrors(posted: posted, auction: auction)
    let totals = await ledger.totals()
    return IntervalClose(
      meter: metered, assessment: assessment, auction: auction, utility: utility, sheet: sheet,
      rewards: rewards, trades: trades, held: totals.held, arrears: totals.arrears)
  }

  /// Clean energy that stayed in storage: what clean meters minted and the same account did not
  /// burn in the interval, less what of the account's energy left again in the same close, as
  /// overflow to the utility or to cover a neighbour's shortfall. Corrections may make it negative.
  private func storedClean(
    _ metered: MeterClose, _ trades: [PricedTrade], _ utility: UtilitySettlement
  ) -> Energy {
    var left: [AccountIndex: Energy] = [:]
    for posting in utility.overflows { left[posting.account, default: .zero] += posting.energy }
    for priced in trades where priced.trade.coversShortfall {
      left[priced.trade.seller, default: .zero] += Energy(wattHours: priced.trade.wattHours)
    }
    return metered.accounts.reduce(.zero) { sum, account in
      guard account.clean > .zero else { return sum + account.clean }
      let kept = min(account.clean, max(.zero, account.minted - account.burned))
      return sum + max(.zero, kept - (left[account.account] ?? .zero))
    }
  }

  /// The book's view of WATT must be the ledger's, for every account that this close touched.
  private func compareMirrors(posted: PostedClose, auction: AuctionOutcome)
    async
    throws(InvariantViolation)
  {
    let touched =
      posted.energy.map(\.account) + auction.trades.flatMap { [$0.buyer, $0.seller] }
      + auction.unsoldOverflows.map(\.account)
    let mirrored = await book.energies(of: touched)
    let held = await ledger.energies(of: touched)
    for (index, account) in touched.enumerated() where mirrored[index] != held[index] {
      throw InvariantViolation(
        "account \(account.raw): the book sees \(mirrored[index].raw) mWh, "
          + "the ledger \(held[index].raw)")
    }
  }

  /// Both lists as one, ascending, without repeats.
  private func merged(_ a: [AccountIndex], _ b: [AccountIndex]) -> [AccountIndex] {
    var result: [AccountIndex] = []
    for account in (a + b).sorted() where result.last != account { result.append(account) }
    return result
  }
}
