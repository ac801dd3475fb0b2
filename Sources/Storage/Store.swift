import Domain
import Foundation
import GRDB
import Synchronization

/// How a store is opened.
package struct StoreOptions: Sendable {
  /// Connections for reading, each with its own snapshot while it reads.
  package var readers = 4
  /// Pages in the write-ahead log after which a commit moves them into the database.
  package var checkpointPages = 4000
  /// Whether the log gets its room when the store is opened (17 MB), for faster commits.
  package var reservesLog = false
  /// Bytes beyond which the database file may not grow; nil for as much as the disk has.
  package var maximumBytes: Int64?

  package init() {}
}

/// What the connection that writes is set to; read back from SQLite.
package struct StoreSettings: Hashable, Sendable {
  package var journalMode: String
  /// 2 is FULL: every commit is synced before it returns.
  package var synchronous: Int64
  package var memoryMapped: Int64
  package var pageSize: Int64

  package init(journalMode: String, synchronous: Int64, memoryMapped: Int64, pageSize: Int64) {
    self.journalMode = journalMode
    self.synchronous = synchronous
    self.memoryMapped = memoryMapped
    self.pageSize = pageSize
  }
}

/// Where a node keeps its chain: blocks, the consensus journal, snapshots, receipts, trades,
/// history and interval totals, in one SQLite database.
///
/// One connection writes, a few read beside it (write-ahead log, so that neither waits). Every
/// method blocks its thread until SQLite is done, and throws `StorageFailure` only.
package final class Store: Sendable {
  package let path: String
  package let chain: ChainID
  /// Whether an installation of a snapshot had broken off: what had come of it was dropped, and the
  /// store is as if it had never begun.
  package let startedOver: Bool
  let pool: DatabasePool
  /// What the next commit builds on; its lock is held for a whole commit.
  let writer: Mutex<Writer>
  /// What is committed, for readers.
  let published: Mutex<Tails>
  private let lock: Mutex<FileLock?>

  struct Writer: Sendable {
    var tails: Tails
    /// The failure after which nothing more is written.
    var failure: StorageFailure?
  }

  /// Opens the store of `chain` in the file at `path`, or creates it; the folder exists.
  ///
  /// Throws `open`, `wrongChain`, `io` or `corrupt`; of what was committed nothing is lost, of
  /// what was not, nothing remains.
  package init(path: String, chain: ChainID, options: StoreOptions = StoreOptions())
    throws(StorageFailure)
  {
    let lock = try FileLock(path: path + ".lock")
    do {
      let pool = try DatabasePool(path: path, configuration: Self.configuration(options))
      let (tails, startedOver) = try pool.writeWithoutTransaction { db in
        try Self.makeDurable(db, options, path: path)
        try Schema.prepare(db, chain: chain, path: path)
        let startedOver = try Self.dropUnfinished(db)
        return (try Tails(from: db), startedOver)
      }
      if options.reservesLog {
        LogSpace.reserve(LogSpace.bytes(pages: options.checkpointPages), path: path + "-wal")
      }
      self.pool = pool
      self.startedOver = startedOver
      self.writer = Mutex(Writer(tails: tails))
      self.published = Mutex(tails)
    } catch {
      throw StorageFailure(error, while: "opening", path: path)
    }
    self.path = path
    self.chain = chain
    self.lock = Mutex(lock)
  }

  deinit { try? pool.close() }

  /// Moves the log into the database and lets go of the file. Everything after it throws.
  package func close() throws(StorageFailure) {
    do { try pool.close() } catch { throw StorageFailure(error, while: "closing", path: path) }
    lock.withLock { $0 = nil }
  }

  // MARK: Connections

  private static func configuration(_ options: StoreOptions) -> Configuration {
    var configuration = Configuration()
    configuration.label = "intertie.store"
    configuration.maximumReaderCount = options.readers
    configuration.persistentReadOnlyConnections = true
    configuration.foreignKeysEnabled = false
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA mmap_size = 0")
      if db.configuration.readonly {
        // Only the writer moves the log: SQLite before 3.51.3 can damage a log that two
        // connections reset at once.
        try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
      } else {
        // Takes effect only while the file is new; the records are cut for this size.
        try db.execute(sql: "PRAGMA page_size = 4096")
      }
    }
    return configuration
  }

  /// GRDB sets a pool to `synchronous = NORMAL` when it opens it, under which the newest commits
  /// may be lost with the power. An acknowledgement has to outlive that: FULL, and checked.
  private static func makeDurable(_ db: Database, _ options: StoreOptions, path: String) throws {
    try db.execute(sql: "PRAGMA synchronous = FULL")
    try db.execute(sql: "PRAGMA wal_autocheckpoint = \(options.checkpointPages)")
    try db.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
    try db.execute(sql: "PRAGMA cache_size = -16384")
    if let maximum = options.maximumBytes {
      try db.execute(sql: "PRAGMA max_page_count = \(max(maximum / 4096, 1))")
    }
    let settings = try settings(of: db)
    guard settings.journalMode == "wal", settings.synchronous == 2, settings.memoryMapped == 0
    else {
      throw StorageFailure.open("\(path): SQLite refuses to make commits durable: \(settings)")
    }
  }

  private static func settings(of db: Database) throws -> StoreSettings {
    StoreSettings(
      journalMode: try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "",
      synchronous: try db.integer("PRAGMA synchronous") ?? -1,
      // Without a row SQLite was built without memory mapping.
      memoryMapped: try db.integer("PRAGMA mmap_size") ?? 0,
      pageSize: try db.integer("PRAGMA page_size") ?? 0)
  }

  /// The settings of the connection that writes.
  package func settings() throws(StorageFailure) -> StoreSettings {
    do {
      return try pool.writeWithoutTransaction { try Self.settings(of: $0) }
    } catch {
      throw StorageFailure(error, while: "reading settings", path: path)
    }
  }

  // MARK: Access

  /// Reads one snapshot of the database, beside the writer.
  func read<T>(_ purpose: String, _ body: (Database) throws -> T) throws(StorageFailure) -> T {
    do {
      return try pool.read(body)
    } catch {
      throw StorageFailure(error, while: purpose, path: path)
    }
  }

  /// Runs one transaction; when it throws, nothing of it stays, on the disk or in `tails`. Returns
  /// how long its COMMIT took.
  @discardableResult
  func write(_ purpose: String, _ body: (Database, inout Tails) throws -> Void)
    throws(StorageFailure) -> Duration
  {
    try writer.withLock { (writer) throws(StorageFailure) in
      if let failure = writer.failure { throw failure }
      do {
        var prepared = ContinuousClock.now
        try pool.write { db in
          try body(db, &writer.tails)
          prepared = .now
        }
        let time = ContinuousClock.now - prepared
        published.withLock { $0.follow(&writer.tails) }
        return time
      } catch {
        published.withLock { writer.tails.restore(from: $0) }
        let failure = StorageFailure(error, while: purpose, path: path)
        if failure.isFinal { writer.failure = failure }
        throw failure
      }
    }
  }
}
