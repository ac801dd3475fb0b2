import Domain
import Node
import Wire

/// What the days came to for four communities, by themselves and coupled. Energies in mWh, money in
/// µ¤, prices in µ¤ per kWh, tokens in millionths.
struct UnionReport: Encodable, Sendable {
  struct Grid: Encodable, Sendable {
    var name: String
    var alone: DemoReport
    var coupled: DemoReport
    /// What it got for what it sent, less what it paid for what it got.
    var money: Int64 = 0
    /// Its price in each round in which it had one, by the round's place in the days.
    var prices: [Int: Int64] = [:]
    /// What it bought and sold in rounds, Wh, and that at the rounds' prices, µ¤ × Wh per kWh.
    var traded: Int64 = 0
    var value: Int64 = 0
    /// Intervals that were in a round.
    var coupledIntervals = 0

    /// Mean price of what it bought and sold in rounds; nil: nothing.
    var meanPrice: Int64? { traded > 0 ? value / traded : nil }
  }

  struct Act: Encodable, Sendable {
    var time: String
    var act: String
    var outcome: String
  }

  /// Bills of all homes three ways, with what is left in storage taken off, and what coupling saved
  /// everybody: homes, market makers, and the lines' owner. Nobody else is there but the utilities.
  struct Totals: Encodable, Sendable {
    var utility: Int64 = 0
    var community: Int64 = 0
    var coupled: Int64 = 0
    /// What the homes save: community less coupled.
    var homes: Int64 = 0
    /// What market makers earned more, and what the lines' owner got.
    var makers: Int64 = 0
    var lines: Int64 = 0
    var saved: Int64 = 0
    /// What the utilities got less by their own accounts, and what more is left in storage.
    var utilitiesLess: Int64 = 0
    var storedMore: Int64 = 0
    /// Energy that left grids for others, mWh.
    var sent: Int64 = 0
  }

  var days: Int
  var intervals: Int
  /// Wall-clock seconds for everything, and for an interval of both passes.
  var seconds: Double
  var paceAlone: Double
  var paceCoupled: Double
  var rate: Int64
  var grids: [Grid] = []
  var lines: [LineUse] = []
  var rounds = 0
  /// Rounds that had all grids.
  var completeRounds = 0
  /// Surplus of the rounds less wheeling, and what their roundings left.
  var surplus: Int64 = 0
  var fund: Int64 = 0
  var acts: [Act] = []
  var network: NetworkReport
  var totals = Totals()
  /// What is wrong; empty when all is well.
  var faults: [String] = []

  /// Intervals of all grids together, and those of them that were coupled.
  var gridIntervals: Int { intervals * grids.count }
  var coupledIntervals: Int { grids.reduce(0) { $0 + $1.coupledIntervals } }

  mutating func addUp() {
    for grid in grids {
      totals.utility += grid.alone.bills.reduce(0) { $0 + $1.alone }
      totals.community += grid.alone.bills.reduce(0) { $0 + $1.net }
      totals.coupled += grid.coupled.bills.reduce(0) { $0 + $1.net }
      totals.makers += grid.coupled.makerNet - grid.alone.makerNet
      totals.sent += grid.coupled.energy.tieExport
    }
    totals.lines = lines.reduce(0) { $0 + $1.wheeling + $1.rent }
    totals.homes = totals.community - totals.coupled
    totals.saved = totals.homes + totals.makers + totals.lines
    totals.utilitiesLess = outside.utilitiesLess
    totals.storedMore = outside.storedMore
  }

  /// The same from the other side.
  var outside: SavingCheck {
    SavingCheck(
      alone: grids.map(\.alone.payments), coupled: grids.map(\.coupled.payments), fund: fund)
  }
}

extension DemoReport {
  /// With what is left in storage, at feed-in as everywhere.
  var makerNet: Int64 {
    market.makerMoney
      + Int64(Int128(market.makerStored) * Int128(market.storedPrice) / 1_000_000)
  }

  /// Of the homes together.
  var together: HomeBill { bills.reduce(HomeBill(home: "together")) { $0.plus($1) } }
}

extension HomeBill {
  /// Mean of what it bought from anybody, and of what it sold; nil: nothing.
  var buysAt: Int64? { Self.mean(paid, bought + boughtFromUtility) }
  var sellsAt: Int64? { Self.mean(earned, sold + soldToUtility) }

  private static func mean(_ money: Int64, _ energy: Int64) -> Int64? {
    energy > 0 ? Int64(Int128(money) * 1_000_000 / Int128(energy)) : nil
  }
}
