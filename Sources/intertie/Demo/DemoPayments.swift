import Domain
import Wire

/// The money of a pass over the days in one community, µ¤, by the accounts' histories; who had it
/// before and what came or went otherwise does not count.
package struct DemoPayments: Encodable, Sendable {
  /// What homes, the community's account and the cooperative paid, less what they got.
  package var members: Int64 = 0
  /// What the utility got, and what it paid, arrears included.
  package var utilityGot: Int64 = 0
  package var utilityPaid: Int64 = 0
  /// Payments to and of the utility, each of them rounded.
  package var purchases: Int64 = 0
  package var sales: Int64 = 0
  /// What the network fund got of trades: their roundings and fees.
  package var fund: Int64 = 0
  /// What other grids paid in rounds, less what they got.
  package var rounds: Int64 = 0
  /// The members' payments in rounds, each of them rounded.
  package var roundPayments: Int64 = 0
  /// Left in storage, mWh: by the closes, and by the accounts' histories.
  package var stored: Int64 = 0
  package var held: Int64 = 0
  /// What that is worth, µ¤ per kWh, and how many values of a part of it are rounded down.
  package var storedPrice: Int64 = 0
  package var holders: Int64 = 0

  package init() {}

  package var utility: Int64 { utilityGot - utilityPaid }

  /// What is left in storage, in millionths of µ¤.
  var storedValue: Int128 { Int128(stored) * Int128(storedPrice) }

  /// What of this was made of nothing. The energy that the closes say the utility sold and bought
  /// costs its tariff there and then, but for less than one µ¤ a payment: what is paid is rounded
  /// up, what is got down. What homes owe was not paid.
  package func faults(
    _ intervals: [Intertie_V1_IntervalTotals], arrears: Int64
  ) -> [String] {
    var faults: [String] = []
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
    // A round leaves less than one µ¤ a payment to the network fund.
    let rest = members - utility + rounds - fund
    require(
      (0...max(0, roundPayments - 1)).contains(rest),
      "\(rest) µ¤ are missing in what members, utility and other grids paid each other")
    require(held == stored, "the accounts hold \(held) mWh, the closes stored \(stored)")
    var (dear, cheap) = (Int128(0), Int128(0))
    for totals in intervals {
      dear += Int128(totals.utilityImportMwh) * Int128(totals.retailPrice)
      cheap += Int128(totals.utilityExportMwh) * Int128(totals.feedInPrice)
    }
    let above = Int128(utilityGot + arrears) * Self.million - dear
    let below = cheap - Int128(utilityPaid) * Self.million
    require(
      above >= 0 && above <= Int128(purchases) * (Self.million - 1),
      "the utility got \(utilityGot) µ¤, and by its tariff \(dear / Self.million)")
    require(
      below >= 0 && below <= Int128(sales) * (Self.million - 1),
      "the utility paid \(utilityPaid) µ¤, and by its tariff \(cheap / Self.million)")
    return faults
  }

  static let million: Int128 = 1_000_000
}

extension DemoReport {
  /// Bills and market are summed up already.
  func paid(_ plan: DemoPlan, _ findings: DemoFindings) -> DemoPayments {
    var payments = DemoPayments()
    let keys = plan.keys
    let members = keys.homes.map(\.account) + [keys.community, keys.cooperative]
    var all = HomeBill(home: "members")
    for member in members {
      let lines = findings.lines(of: member.publicKey)
      all.add(lines)
      for line in lines {
        switch line.kind.domain {
        case .bought, .sold: if line.counterparty.isEmpty { payments.roundPayments += 1 }
        case .utilityPurchase: payments.purchases += 1
        case .utilitySale: payments.sales += 1
        default: break
        }
      }
    }
    for line in findings.lines(of: keys.utility.publicKey) {
      switch line.kind.domain {
      case .utilityPurchase, .arrearsReceived: payments.utilityGot += line.money
      case .utilitySale, .arrearsPaid: payments.utilityPaid -= line.money
      default: break
      }
    }
    payments.members = all.here
    payments.held = all.stored
    payments.fund = findings.trades.reduce(0) { $0 + $1.networkGets }
    payments.rounds = findings.intervals.reduce(0) { $0 + $1.couplingMoney }
    payments.stored = energy.stored
    payments.storedPrice = market.storedPrice
    // The homes, and the community's account.
    payments.holders = Int64(bills.count) + 1
    return payments
  }
}

/// Holds what coupling saved against the only ones outside, the utilities, by their own accounts:
/// what homes, market makers and the lines' owner have more, and what is more in storage, is what
/// the utilities have less, but for roundings.
package struct SavingCheck: Sendable {
  private var alone: [DemoPayments]
  private var coupled: [DemoPayments]
  /// What the rounds left to the backbone's network fund, µ¤.
  private var fund: Int64

  package init(alone: [DemoPayments], coupled: [DemoPayments], fund: Int64) {
    self.alone = alone
    self.coupled = coupled
    self.fund = fund
  }

  /// µ¤.
  package var utilitiesLess: Int64 {
    alone.reduce(Int64(0)) { $0 + $1.utility } - coupled.reduce(Int64(0)) { $0 + $1.utility }
  }

  /// What more is left in storage, rounded towards zero, µ¤.
  package var storedMore: Int64 { Int64(stored / DemoPayments.million) }

  private var stored: Int128 {
    coupled.reduce(Int128(0)) { $0 + $1.storedValue }
      - alone.reduce(Int128(0)) { $0 + $1.storedValue }
  }

  /// Nil when `saved` is what it must be. What the funds got of trades and of the backbone's
  /// roundings is known exactly; what rounds left in a grid's fund is less than one µ¤ a payment,
  /// and the value of each part of what is stored less than one µ¤ too low.
  package func fault(saved: Int64) -> String? {
    let funds = coupled.reduce(fund) { $0 + $1.fund } - alone.reduce(Int64(0)) { $0 + $1.fund }
    let rest = Int128(saved - utilitiesLess + funds) * DemoPayments.million - stored
    let range = -Self.roundings(of: coupled)...Self.roundings(of: alone)
    guard !range.contains(rest) else { return nil }
    return "coupling saved \(saved) µ¤, but the utilities got \(utilitiesLess) less, and what is "
      + "stored is worth \(storedMore) more"
  }

  private static func roundings(of pass: [DemoPayments]) -> Int128 {
    let count = pass.reduce(Int64(0)) { $0 + $1.roundPayments + $1.holders }
    return Int128(count) * (DemoPayments.million - 1)
  }
}
