import Domain
import GRDB

extension Store {
  /// Blocks that one transaction prunes, so that a commit never waits long behind it.
  private static let pruningStep: UInt64 = 64

  /// Deletes what lies below `height`: bodies, trades, history, and receipts unless they are
  /// kept. Never above the newest snapshot, which needs the blocks after it.
  ///
  /// Headers, finalizations, interval totals and meter figures stay: what is left is provable.
  /// Returns the height below which everything is pruned now; an interrupted run can be repeated.
  @discardableResult
  package func prune(below height: UInt64, keepingReceipts: Bool = true) throws(StorageFailure)
    -> UInt64
  {
    let tables = keepingReceipts ? ["bodies"] : ["bodies", "receipts"]
    let (snapshot, oldest) = try read("pruning") { db in
      let snapshot = try db.integer("SELECT max(height) FROM snapshots") ?? 0
      let oldest = try tables.compactMap { try db.integer("SELECT min(height) FROM \($0)") }.min()
      return (UInt64(clamping: snapshot), UInt64(clamping: oldest ?? .max))
    }
    let goal = min(height, snapshot)
    guard goal > 1 else { return published.withLock { $0.prunedBelow } }
    var floor = oldest
    repeat {
      floor = min(goal, floor + Self.pruningStep)
      try write("pruning") { db, tails in try Self.prune(tables, below: floor, in: db, &tails) }
    } while floor < goal
    return published.withLock { $0.prunedBelow }
  }

  private static func prune(
    _ tables: [String], below height: UInt64, in db: Database, _ tails: inout Tails
  ) throws {
    let ends = try db.row(
      "SELECT last_trade, last_line FROM blocks WHERE height = ?", [(height - 1).column])
    guard let ends else { throw StorageFailure.corrupt("no block \(height - 1)") }
    for table in tables {
      try db.run("DELETE FROM \(table) WHERE height < ?", [height.column])
    }
    try Schema.trades.remove(through: try ends.integer(0), from: db)
    try Schema.history.remove(through: try ends.integer(1), from: db)
    tails.prunedBelow = max(tails.prunedBelow, height)
    try db.run("UPDATE chain SET pruned_below = ?", [tails.prunedBelow.column])
  }
}
