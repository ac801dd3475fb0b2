import Domain
import Foundation
import GRPCCore
import Wire

/// What the node told of the days when they were over.
struct DemoFindings: Sendable {
  /// Totals of the days' intervals, ascending; with the next one, if readings of the last came
  /// after its close.
  var intervals: [Intertie_V1_IntervalTotals] = []
  /// Every trade up to the close of the last one.
  var trades: [Intertie_V1_Trade] = []
  /// Lines of the accounts' histories up to that close.
  var histories: [PublicKey: [Intertie_V1_HistoryEntry]] = [:]
  /// B_max, mWh.
  var maximumHeld: Int64 = 0
  /// What homes owe the utility, µ¤.
  var arrears: Int64 = 0

  func lines(of account: PublicKey) -> [Intertie_V1_HistoryEntry] { histories[account] ?? [] }
}

extension DemoSession {
  /// Asks for all totals, trades and histories, page by page.
  func findings() async throws -> DemoFindings {
    var findings = DemoFindings()
    findings.intervals = try await intervals()
    guard let last = findings.intervals.last else {
      throw CommandFailure("the node has no totals of the days")
    }
    findings.trades = try await trades(through: last.height)
    let keys = plan.keys
    let accounts = keys.homes.map(\.account) + [keys.community, keys.cooperative, keys.utility]
    for account in accounts.map(\.publicKey) {
      findings.histories[account] = try await history(of: account, through: last)
    }
    for home in keys.homes {
      let account = try await connection.account(home.account.publicKey)
      findings.maximumHeld = account.maximumHeldMwh
      findings.arrears += account.arrears
    }
    return findings
  }

  private func intervals() async throws -> [Intertie_V1_IntervalTotals] {
    var totals: [Intertie_V1_IntervalTotals] = []
    var next = plan.first.index
    let last = plan.settling.index
    while next > 0 {
      let from = next
      let page = try await connection.market.intervals(
        .with {
          $0.fromInterval = from
          $0.toInterval = last
        }, options: NodeConnection.options)
      totals += page.intervals
      next = page.nextInterval
    }
    let isSettled = totals.last { $0.interval == plan.last.index }?.estimated == 0
    return isSettled ? totals.filter { $0.interval <= plan.last.index } : totals
  }

  private func trades(through height: UInt64) async throws -> [Intertie_V1_Trade] {
    var trades: [Intertie_V1_Trade] = []
    var next: UInt64 = 1
    while next > 0 {
      let from = next
      let page = try await connection.market.trades(
        .with { $0.from = from }, options: NodeConnection.options)
      trades += page.trades.prefix { $0.height <= height }
      next = (page.trades.last?.height ?? .max) <= height ? page.next : 0
    }
    return trades
  }

  private func history(
    of account: PublicKey, through end: Intertie_V1_IntervalTotals
  ) async throws -> [Intertie_V1_HistoryEntry] {
    var lines: [Intertie_V1_HistoryEntry] = []
    var cursor: UInt64 = 0
    repeat {
      let from = cursor
      let page = try await connection.ledger.history(
        .with {
          $0.account = account.data
          $0.cursor = from
        }, options: NodeConnection.options)
      lines += page.lines.filter { $0.height <= end.height && isPosted($0, by: end.interval) }
      cursor = page.nextCursor
    } while cursor > 0
    return lines
  }

  /// A block may close several intervals: lines that name one must not name a later one.
  private func isPosted(_ line: Intertie_V1_HistoryEntry, by last: Int64) -> Bool {
    switch line.kind.domain {
    case .metered, .commission, .commissionShare, .utilityPurchase, .utilitySale, .unserved,
      .curtailed, .rewarded:
      line.reference <= UInt64(last)
    default: true
    }
  }
}
