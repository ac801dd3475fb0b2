import Domain
import GRDB

extension Store {
  /// For every account index the number of its newest line; 0 where there is none, and beyond
  /// the end of the list.
  package func historyHeads() -> [Int64] { published.withLock { $0.accounts.ids } }

  /// A page of an account's history, newest first: the lines before line `before` of the same
  /// account, or the newest ones.
  ///
  /// At most `Limits.historyPage`. Empty at the end, at the pruned part, and when `before` is no
  /// line of this account.
  package func history(account: AccountIndex, before: Int64? = nil, limit: Int)
    throws(StorageFailure) -> [StoredHistoryLine]
  {
    let head = published.withLock { $0.accounts.id(of: account.int) }
    return try read("reading history") { db in
      var segment: RecordSegment?
      var next = head
      if let before {
        let line = try Self.line(before, &segment, in: db)
        guard let line, line.line.account == account else { return [] }
        next = line.previous
      }
      var page: [StoredHistoryLine] = []
      while page.count < min(limit, Limits.historyPage), next > 0,
        let line = try Self.line(next, &segment, in: db)
      {
        guard line.line.account == account, line.previous < next else {
          throw StorageFailure.corrupt("line \(next) of the history of account \(account.raw)")
        }
        page.append(line)
        next = line.previous
      }
      return page
    }
  }

  /// Line `id`, from `segment` if it is there; nil if it was pruned or never was.
  private static func line(_ id: Int64, _ segment: inout RecordSegment?, in db: Database) throws
    -> StoredHistoryLine?
  {
    if segment?.ids.contains(id) != true { segment = try Schema.history.segment(with: id, in: db) }
    guard let segment else { return nil }
    let linked = try LinkedLine(segment.bytes(of: id))
    return StoredHistoryLine(
      id: id, previous: linked.previous, height: segment.height, time: segment.time,
      line: linked.line)
  }

  /// Number of the newest trade; 0 before the first.
  package var latestTrade: Int64 { published.withLock { $0.trade } }

  /// Trades with numbers above `id`, ascending, at most `limit`; pruned ones are left out.
  package func trades(after id: Int64, limit: Int) throws(StorageFailure) -> [StoredTrade] {
    try read("reading trades") { db in
      var trades: [StoredTrade] = []
      guard limit > 0 else { return trades }
      try Schema.trades.scan(after: max(id, 0), in: db) { id, segment in
        trades.append(
          StoredTrade(
            id: id, height: segment.height, time: segment.time,
            priced: try TradeRecord.decode(segment.bytes(of: id))))
        return trades.count < limit
      }
      return trades
    }
  }
}
