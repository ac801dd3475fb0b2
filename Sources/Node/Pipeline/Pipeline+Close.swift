import Domain
import Market

/// What a close came to in its block: steps (1) to (4), and (6) unless it waits for a round.
struct BegunClose {
  var meter: MeterClose
  var trades: [PricedTrade]
  /// Nil while the interval is open.
  var final: IntervalClose?
}

extension Pipeline {
  /// The close of an interval, in the order that the market's rules give it:
  /// (1) readings into minted and burned WATT, (2) commission and overflow, (3) agents, market
  /// maker and automatic orders with (4) the call auction, (5) the bid in the coupling round; then,
  /// without a bid at once, otherwise with the round's result, (6) the utility for the rest, the
  /// energy balance, and rewards.
  ///
  /// A grid bids when no older bid of it waits and the round has not ended by the time of this
  /// block: it never lasts until the next close (`BackboneGenesis.roundSeconds`). With nothing to
  /// trade the bid is empty, so that the round need not wait for the grid, and the interval is
  /// final at once.
  mutating func closeInterval(_ interval: Interval, time: Timestamp)
    async throws(InvariantViolation) -> BegunClose
  {
    let metered = try await meter.close(interval)
    let posted = try await ledger.post(metered)
    let assessment = try await fee.assess(
      close: interval, holdings: posted.holdings, inEscrow: posted.inEscrow)
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
    if let lane, open == nil, lane.canBid(in: interval), time < calendar.close(of: interval.next) {
      input.bidder = lane.grid
    }
    let auction = try await book.auction(input)
    let trades = try await fee.assess(auction.trades)
    try await ledger.settle(trades, releases: auction.releases)
    let touched =
      posted.energy.map(\.account) + auction.trades.flatMap { [$0.buyer, $0.seller] }
      + auction.unsoldOverflows.map(\.account)
    var closed = OpenInterval(
      metered, assessment, auction, trades: trades, continuous: sinceClose)
    var begun = BegunClose(meter: metered, trades: trades)
    if let offer = auction.offer {
      closed.stored = try await ledger.suspend(
        offer, overflows: closed.unsold, interval: interval)
      try send(bid: offer.bid, of: interval)
      open = closed
      try await compareMirrors(of: touched + (offer.energy + offer.headroom).map(\.account))
    } else {
      if let grid = input.bidder { try send(bid: CouplingBid(grid: grid).encoded, of: interval) }
      begun.final = try await finish(closed, metered)
      try await compareMirrors(of: touched)
    }
    return begun
  }

  private mutating func send(
    bid: [UInt8], of interval: Interval
  ) throws(InvariantViolation) {
    do throws(Rejection) {
      try lane?.bid(round: interval, steps: bid, hold: UInt64(bitPattern: interval.index))
    } catch {
      throw InvariantViolation("the lane does not take the bid of \(interval.index): \(error)")
    }
  }

  /// (6), at once.
  private mutating func finish(
    _ closed: OpenInterval, _ metered: MeterClose
  ) async throws(InvariantViolation) -> IntervalClose {
    let utility = try await fee.settle(
      closed.assessment, unfilled: closed.unfilled, unsold: closed.unsold)
    let sheet = try await ledger.settle(utility, close: metered)
    let clean = closed.cleanStored(
      without: utility.overflows.map { AccountEnergy($0.account, $0.energy) })
    var rewards: [TokenShare] = []
    if lane == nil {
      rewards = try await fee.reward(clean: clean)
      try await ledger.reward(rewards, interval: closed.interval)
    } else {
      try await fee.countClean(clean)
    }
    let totals = await ledger.totals()
    return IntervalClose(
      closed: closed, sheet: sheet, rewards: rewards, held: totals.held, arrears: totals.arrears)
  }

  /// The book's view of WATT must be the ledger's, for every account that was touched.
  func compareMirrors(of touched: [AccountIndex]) async throws(InvariantViolation) {
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
