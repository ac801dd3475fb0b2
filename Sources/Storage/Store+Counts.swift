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
      var counts = StoreCounts(
        height: tails.height, prunedBelow: tails.prunedBelow, totals: tails.totals,
        corrections: tails.correction,
        intervals: try db.integer("SELECT count(*) FROM intervals") ?? 0)
      counts.snapshots = try db.integer("SELECT count(*) FROM snapshots") ?? 0
      counts.chunks = try db.integer("SELECT count(*) FROM chunks") ?? 0
      counts.evidence = try db.integer("SELECT count(*) FROM evidence") ?? 0
      counts.databaseBytes = pages * pageSize
      counts.logBytes = log ?? 0
      return counts
    }
  }
}
