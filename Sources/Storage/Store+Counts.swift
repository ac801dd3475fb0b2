import Domain
import Foundation
import GRDB

extension Store {
  /// How much the store holds.
  package func counts() throws(StorageFailure) -> StoreCounts {
    try read("counting") { db in
      let tails = published.withLock { $0 }
      let pages = try db.integer("PRAGMA page_count") ?? 0
      let pageSize = try db.integer("PRAGMA page_size") ?? 0
      // The file is absent after a log was moved into the database.
      let log = try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int64
      return StoreCounts(
        height: tails.height, prunedBelow: tails.prunedBelow, entries: tails.entries,
        readings: tails.readings, trades: tails.trade, historyLines: tails.line,
        corrections: tails.correction,
        intervals: try db.integer("SELECT count(*) FROM intervals") ?? 0,
        snapshots: try db.integer("SELECT count(*) FROM snapshots") ?? 0,
        chunks: try db.integer("SELECT count(*) FROM chunks") ?? 0,
        databaseBytes: pages * pageSize, logBytes: log ?? 0)
    }
  }
}
