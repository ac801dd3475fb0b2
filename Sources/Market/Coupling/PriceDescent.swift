import Domain

/// Finds optimal prices: those at which the dual objective of `Coupling` is smallest.
///
/// The objective is L♮-convex. So prices are optimal as soon as neither raising nor lowering all
/// prices of any set of grids by one lowers it, and the best set to move is a minimum cut, found by
/// one flow (Murota, *Discrete Convex Analysis*, SIAM 2003, chapter 10). It is the auction that one
/// would hold by hand: at these prices some grids want more than can reach them, so their prices
/// rise.
///
/// Limits are read one more bit at a time. The optimal prices for limits without their last bit,
/// doubled, are optimal for the whole limits but for errors of one on each arc, so some optimum is
/// no further from them than the network has nodes (Röck, *Scaling techniques for minimal cost
/// network flows*, in *Discrete Structures and Algorithms*, Hanser 1980). The moves for one bit are
/// no more than that distance, up and then down (Murota and Shioura, *Operations Research Letters*
/// 42, 2014), and two or three in practice.
struct PriceDescent: Sendable {
  private let problem: CouplingProblem
  private let ladders: [Ladder]
  private var network: FlowNetwork
  /// In units of 2^shift µ¤ per kWh.
  private var prices: [Int64]
  private var shift: Int

  private enum Direction: Sendable {
    case up
    case down
  }

  /// Optimal prices by place, µ¤ per kWh; those of a grid that reaches no bid mean nothing.
  static func prices(of problem: CouplingProblem) -> [Int64] {
    var descent = PriceDescent(problem)
    return descent.run()
  }

  private init(_ problem: CouplingProblem) {
    self.problem = problem
    ladders = problem.bids.map(Ladder.init)
    network = FlowNetwork(
      nodes: problem.bids.count, arcs: problem.ends.map { ($0.from, $0.to) })
    prices = [Int64](repeating: 0, count: problem.bids.count)
    let highest = ladders.reduce(0) { max($0, $1.highest) }
    shift = Int64.bitWidth - highest.leadingZeroBitCount
  }

  private mutating func run() -> [Int64] {
    // Without their bits all limits are zero, and prices of zero are optimal.
    while shift > 0 {
      shift -= 1
      for place in prices.indices { prices[place] *= 2 }
      while descend(.up) || descend(.down) {}
    }
    return prices
  }

  /// Moves until no set of grids can move further in this direction; whether anything moved.
  private mutating func descend(_ direction: Direction) -> Bool {
    var moved = false
    while move(direction) { moved = true }
    return moved
  }

  /// Moves the prices of the best set of grids by one; false if there is none.
  private mutating func move(_ direction: Direction) -> Bool {
    supply(direction)
    network.route()
    switch direction {
    case .up:
      guard network.excess.contains(where: { $0 < 0 }) else { return false }
      for (place, isShort) in network.region(.fromDeficit).enumerated() where isShort {
        prices[place] += 1
      }
    case .down:
      guard network.excess.contains(where: { $0 > 0 }) else { return false }
      for (place, isLong) in network.region(.fromSurplus).enumerated() where isLong {
        prices[place] -= 1
      }
    }
    return true
  }

  /// What is over and what is missing in each grid at prices just above (`up`) or just below the
  /// present ones, once all lines between which prices decide are full; and the room of those that
  /// would open if one end moved.
  private mutating func supply(_ direction: Direction) {
    let step: Int64 = direction == .up ? 1 : 0
    for place in prices.indices {
      network.excess[place] = ladders[place].supply(below: (prices[place] + step) << shift)
    }
    for (index, ends) in problem.ends.enumerated() {
      let line = problem.lines[index]
      let fee = line.fee.raw >> shift
      let difference = prices[ends.to] - prices[ends.from]
      let certain = difference > fee ? line.forth : difference < -fee ? -line.back : 0
      network.excess[ends.from] -= certain
      network.excess[ends.to] += certain
      network.room[2 * index] = difference == fee ? line.forth : 0
      network.room[2 * index + 1] = difference == -fee ? line.back : 0
    }
  }

  /// What a grid sells less what it buys, as a function of its price.
  private struct Ladder: Sendable {
    /// All limits, ascending.
    private var limits: [Int64] = []
    /// One more than limits: Wh before each of them, behind them all.
    private var sums: [Int64]

    init(_ bid: CouplingBid) {
      // As the price passes a limit, a sell comes in or a buy drops out.
      let steps = (bid.buys + bid.sells).sorted { $0.price < $1.price }
      var sum = -bid.buys.wattHours
      sums = [sum]
      for step in steps {
        sum += step.wattHours
        limits.append(step.price)
        sums.append(sum)
      }
    }

    var highest: Int64 { limits.last ?? 0 }

    /// Wh sold less Wh bought when all sells with a limit below `price` are accepted and all buys
    /// with this limit or a higher one.
    func supply(below price: Int64) -> Int64 {
      var (low, high) = (0, limits.count)
      while low < high {
        let middle = (low + high) / 2
        if limits[middle] < price { low = middle + 1 } else { high = middle }
      }
      return sums[low]
    }
  }
}
