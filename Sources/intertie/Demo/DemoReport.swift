import Domain
import Node
import Wire

/// What a community's days came to. Energies in mWh, money in µ¤, prices in µ¤ per kWh, tokens in
/// millionths.
struct DemoReport: Encodable, Sendable {
  struct Energy: Encodable, Sendable {
    /// Of the roofs, from the data.
    var generated: Int64 = 0
    /// By the homes, from the data.
    var consumed: Int64 = 0
    /// Generation that its own home used in the same hour, before any meter.
    var usedBehindMeter: Int64 = 0
    /// What meters saw, from the data, and as the chain counted it.
    var sentExported: Int64 = 0
    var sentImported: Int64 = 0
    var exported: Int64 = 0
    var imported: Int64 = 0
    var boughtFromUtility: Int64 = 0
    var soldToUtility: Int64 = 0
    var unserved: Int64 = 0
    var curtailed: Int64 = 0
    /// From and to other grids.
    var tieImport: Int64 = 0
    var tieExport: Int64 = 0
    /// In storage at the end; it began empty.
    var stored: Int64 = 0
    /// The most that was held after a close.
    var highestStored: Int64 = 0
    /// Closes after which more was held than the capacity.
    var closesAboveCapacity = 0
    /// Share of the consumption that did not come from the utility, 0...1.
    var selfSufficiency = 0.0
    /// Share of the generation that was used in the community, 0...1.
    var selfConsumption = 0.0
    var capacity: Int64 = 0
    var maximumHeld: Int64 = 0

    /// Imported, but not from the utility.
    var fromCommunity: Int64 { imported - boughtFromUtility - unserved }
    /// Consumption that the community met itself.
    var usedLocally: Int64 { usedBehindMeter + fromCommunity }
    /// Generation that the community used itself.
    var keptLocally: Int64 { generated - soldToUtility - tieExport - curtailed - stored }
  }

  struct Market: Encodable, Sendable {
    var traded: Int64 = 0
    var money: Int64 = 0
    var trades = 0
    var tradesBetweenHomes = 0
    var tradedBetweenHomes: Int64 = 0
    var auctionTrades = 0
    var meanPrice: Int64 = 0
    /// Of the utility, weighted with the same trades.
    var meanRetail: Int64 = 0
    var meanFeedIn: Int64 = 0
    /// By what the utility asks, ascending.
    var hours: [Hours] = []
    var feedIn: Int64 = 0
    var tradedSurplus: Int64 = 0
    var optimalSurplus: Int64 = 0
    /// What the community's account, which makes the market, earned, and holds in storage.
    var makerMoney: Int64 = 0
    var makerStored: Int64 = 0
    /// What is left in storage is worth this: the feed-in at the end.
    var storedPrice: Int64 = 0
  }

  /// The intervals in which the utility asks the same.
  struct Hours: Encodable, Sendable {
    var retail: Int64
    var intervals = 0
    var traded: Int64 = 0
    var money: Int64 = 0
    var meanPrice: Int64 { traded == 0 ? 0 : money * 1_000_000 / traded }
  }

  struct Tokens: Encodable, Sendable {
    var commission: Int64 = 0
    var toCooperative: Int64 = 0
    var toHomes: Int64 = 0
    var rewards: Int64 = 0
    var rewardsOfCooperative: Int64 = 0
    var rewardsOfHomes: Int64 = 0
  }

  struct Readings: Encodable, Sendable {
    var sent = 0
    var acknowledged = 0
    var applied = 0
    var refused: [String: Int] = [:]
    /// Came after their interval's close and were settled at the next one.
    var late = 0
    /// Filled in by the node for a meter that was silent at the close.
    var estimated = 0
    var medianDelayMicroseconds: Int64 = 0
    var longestDelayMicroseconds: Int64 = 0
  }

  struct HandEntry: Encodable, Sendable {
    var time: String
    var home: String
    var act: String
    var outcome: String
  }

  var community: String
  var from: String
  var to: String
  var rate: Int64
  /// Wall-clock seconds for the days.
  var seconds: Double
  var days: Int
  var intervals = 0
  var balancedIntervals = 0
  var energy = Energy()
  var market = Market()
  var bills: [HomeBill] = []
  /// What the homes and the community's account pay less than with the utility alone, and the part
  /// of it that neighbours would save in the same intervals if there were no storage.
  var saved: Int64 = 0
  var savedWithoutStorage: Int64 = 0
  var arrears: Int64 = 0
  /// Owns a third of the storage.
  var batteryHome = ""
  var tokens = Tokens()
  var readings = Readings()
  var settings = SettingTally()
  var payments = DemoPayments()
  var byHand: [HandEntry] = []
  var audit: AuditReport
  /// What is wrong; empty when all is well.
  var faults: [String] = []
}

/// One home's days.
struct HomeBill: Encodable, Sendable {
  var home: String
  var consumed: Int64 = 0
  var generated: Int64 = 0
  var exported: Int64 = 0
  var imported: Int64 = 0
  var bought: Int64 = 0
  var sold: Int64 = 0
  var boughtFromUtility: Int64 = 0
  var soldToUtility: Int64 = 0
  /// What the utility alone would have billed for the same readings.
  var alone: Int64 = 0
  /// Paid for what it bought, and got for what it sold, of and to anybody.
  var paid: Int64 = 0
  var earned: Int64 = 0
  /// What metering and trading cost it here; what was issued to it does not count.
  var here: Int64 = 0
  /// What it has left in storage, and that at feed-in.
  var stored: Int64 = 0
  var storedValue: Int64 = 0
  var commission: Int64 = 0
  /// Received as an owner of storage.
  var commissionShare: Int64 = 0
  var rewards: Int64 = 0

  /// The bill, with what is left in storage taken off.
  var net: Int64 { here - storedValue }

  /// Adds the lines of the home's history.
  mutating func add(_ lines: [Intertie_V1_HistoryEntry]) {
    for line in lines {
      stored += line.wattMwh
      switch line.kind.domain {
      case .bought:
        bought += line.wattMwh
        paid -= line.money
        here -= line.money
      case .sold:
        sold -= line.wattMwh
        earned += line.money
        here -= line.money
      case .utilityPurchase:
        boughtFromUtility += line.wattMwh
        paid -= line.money
        here -= line.money
      case .utilitySale:
        soldToUtility -= line.wattMwh
        earned += line.money
        here -= line.money
      case .arrearsPaid, .arrearsReceived: here -= line.money
      case .commission: commission -= line.tsl
      case .commissionShare: commissionShare += line.tsl
      case .rewarded: rewards += line.ect
      default: break
      }
    }
  }
}
