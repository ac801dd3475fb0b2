import Domain

/// What the results of coupling rounds came to in the block that executes them, until `execute`
/// hands it on. Empty between two blocks.
struct SettledRounds {
  var closes: [IntervalClose] = []
  /// Trades of orders that what came back has woken.
  var trades: [PricedTrade] = []
}

extension Pipeline {
  /// The result of the round in which the grid has bid: `fill` is what the bid got, nil when it had
  /// no part in the round, or nobody in reach had one. With it (6) of the interval follows, and the
  /// interval is final. Called with the execution of the packet that brings the result, and not
  /// between a block's `ledger.hold` and its `book.match`, which belong together.
  ///
  /// Throws when no such round is open, or when the bid cannot make up the quantities: the
  /// backbone's quorum has signed what was never offered.
  @discardableResult
  package mutating func settleRound(_ round: Interval, _ fill: RoundFill?)
    async throws(InvariantViolation) -> IntervalClose
  {
    guard let closed = open, closed.interval == round else {
      throw InvariantViolation("interval \(round.index) does not wait for a coupling round")
    }
    let result = try await book.settleRound(round, fill)
    let trades = try await fee.price(result.trades)
    let utility = try await fee.settle(
      closed.assessment, unfilled: rest(of: closed.unfilled, after: result.trades, .buy),
      unsold: rest(of: closed.unsold, after: result.trades, .sell))
    var settlement = RoundSettlement(interval: round, utility: utility)
    settlement.trades = trades
    settlement.releases = result.releases
    settlement.returned = result.returned
    settlement.money = fill?.money ?? .zero
    settlement.generation = closed.generation
    settlement.consumption = closed.consumption
    settlement.stored = closed.stored
    let sheet = try await ledger.settleRound(settlement)
    try await fee.countClean(
      closed.cleanStored(
        without: utility.overflows.map { AccountEnergy($0.account, $0.energy) }
          + result.trades.filter { $0.side == .sell }.map { AccountEnergy($0.account, $0.energy) }))
    let woken = try await settle(result.woken)
    open = nil
    try await compareMirrors(
      of: result.trades.map(\.account) + result.returned.map(\.account)
        + woken.flatMap { [$0.trade.buyer, $0.trade.seller] })
    let totals = await ledger.totals()
    let close = IntervalClose(
      closed: closed, sheet: sheet, rewards: [], held: totals.held, arrears: totals.arrears,
      fill: fill, roundTrades: trades)
    settled.closes.append(close)
    settled.trades += woken
    return close
  }

  /// Trades of what woke, as those of orders that arrive.
  private mutating func settle(
    _ woken: MatchOutcome
  ) async throws(InvariantViolation) -> [PricedTrade] {
    guard !woken.trades.isEmpty || !woken.releases.isEmpty else { return [] }
    let trades = try await fee.assess(woken.trades)
    try await ledger.settle(trades, releases: woken.releases)
    sinceClose.add(trades)
    return trades
  }

  /// What the round has not taken of what the call auction left; both ascending by account.
  private func rest(
    of lines: [AccountEnergy], after trades: [RoundTrade], _ side: Side
  ) -> [AccountEnergy] {
    var taken: [AccountIndex: Energy] = [:]
    for trade in trades where trade.isAutomatic && trade.side == side {
      taken[trade.account, default: .zero] += trade.energy
    }
    return lines.compactMap { line in
      let rest = line.energy - (taken[line.account] ?? .zero)
      return rest == .zero ? nil : AccountEnergy(line.account, rest)
    }
  }

  /// Hands on what this block's results came to.
  mutating func takeSettled() -> SettledRounds {
    defer { settled = SettledRounds() }
    return settled
  }

  /// An interval waits for a result only when the lane does. The lane may wait for that of an empty
  /// bid, whose interval is final.
  func checkOpen() throws(InvariantViolation) {
    guard open == nil || open?.interval == lane?.openBid?.round else {
      throw InvariantViolation("the open interval is not that of the lane's open bid")
    }
    guard open.map({ $0.interval < nextClose }) ?? true else {
      throw InvariantViolation("an interval waits for a round before it is closed")
    }
  }
}
