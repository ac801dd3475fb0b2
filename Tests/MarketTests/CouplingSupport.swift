import Domain
import Market
import TestSupport

/// Grids are called by their place: 0, 1, 2, …
func gridID(_ place: Int) -> ChainID { ChainID(Bytes32(UInt64(place), 0, 0, 0)) }

/// Steps as (µ¤ per kWh, Wh).
func couplingBid(
  _ place: Int, buys: [(Int64, Int64)] = [], sells: [(Int64, Int64)] = []
) -> CouplingBid {
  CouplingBid(
    grid: gridID(place), buys: buys.map { PriceStep(price: $0.0, wattHours: $0.1) },
    sells: sells.map { PriceStep(price: $0.0, wattHours: $0.1) })
}

/// The same capacity both ways unless told.
func couplingLine(
  _ id: UInt64, _ from: Int, _ to: Int, _ forth: Int64, back: Int64? = nil, fee: Int64 = 0
) -> CouplingLine {
  CouplingLine(
    id: id, from: gridID(from), to: gridID(to), forth: forth, back: back ?? forth, fee: Price(fee))
}

extension CouplingProblem {
  init(
    _ bids: [CouplingBid], _ lines: [CouplingLine] = [], round: Int64 = 0
  ) throws {
    try self.init(round: Interval(round), bids: bids, lines: lines)
  }
}

extension CouplingOutcome {
  /// µ¤ per kWh.
  var prices: [Int64?] { shares.map { $0.price?.raw } }
  var bought: [Int64] { shares.map(\.bought) }
  var sold: [Int64] { shares.map(\.sold) }
}

/// Clears a round, and asks everything that must hold of every outcome.
func clearAndCheck(_ problem: CouplingProblem) throws -> CouplingOutcome {
  let outcome = try Coupling.clear(problem)
  try Coupling.verify(outcome, of: problem)
  try outcome.checkInvariants(problem, CouplingSettlement(outcome, of: problem))
  return outcome
}

/// The ranges that a random problem is drawn from.
struct CouplingShape: Sendable {
  var grids: ClosedRange<Int64>
  /// On each side of a grid.
  var steps: ClosedRange<Int64>
  var prices: ClosedRange<Int64>
  var quantities: ClosedRange<Int64>
  var lines: ClosedRange<Int64>
  var capacities: ClosedRange<Int64>
  var fees: ClosedRange<Int64>

  /// So small that all outcomes can be looked at, and full of ties.
  static let tiny = CouplingShape(
    grids: 1...3, steps: 0...2, prices: 0...5, quantities: 1...2, lines: 0...3, capacities: 0...2,
    fees: 0...2)
  static let small = CouplingShape(
    grids: 1...8, steps: 0...8, prices: 90...110, quantities: 1...20, lines: 0...16,
    capacities: 0...40, fees: 0...4)
  static let large = CouplingShape(
    grids: 20...60, steps: 0...64, prices: 100_000...300_000, quantities: 1...5000,
    lines: 40...160, capacities: 0...80_000, fees: 0...20_000)
}

extension SplitMix64 {
  /// In no order of grids or lines.
  mutating func couplingParts(_ shape: CouplingShape) -> ([CouplingBid], [CouplingLine]) {
    let grids = Int(int(shape.grids))
    var bids: [CouplingBid] = []
    for place in 0..<grids {
      let buys = Array(couplingSteps(shape).reversed())
      bids.append(
        CouplingBid(grid: gridID(place), buys: buys, sells: couplingSteps(shape)))
    }
    var lines: [CouplingLine] = []
    guard grids > 1 else { return (bids, lines) }
    for id in 0..<UInt64(int(shape.lines)) {
      let from = below(grids)
      let to = (from + 1 + below(grids - 1)) % grids
      lines.append(
        couplingLine(
          id, from, to, int(shape.capacities), back: int(shape.capacities), fee: int(shape.fees)))
    }
    return (bids.shuffled(using: &self), lines.shuffled(using: &self))
  }

  /// Ascending.
  private mutating func couplingSteps(_ shape: CouplingShape) -> [PriceStep] {
    var prices: Set<Int64> = []
    for _ in 0..<int(shape.steps) { prices.insert(int(shape.prices)) }
    return prices.sorted().map { PriceStep(price: $0, wattHours: int(shape.quantities)) }
  }

  mutating func couplingProblem(_ shape: CouplingShape) throws -> CouplingProblem {
    let (bids, lines) = couplingParts(shape)
    return try CouplingProblem(bids, lines, round: int(0...100))
  }
}
