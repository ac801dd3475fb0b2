import Domain

/// What is accepted and what flows, by place, without prices.
struct Dispatch: Sendable {
  var sold: [Int64]
  var bought: [Int64]
  /// Wh from the line's `from` to its `to`, or below zero.
  var flows: [Int64]

  init(_ outcome: CouplingOutcome) {
    sold = outcome.shares.map(\.sold)
    bought = outcome.shares.map(\.bought)
    flows = outcome.flows
  }

  /// An optimal dispatch, found by one flow: what the prices decide is fixed, and what they leave
  /// free balances it. With `settlesTies` it is the one that `Coupling` chooses among those.
  ///
  /// Throws if there is none, so that the prices are not optimal.
  init(_ problem: CouplingProblem, agreeingWith prices: [Int64], settlesTies: Bool)
    throws(InvariantViolation)
  {
    self.init(decidedBy: prices, problem)
    let arcs = FreeArc.all(of: problem, self, agreeingWith: prices)
    let outside = problem.bids.count
    var network = FlowNetwork(nodes: outside + 1, arcs: arcs.map { ($0.tail, $0.head) })
    for (index, arc) in arcs.enumerated() {
      network.room[2 * index] = arc.along
      network.room[2 * index + 1] = arc.against
    }
    for (place, left) in imbalances(in: problem).enumerated() {
      network.excess[place] = left
      network.excess[outside] -= left
    }
    network.route()
    guard network.excess.allSatisfy({ $0 == 0 }) else {
      throw InvariantViolation("no flow between the grids agrees with the prices of their coupling")
    }
    for (index, arc) in arcs.enumerated() {
      add(arc.along - network.room[2 * index], to: arc.quantity)
      if settlesTies { settle(arc, index, &network) }
    }
  }

  /// The least that agrees with the prices, quantity by quantity; it need not balance.
  private init(decidedBy prices: [Int64], _ problem: CouplingProblem) {
    sold = problem.bids.indices.map { problem.bids[$0].supply(at: prices[$0]).lowerBound }
    bought = problem.bids.indices.map { problem.bids[$0].demand(at: prices[$0]).lowerBound }
    flows = zip(problem.lines, problem.ends).map { line, ends in
      let flows = line.flows(at: prices[ends.to] - prices[ends.from])
      return min(max(0, flows.lowerBound), flows.upperBound)
    }
  }

  /// Moves one quantity as far as it should and can, while those before it stay.
  private mutating func settle(_ arc: FreeArc, _ index: Int, _ network: inout FlowNetwork) {
    let wish = wish(for: arc.quantity)
    let more = min(max(wish, 0), network.room[2 * index])
    let less = min(max(-wish, 0), network.room[2 * index + 1])
    network.room[2 * index] = 0
    network.room[2 * index + 1] = 0
    // What is to pass the arc must find another way back, and may take that of those behind it.
    if more > 0 { add(network.send(more, from: arc.head, to: arc.tail), to: arc.quantity) }
    if less > 0 { add(-network.send(less, from: arc.tail, to: arc.head), to: arc.quantity) }
  }

  /// How far the tie rule would move a quantity, if it could.
  func wish(for quantity: FreeArc.Quantity) -> Int64 {
    switch quantity {
    case .sold, .bought: .max
    case .flow(let line): -flows[line]
    }
  }

  private mutating func add(_ wattHours: Int64, to quantity: FreeArc.Quantity) {
    switch quantity {
    case .sold(let place): sold[place] += wattHours
    case .bought(let place): bought[place] += wattHours
    case .flow(let line): flows[line] += wattHours
    }
  }

  /// By place: Wh sold, less Wh bought, less Wh that the lines carry off.
  func imbalances(in problem: CouplingProblem) -> [Int64] {
    var left = zip(sold, bought).map { $0 - $1 }
    for (flow, ends) in zip(flows, problem.ends) {
      left[ends.from] -= flow
      left[ends.to] += flow
    }
    return left
  }
}

/// A quantity that prices leave free within a range, as an arc between two grids or a grid and
/// the outside, whose node comes behind those of the grids.
struct FreeArc: Sendable {
  enum Quantity: Sendable {
    case sold(Int)
    case bought(Int)
    case flow(Int)
  }

  let quantity: Quantity
  let tail: Int
  let head: Int
  /// How much more it may be, and how much less, Wh.
  let along: Int64
  let against: Int64

  /// All of them, in the order in which ties are settled: sells, buys, lines, each in the turn of
  /// the round. `dispatch` agrees with the prices.
  static func all(
    of problem: CouplingProblem, _ dispatch: Dispatch, agreeingWith prices: [Int64]
  ) -> [FreeArc] {
    let outside = problem.bids.count
    let turn = problem.turn(of: outside)
    var arcs: [FreeArc] = []
    func add(
      _ quantity: Quantity, _ tail: Int, _ head: Int, _ now: Int64, _ range: ClosedRange<Int64>
    ) {
      guard range.lowerBound < range.upperBound else { return }
      arcs.append(
        FreeArc(
          quantity: quantity, tail: tail, head: head, along: range.upperBound - now,
          against: now - range.lowerBound))
    }
    for place in turn {
      let supply = problem.bids[place].supply(at: prices[place])
      add(.sold(place), outside, place, dispatch.sold[place], supply)
    }
    for place in turn {
      let demand = problem.bids[place].demand(at: prices[place])
      add(.bought(place), place, outside, dispatch.bought[place], demand)
    }
    for index in problem.turn(of: problem.lines.count) {
      let ends = problem.ends[index]
      let flows = problem.lines[index].flows(at: prices[ends.to] - prices[ends.from])
      add(.flow(index), ends.from, ends.to, dispatch.flows[index], flows)
    }
    return arcs
  }
}
