import Domain
import GRDB

extension Store {
  private static let intervalColumns = IntervalRecord.columns.joined(separator: ", ")

  /// Totals of the final intervals `from...through`, ascending, at most `limit`. One that waits for
  /// the result of its coupling round is not among them yet, though later ones may be.
  package func intervals(from: Interval, through: Interval, limit: Int) throws(StorageFailure)
    -> [IntervalRecord]
  {
    try read("reading interval totals") { db in
      var records: [IntervalRecord] = []
      let rows = try db.rows(
        """
        SELECT \(Self.intervalColumns) FROM intervals WHERE interval BETWEEN ? AND ?
        ORDER BY interval LIMIT ?
        """, [from.index, through.index, max(limit, 0)])
      while let row = try rows.next() { records.append(try IntervalRecord(row: row)) }
      return records
    }
  }

  /// Totals of the newest of the final intervals; nil before the first.
  package func latestInterval() throws(StorageFailure) -> IntervalRecord? {
    try read("reading interval totals") { db in
      try db.row(
        "SELECT \(Self.intervalColumns) FROM intervals ORDER BY interval DESC LIMIT 1"
      ).map { try IntervalRecord(row: $0) }
    }
  }

  /// What is now known of one meter (`meter` is its number) in the `limit` intervals from `from`
  /// on, ascending: the figures of the closes, with the corrections since. Intervals whose close
  /// has not begun, or in which the meter had no figure, are left out.
  package func figures(meter: UInt32, from: Interval, limit: Int) throws(StorageFailure)
    -> [MeteredInterval]
  {
    let head = published.withLock { $0.meters.id(of: Int(meter)) }
    return try read("reading meter figures") { db in
      guard limit > 0 else { return [] }
      let (end, overflow) = from.index.addingReportingOverflow(Int64(limit) - 1)
      let last = overflow ? Int64.max : end
      var closes: [(interval: Interval, height: UInt64)] = []
      let rows = try db.rows(
        "SELECT interval, height FROM closes WHERE interval BETWEEN ? AND ? ORDER BY interval",
        [from.index, last])
      while let row = try rows.next() {
        closes.append((Interval(try row.integer(0)), try row.height(1)))
      }
      guard let first = closes.first else { return [] }
      let corrected = try Self.corrections(of: meter, head: head, since: first.height, in: db)
      return try closes.compactMap { close in
        try corrected[close.interval]
          ?? FigureSheet.load(meter: meter, close.interval, from: db)
      }
    }
  }

  /// The newest correction of each interval of a meter that blocks from `height` on made; earlier
  /// blocks can only correct earlier intervals.
  private static func corrections(
    of meter: UInt32, head: Int64, since height: UInt64, in db: Database
  ) throws -> [Interval: MeteredInterval] {
    var newest: [Interval: MeteredInterval] = [:]
    var next = head
    while next > 0, let segment = try Schema.corrections.segment(with: next, in: db),
      segment.height >= height
    {
      let correction = try Correction(segment.bytes(of: next))
      guard correction.figure.meter == meter, correction.previous < next else {
        throw StorageFailure.corrupt("correction \(next) of meter \(meter)")
      }
      if newest[correction.figure.interval] == nil {
        newest[correction.figure.interval] = correction.figure
      }
      next = correction.previous
    }
    return newest
  }
}
