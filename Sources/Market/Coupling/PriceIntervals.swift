import Domain

/// From which price to which each grid has optimal ones.
///
/// Prices are optimal if they agree with one optimal dispatch, and that is a list of bounds on
/// differences. So the highest price of a grid lies as far above any optimal one as the shortest
/// path that leads to it, along arcs that still have room and whose length is what prices still
/// leave open there; the lowest as far below as the shortest path that leads from it. With optimal
/// prices to begin with no length is negative (Johnson, *Journal of the ACM* 24, 1977), so this is
/// Dijkstra's algorithm, in its form for dense graphs: time grows with the square of the grids.
struct PriceIntervals: Sendable {
  /// By place, µ¤ per kWh; equal to the given price where there is no range.
  private(set) var lowest: [Int64]
  private(set) var highest: [Int64]

  /// `dispatch` and `prices` agree, and the prices lie within the ranges.
  init(
    _ problem: CouplingProblem, _ dispatch: Dispatch, agreeingWith prices: [Int64],
    within ranges: [ClosedRange<Int64>?]
  ) {
    lowest = prices
    highest = prices
    for (place, range) in ranges.enumerated() {
      guard let range else { continue }
      let buys = problem.bids[place].buys.margins(dispatch.bought[place])
      let sells = problem.bids[place].sells.margins(dispatch.sold[place])
      let floors = [sells.accepted, buys.left].compactMap { $0 }
      let ceilings = [buys.accepted, sells.left].compactMap { $0 }
      lowest[place] = floors.reduce(range.lowerBound, max)
      highest[place] = ceilings.reduce(range.upperBound, min)
    }
    let slack = Slack(problem, dispatch, prices)
    let up = slack.distances(zip(highest, prices).map { $0 - $1 }, isReversed: false)
    let down = slack.distances(zip(prices, lowest).map { $0 - $1 }, isReversed: true)
    highest = zip(prices, up).map { $0 + $1 }
    lowest = zip(prices, down).map { $0 - $1 }
  }

  /// The middle of each range, rounded down.
  var midpoints: [Int64] {
    zip(lowest, highest).map { lowest, highest in lowest + (highest - lowest) / 2 }
  }

  /// For each two grids how far the price of the second may still rise above that of the first
  /// before a line between them would contradict.
  private struct Slack {
    private let count: Int
    private var lengths: [Int64]

    /// More than any distance, and far from the end of the range.
    private static let unbounded = Int64.max / 4

    init(_ problem: CouplingProblem, _ dispatch: Dispatch, _ prices: [Int64]) {
      count = problem.bids.count
      lengths = [Int64](repeating: Self.unbounded, count: count * count)
      for (index, ends) in problem.ends.enumerated() {
        let (line, flow) = (problem.lines[index], dispatch.flows[index])
        let difference = prices[ends.to] - prices[ends.from]
        let fee = line.fee.raw
        // Against a flow, one more unit saves the fee.
        if flow < line.forth { limit(ends.from, ends.to, (flow < 0 ? -fee : fee) - difference) }
        if -flow < line.back { limit(ends.to, ends.from, (flow > 0 ? -fee : fee) + difference) }
      }
    }

    private mutating func limit(_ tail: Int, _ head: Int, _ length: Int64) {
      lengths[tail * count + head] = min(lengths[tail * count + head], length)
    }

    /// The shortest ways to each grid, or with `isReversed` from it, where entering at a grid
    /// costs `entries`.
    func distances(_ entries: [Int64], isReversed: Bool) -> [Int64] {
      var distances = entries
      var isDone = [Bool](repeating: false, count: count)
      let (rowStride, columnStride) = isReversed ? (1, count) : (count, 1)
      for _ in 0..<count {
        var nearest = -1
        for place in 0..<count where !isDone[place] {
          if nearest < 0 || distances[place] < distances[nearest] { nearest = place }
        }
        isDone[nearest] = true
        let row = nearest * rowStride
        for place in 0..<count where !isDone[place] {
          let distance = distances[nearest] + lengths[row + place * columnStride]
          if distance < distances[place] { distances[place] = distance }
        }
      }
      return distances
    }
  }
}
