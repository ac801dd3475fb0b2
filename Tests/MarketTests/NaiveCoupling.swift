import Domain
import Market

/// All that a tiny round can come to, by trying everything.
struct NaiveCoupling {
  struct Candidate: Equatable {
    var sold: [Int64]
    var bought: [Int64]
    var flows: [Int64]
  }

  let problem: CouplingProblem
  private let places: [ChainID: Int]

  init(_ problem: CouplingProblem) {
    self.problem = problem
    places = Dictionary(
      uniqueKeysWithValues: problem.bids.enumerated().map { ($1.grid, $0) })
  }

  /// Everything that balances within the capacities.
  var candidates: [Candidate] {
    var found: [Candidate] = []
    for flows in product(problem.lines.map { -$0.back...$0.forth }) {
      var exported = problem.bids.map { _ in Int64(0) }
      for (line, flow) in zip(problem.lines, flows) {
        exported[places[line.from]!] += flow
        exported[places[line.to]!] -= flow
      }
      let sells = problem.bids.map { 0...total($0.sells) }
      for sold in product(sells) {
        let bought = zip(sold, exported).map { $0 - $1 }
        let fits = zip(bought, problem.bids).allSatisfy { (0...total($1.buys)).contains($0) }
        if fits { found.append(Candidate(sold: sold, bought: bought, flows: flows)) }
      }
    }
    return found
  }

  func surplus(_ candidate: Candidate) -> Int64 {
    var surplus: Int64 = 0
    for (place, bid) in problem.bids.enumerated() {
      surplus += value(bid.buys, candidate.bought[place])
      surplus -= value(bid.sells, candidate.sold[place])
    }
    for (line, flow) in zip(problem.lines, candidate.flows) { surplus -= line.fee.raw * abs(flow) }
    return surplus
  }

  /// What the tie rule compares, larger is better at the first difference.
  func rank(_ candidate: Candidate) -> [Int64] {
    turn(candidate.sold) + turn(candidate.bought) + turn(candidate.flows.map { -abs($0) })
  }

  private func turn(_ values: [Int64]) -> [Int64] {
    guard !values.isEmpty else { return [] }
    return values.indices.map { values[($0 + Int(problem.round.index)) % values.count] }
  }

  /// The prices that make the dual objective smallest, among all whole ones between the lowest and
  /// the highest limit of all bids.
  var optimalPrices: [[Int64]] {
    let limits = problem.bids.flatMap { ($0.buys + $0.sells).map(\.price) }
    guard let lowest = limits.min(), let highest = limits.max() else { return [] }
    let all = product(problem.bids.map { _ in lowest...highest })
    let objectives = all.map(dual)
    let best = objectives.min()
    return zip(all, objectives).filter { $1 == best }.map(\.0)
  }

  private func dual(_ prices: [Int64]) -> Int64 {
    var objective: Int64 = 0
    for (bid, price) in zip(problem.bids, prices) {
      for step in bid.buys { objective += step.wattHours * max(0, step.price - price) }
      for step in bid.sells { objective += step.wattHours * max(0, price - step.price) }
    }
    for line in problem.lines {
      let difference = prices[places[line.to]!] - prices[places[line.from]!]
      objective += line.forth * max(0, difference - line.fee.raw)
      objective += line.back * max(0, -difference - line.fee.raw)
    }
    return objective
  }

  private func total(_ steps: [PriceStep]) -> Int64 { steps.reduce(0) { $0 + $1.wattHours } }

  /// Of the first `wattHours`, unit by unit.
  private func value(_ steps: [PriceStep], _ wattHours: Int64) -> Int64 {
    let units = steps.flatMap { Array(repeating: $0.price, count: Int($0.wattHours)) }
    return units.prefix(Int(wattHours)).reduce(0, +)
  }

  private func product(_ ranges: [ClosedRange<Int64>]) -> [[Int64]] {
    ranges.reduce([[]]) { lists, range in lists.flatMap { list in range.map { list + [$0] } } }
  }
}
