import Domain

extension Coupling {
  /// Whether `outcome` is the one of its problem, found out without solving it (rules 8.4). Throws
  /// the first reason why not; no input makes it trap or take long.
  ///
  /// Balance, capacities, and agreement of steps and lines with the prices prove that the outcome
  /// is optimal. Shortest paths show that each price is its midpoint. Then, from the last choice of
  /// the tie rule to the first, none must have been left to improve: a cycle of free arcs, of which
  /// the first in the order gets better, is an improvement, and every improvement is made of such
  /// cycles.
  package static func verify(
    _ outcome: CouplingOutcome, of problem: CouplingProblem
  ) throws(CouplingRefusal) {
    guard outcome.round == problem.round, outcome.shares.count == problem.bids.count,
      outcome.flows.count == problem.lines.count
    else { throw .otherRound }
    try verifyQuantities(outcome, problem)
    let ranges = problem.priceRanges
    let prices = try verifyRanges(outcome, ranges)
    for (bid, share) in zip(problem.bids, outcome.shares) { try bid.check(share) }
    try verifyLines(outcome, problem, prices)
    let dispatch = Dispatch(outcome)
    let intervals = PriceIntervals(problem, dispatch, agreeingWith: prices, within: ranges)
    guard intervals.midpoints == prices else { throw .notMidpoint }
    try verifyTies(dispatch, problem, prices)
  }

  /// All sums stay far within 64 bits: each term was held to a limit before it is added.
  private static func verifyQuantities(
    _ outcome: CouplingOutcome, _ problem: CouplingProblem
  ) throws(CouplingRefusal) {
    for (bid, share) in zip(problem.bids, outcome.shares) {
      guard (0...bid.buys.wattHours).contains(share.bought),
        (0...bid.sells.wattHours).contains(share.sold)
      else { throw .notOffered }
    }
    for (line, flow) in zip(problem.lines, outcome.flows) {
      guard (-line.back...line.forth).contains(flow) else { throw .aboveCapacity }
    }
    guard Dispatch(outcome).imbalances(in: problem).allSatisfy({ $0 == 0 }) else {
      throw .unbalanced
    }
  }

  /// The prices by place, zero where there is none.
  private static func verifyRanges(
    _ outcome: CouplingOutcome, _ ranges: [ClosedRange<Int64>?]
  ) throws(CouplingRefusal) -> [Int64] {
    var prices: [Int64] = []
    for (share, range) in zip(outcome.shares, ranges) {
      guard (share.price == nil) == (range == nil) else { throw .priceMisplaced }
      if let price = share.price?.raw, let range, !range.contains(price) { throw .priceOutOfRange }
      prices.append(share.price?.raw ?? 0)
    }
    return prices
  }

  private static func verifyLines(
    _ outcome: CouplingOutcome, _ problem: CouplingProblem, _ prices: [Int64]
  ) throws(CouplingRefusal) {
    for (index, ends) in problem.ends.enumerated() {
      let line = problem.lines[index]
      let difference = prices[ends.to] - prices[ends.from]
      if line.flows(at: difference).contains(outcome.flows[index]) { continue }
      throw difference.magnitude > line.fee.raw.magnitude ? .lineNotFull : .flowAgainstPrices
    }
  }

  private static func verifyTies(
    _ dispatch: Dispatch, _ problem: CouplingProblem, _ prices: [Int64]
  ) throws(CouplingRefusal) {
    var later = Reachability(nodes: problem.bids.count + 1)
    for arc in FreeArc.all(of: problem, dispatch, agreeingWith: prices).reversed() {
      let wish = dispatch.wish(for: arc.quantity)
      if wish > 0, arc.along > 0, later.leads(from: arc.head, to: arc.tail) { throw .tieBroken }
      if wish < 0, arc.against > 0, later.leads(from: arc.tail, to: arc.head) { throw .tieBroken }
      if arc.along > 0 { later.insert(from: arc.tail, to: arc.head) }
      if arc.against > 0 { later.insert(from: arc.head, to: arc.tail) }
    }
  }
}
