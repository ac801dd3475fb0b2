import Domain
import GRDB

/// The totals of one interval, final.
package struct IntervalRecord: Hashable, Sendable {
  package var interval: Interval
  /// The block in which it became final: that of its close, or the one with the result of its
  /// coupling round.
  package var height: UInt64
  /// Both sides of the balance of energy, mWh.
  package var balance = EnergyBalanceSheet()
  /// WATT held by all accounts when it became final.
  package var held: Energy = .zero
  package var retail: Price = .zero
  package var feedIn: Price = .zero
  package var referencePrice: Price = .zero
  /// Price of the call auction; nil without a trade in it.
  package var clearingPrice: Price?
  package var isUtilityAvailable = true
  /// Trades of the interval, auction included: their number, energy, and what buyers paid.
  package var trades: Int64 = 0
  package var tradedWattHours: Int64 = 0
  package var tradedValue: Money = .zero
  /// In µ¤·Wh/kWh, as the book counts them.
  package var tradedSurplus: Int128 = 0
  package var optimalSurplus: Int128 = 0
  /// Storage commission collected, ECT minted, and arrears that stand after the close.
  package var commission: StorageTokens = .zero
  package var reward: RewardTokens = .zero
  package var arrears: Money = .zero
  /// Meters that got an estimate; late readings and corrections settled in this close.
  package var estimated: Int = 0
  package var late: Int = 0
  /// The grid's price in the interval's coupling round; nil without a part in one.
  package var couplingPrice: Price?
  /// Wh that the grid's members bought and sold in it, and the money that the grid got, below zero
  /// paid, for the difference.
  package var couplingBought: Int64 = 0
  package var couplingSold: Int64 = 0
  package var couplingMoney: Money = .zero

  package init(interval: Interval, height: UInt64) {
    self.interval = interval
    self.height = height
  }
}

extension IntervalRecord {
  static let columns = [
    "interval", "height", "generation", "utility_import", "tie_import", "unserved", "consumption",
    "utility_export", "tie_export", "curtailed", "stored", "held", "retail", "feed_in",
    "reference_price", "clearing_price", "utility_available", "trades", "traded_watt_hours",
    "traded_value", "traded_surplus_high", "traded_surplus_low", "optimal_surplus_high",
    "optimal_surplus_low", "commission", "reward", "arrears", "estimated", "late",
    "coupling_price", "coupling_bought", "coupling_sold", "coupling_money",
  ]

  /// In the order of `columns`.
  var arguments: StatementArguments {
    let first: [Int64?] = [
      interval.index, height.column, balance.generation.raw,
      balance.utilityImport.raw, balance.tieImport.raw, balance.unserved.raw,
      balance.consumption.raw, balance.utilityExport.raw, balance.tieExport.raw,
      balance.curtailed.raw, balance.stored.raw, held.raw, retail.raw, feedIn.raw,
      referencePrice.raw, clearingPrice?.raw,
    ]
    let second: [Int64?] = [
      isUtilityAvailable ? 1 : 0, trades, tradedWattHours, tradedValue.raw,
      Int64(tradedSurplus >> 64), Int64(truncatingIfNeeded: tradedSurplus),
      Int64(optimalSurplus >> 64), Int64(truncatingIfNeeded: optimalSurplus), commission.raw,
      reward.raw, arrears.raw, Int64(estimated), Int64(late), couplingPrice?.raw,
      couplingBought, couplingSold, couplingMoney.raw,
    ]
    return StatementArguments(first + second)
  }

  /// From a row of `columns`.
  init(row: Row) throws {
    self.init(interval: Interval(try row.integer(0)), height: try row.height(1))
    balance.generation = Energy(try row.integer(2))
    balance.utilityImport = Energy(try row.integer(3))
    balance.tieImport = Energy(try row.integer(4))
    balance.unserved = Energy(try row.integer(5))
    balance.consumption = Energy(try row.integer(6))
    balance.utilityExport = Energy(try row.integer(7))
    balance.tieExport = Energy(try row.integer(8))
    balance.curtailed = Energy(try row.integer(9))
    balance.stored = Energy(try row.integer(10))
    held = Energy(try row.integer(11))
    retail = Price(try row.integer(12))
    feedIn = Price(try row.integer(13))
    referencePrice = Price(try row.integer(14))
    clearingPrice = try row.decode(Int64?.self, atIndex: 15).map { Price($0) }
    isUtilityAvailable = try row.integer(16) != 0
    trades = try row.integer(17)
    tradedWattHours = try row.integer(18)
    tradedValue = Money(try row.integer(19))
    tradedSurplus = Self.join(try row.integer(20), try row.integer(21))
    optimalSurplus = Self.join(try row.integer(22), try row.integer(23))
    commission = StorageTokens(try row.integer(24))
    reward = RewardTokens(try row.integer(25))
    arrears = Money(try row.integer(26))
    estimated = Int(try row.integer(27))
    late = Int(try row.integer(28))
    couplingPrice = try row.decode(Int64?.self, atIndex: 29).map { Price($0) }
    couplingBought = try row.integer(30)
    couplingSold = try row.integer(31)
    couplingMoney = Money(try row.integer(32))
  }

  private static func join(_ high: Int64, _ low: Int64) -> Int128 {
    Int128(high) << 64 | Int128(UInt64(bitPattern: low))
  }
}
