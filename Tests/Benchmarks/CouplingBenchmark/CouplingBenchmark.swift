import Domain
import Glibc
import Market
import TestSupport

/// Time to clear, to verify and to settle a round, on one core: `[instances]`.
///
/// The networks are random but for their seeds: a tree, and further lines up to three a grid. Each
/// grid has its own level of prices, 64 buys below it and 64 sells above, as after its own auction.
/// The other rows are made to be hard.
@main
struct CouplingBenchmark {
  static func main() {
    let wanted = CommandLine.arguments.dropFirst().first.map { Int($0) ?? 0 } ?? 15
    guard (1...1000).contains(wanted) else {
      print("usage: CouplingBenchmark [1...1000 instances]")
      exit(2)
    }
    do { try run(wanted) } catch {
      print("failed: \(error)")
      exit(1)
    }
  }

  private static func run(_ wanted: Int) throws {
    print("median of \(wanted) rounds, thread CPU time; slowest in brackets")
    for grids in [4, 10, 30, 100] {
      try measure("\(grids) grids, \(grids * 3) lines", wanted) { seed in
        var random = SplitMix64(seed: seed)
        return try network(grids, &random)
      }
    }
    for kind in HardRound.allCases {
      try measure(kind.rawValue, wanted) { seed in
        var random = SplitMix64(seed: seed)
        return try kind.problem(&random)
      }
    }
  }

  private static func measure(
    _ name: String, _ count: Int, _ make: (UInt64) throws -> CouplingProblem
  ) throws {
    var (clearing, verifying, settling): ([Double], [Double], [Double]) = ([], [], [])
    var (full, used, size) = (0, 0, 0)
    for seed in 1...count {
      let problem = try make(UInt64(seed))
      let start = milliseconds()
      let outcome = try Coupling.clear(problem)
      let cleared = milliseconds()
      try Coupling.verify(outcome, of: problem)
      let verified = milliseconds()
      let settlement = try CouplingSettlement(outcome, of: problem)
      let settled = milliseconds()
      try outcome.checkInvariants(problem, settlement)
      clearing.append(cleared - start)
      verifying.append(verified - cleared)
      settling.append(settled - verified)
      for (line, flow) in zip(problem.lines, outcome.flows) where flow != 0 {
        used += 1
        if flow == line.forth || flow == -line.back { full += 1 }
      }
      size = max(size, outcome.encoded.count)
    }
    let figures = [("clear", clearing), ("verify", verifying), ("settle", settling)].map {
      let sorted = $1.sorted()
      return "\($0) \(rounded(sorted[count / 2])) ms [\(rounded(sorted[count - 1]))]"
    }
    let padding = String(repeating: " ", count: max(1, 32 - name.count))
    let lines = "lines used \(used / count), full \(full / count); outcome \(size) bytes"
    print(name + padding + (figures + [lines]).joined(separator: ", "))
  }

  private static func network(_ grids: Int, _ random: inout SplitMix64) throws -> CouplingProblem {
    let bids = (0..<grids).map { place in
      let level = random.int(140_000...260_000)
      return CouplingBid(
        grid: gridID(place), buys: ladder(level, -1, &random), sells: ladder(level, 1, &random))
    }
    let lines = (0..<3 * grids).map { index in
      let from = index < grids - 1 ? index + 1 : random.below(grids)
      let to =
        index < grids - 1 ? random.below(index + 1) : (from + 1 + random.below(grids - 1)) % grids
      let capacity = random.int(1000...60_000)
      return CouplingLine(
        id: UInt64(index), from: gridID(from), to: gridID(to), forth: capacity, back: capacity,
        fee: Price(random.int(0...10_000)))
    }
    return try CouplingProblem(round: Interval(1), bids: bids, lines: lines)
  }

  /// 64 steps away from a level, about 5 kWh each.
  private static func ladder(
    _ level: Int64, _ direction: Int64, _ random: inout SplitMix64
  ) -> [PriceStep] {
    var price = level
    return (0..<CouplingLimits.steps).map { _ in
      price += direction * random.int(1...2000)
      return PriceStep(price: price, wattHours: random.int(1...10_000))
    }
  }

  /// Processor time of this thread: what other work on the machine takes away does not count.
  private static func milliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }

  private static func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}

func gridID(_ place: Int) -> ChainID { ChainID(Bytes32(UInt64(place), 0, 0, 0)) }

/// Rounds at the limits, of kinds that some algorithm for such flows finds hard.
enum HardRound: String, CaseIterable {
  /// Energy must travel from one end to the other, and each line has another fee.
  case chain = "chain of 128"
  /// Every quantity is a tie.
  case ties = "one price, no fees, 1024 lines"
  /// Capacities and quantities are powers of two and limits far apart, as in the networks of Zadeh
  /// (Mathematical Programming 5, 1973), which make shortest augmenting paths take exponentially
  /// long.
  case powers = "powers of two, 1024 lines"
  /// Any number anywhere.
  case noise = "noise, 1024 lines"

  func problem(_ random: inout SplitMix64) throws -> CouplingProblem {
    let count = CouplingLimits.grids
    let bids = (0..<count).map { bid($0, of: count, &random) }
    let lines = (0..<(self == .chain ? count - 1 : CouplingLimits.lines)).map {
      line($0, of: count, &random)
    }
    return try CouplingProblem(round: Interval(1), bids: bids, lines: lines)
  }

  private func bid(_ place: Int, of count: Int, _ random: inout SplitMix64) -> CouplingBid {
    switch self {
    case .chain:
      let buys = place < count / 2 ? steps(5_000_000_000, -999, 7) : []
      return CouplingBid(
        grid: gridID(place), buys: buys, sells: place < count / 2 ? [] : steps(0, 999, 7))
    case .ties:
      let steps = (0..<2).map { _ in PriceStep(price: 200_000, wattHours: random.int(1...1000)) }
      return CouplingBid(grid: gridID(place), buys: [steps[0]], sells: [steps[1]])
    case .powers:
      let steps = (0..<24).map {
        PriceStep(price: Int64($0) * 300_000_000 + Int64(place), wattHours: 1 << Int64($0))
      }
      return CouplingBid(
        grid: gridID(place), buys: place % 2 == 0 ? steps.reversed() : [],
        sells: place % 2 == 0 ? [] : steps)
    case .noise:
      let prices = Set((0..<128).map { _ in random.int(0...Limits.price) }).sorted()
      let steps = prices.map {
        PriceStep(price: $0, wattHours: random.int(1...CouplingLimits.sideWattHours / 64))
      }
      let buys = Array(steps.shuffled(using: &random).prefix(64))
      let sells = Array(steps.shuffled(using: &random).prefix(64))
      return CouplingBid(
        grid: gridID(place), buys: buys.sorted { $0.price > $1.price },
        sells: sells.sorted { $0.price < $1.price })
    }
  }

  private func steps(_ first: Int64, _ distance: Int64, _ wattHours: Int64) -> [PriceStep] {
    (0..<64).map { PriceStep(price: first + $0 * distance, wattHours: wattHours) }
  }

  private func line(_ index: Int, of count: Int, _ random: inout SplitMix64) -> CouplingLine {
    let from = self == .chain ? index : random.below(count)
    let to = self == .chain ? index + 1 : (from + 1 + random.below(count - 1)) % count
    let (capacity, fee): (Int64, Int64) =
      switch self {
      case .chain: (random.int(1...20_000), random.int(0...20_000_000))
      case .ties: (random.int(0...500), 0)
      case .powers: (1 << random.int(0...30), 1 << random.int(0...33))
      case .noise: (random.int(0...CouplingLimits.sideWattHours), random.int(0...1_000_000_000))
      }
    return CouplingLine(
      id: UInt64(index), from: gridID(from), to: gridID(to), forth: capacity, back: capacity,
      fee: Price(fee))
  }
}
