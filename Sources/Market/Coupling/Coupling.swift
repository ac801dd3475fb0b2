import Domain

/// Market coupling (rules 8): one round clears all grids at once, so that the surplus of the
/// accepted steps minus the wheeling fees is as large as the interconnectors allow.
///
/// **Flow.** The grids and one node outside are the nodes of a network. A sell leads from the
/// outside to its grid and costs its limit, a buy leads from its grid to the outside and earns its
/// limit, a line leads both ways and costs its fee. What is wanted is the cheapest circulation, in
/// whole Wh.
///
/// **Prices.** By linear programming's duality, prices π with 0 outside prove that a circulation is
/// the cheapest if they agree with it: no arc with room left leads to a grid that is dearer by more
/// than the arc costs, π(head) ≤ π(tail) + cost; and the flow on an arc is room on the way back, at
/// minus the cost. All optimal circulations have the same set P of such prices. It is closed under
/// componentwise minimum and maximum, since each of its conditions bounds one difference (it is
/// L♮-convex: Murota, *Discrete Convex Analysis*, SIAM 2003).
///
/// *The range.* Moving every price into the range R of the limits that are bid for in its part of
/// the network keeps it in P. For P is where the dual objective, Σ buys q·max(0, limit − π) + Σ
/// sells q·max(0, π − limit) + Σ lines capacity·max(0, difference − fee), is smallest; no bid's
/// limit lies outside of R, so its terms do not grow, and no difference along an open line does.
/// Within R each grid has a lowest and a highest optimal price. So a grid in which nothing can
/// trade has a price wherever some bid can be reached: it lies between the best bid and the best
/// ask that it could meet, and with bids on one side only it is the best of them. Where no bid can
/// be reached there is no price.
///
/// *The midpoint.* The vector lo of all lowest prices is in P, and the vector hi of all highest. So
/// is m with m(v) = ⌊(lo(v) + hi(v)) ÷ 2⌋: of a condition π(v) − π(u) ≤ c, with c whole, both
/// vectors give lo(v) + hi(v) ≤ lo(u) + hi(u) + 2c; half of it, rounded down, is m(v) ≤ m(u) + c.
/// So the published prices, each the midpoint of its grid's range and rounded down, agree with the
/// flows and with each other exactly. (Murota calls it discrete midpoint convexity.)
///
/// **Ties.** Among optimal circulations one is chosen. Grids and lines take turns to come first:
/// from round to round the list of grids, and that of lines, begins one place later. In this order
/// 1. each grid's accepted sells are as many as possible, given those of the grids before it;
/// 2. then each grid's accepted buys;
/// 3. then each line's flow is as small as possible, whichever way.
///
/// So the traded volume is the largest that an optimum can have, as in the rule by which the
/// European market coupling resolves indeterminate volumes (NEMO Committee, *EUPHEMIA Public
/// Description*). For two optima differ by cycles of arcs that prices leave free; one that adds to
/// the volume leaves the outside by a sell that is accepted and returns by a buy. It passes the
/// outside once, so it takes back no sell, and the sell is the first of its arcs in the order
/// above. With such a cycle the sells would not be as many as possible.
///
/// **Verification.** A problem has exactly one outcome that `verify` accepts: prices and flows that
/// agree are optimal, the midpoints are determined, and so is the choice among ties. It solves
/// nothing; whoever proposes an outcome can choose nothing.
package enum Coupling {}

extension Coupling {
  /// The outcome of a round. Its time is bounded by a polynomial of grids and lines, times the
  /// bits of a price: no choice of quantities or limits makes it long.
  ///
  /// Throws if the prices that it finds turn out not to be optimal, which would be a fault of this
  /// program.
  package static func clear(_ problem: CouplingProblem) throws(InvariantViolation)
    -> CouplingOutcome
  {
    let ranges = problem.priceRanges
    var prices = PriceDescent.prices(of: problem)
    for (place, range) in ranges.enumerated() {
      prices[place] = range.map { min(max(prices[place], $0.lowerBound), $0.upperBound) } ?? 0
    }
    let some = try Dispatch(problem, agreeingWith: prices, settlesTies: false)
    let intervals = PriceIntervals(problem, some, agreeingWith: prices, within: ranges)
    let midpoints = intervals.midpoints
    let dispatch = try Dispatch(problem, agreeingWith: midpoints, settlesTies: true)
    let shares = problem.bids.indices.map { place in
      CouplingShare(
        price: ranges[place] == nil ? nil : Price(midpoints[place]),
        bought: dispatch.bought[place], sold: dispatch.sold[place])
    }
    return CouplingOutcome(round: problem.round, shares: shares, flows: dispatch.flows)
  }
}
