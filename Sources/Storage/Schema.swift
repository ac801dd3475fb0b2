import Domain
import GRDB

/// The tables. Every one is keyed by a number that only grows, so that all writing appends; the
/// only indexes besides are those of the snapshots' chunks by digest, which are few, of evidence by
/// the vote that it is against, which is rare, and of packets by their lane and block, of which an
/// interval has a handful for each grid.
enum Schema {
  /// "tie1", in the header of the file.
  static let applicationID: Int64 = 0x7469_6531
  static let version: Int64 = 5

  static let trades = RecordLog(table: "trades", recordSize: TradeRecord.size)
  static let history = RecordLog(table: "history", recordSize: LinkedLine.size)
  static let corrections = RecordLog(table: "corrections", recordSize: Correction.size)

  /// Wide rows come last in their tables, so that a scan of the others does not read them.
  private static let tables = """
    CREATE TABLE chain (
      id INTEGER PRIMARY KEY CHECK (id = 1), chain BLOB NOT NULL,
      pruned_below INTEGER NOT NULL,
      -- The numbers through which the tables of heads are complete.
      head_lines INTEGER NOT NULL, head_corrections INTEGER NOT NULL,
      -- 1 while headers of a snapshot come in, and the snapshot is not there yet.
      installing INTEGER NOT NULL,
      -- The lowest height from which on the packets of all blocks are here.
      packets_from INTEGER NOT NULL) STRICT;
    CREATE TABLE journal (
      id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, view INTEGER NOT NULL,
      kind INTEGER NOT NULL, digest BLOB NOT NULL, record BLOB NOT NULL) STRICT;
    CREATE TABLE blocks (
      height INTEGER PRIMARY KEY, hash BLOB NOT NULL, time INTEGER NOT NULL,
      state_root BLOB NOT NULL, receipts_root BLOB NOT NULL, entries INTEGER NOT NULL,
      body_size INTEGER NOT NULL,
      -- Totals up to and with this block: the newest number in each log.
      total_entries INTEGER NOT NULL, total_readings INTEGER NOT NULL,
      last_trade INTEGER NOT NULL, last_line INTEGER NOT NULL, last_correction INTEGER NOT NULL,
      outbox_root BLOB NOT NULL,
      header BLOB NOT NULL, finalization BLOB NOT NULL) STRICT;
    CREATE TABLE packets (
      id INTEGER PRIMARY KEY, height INTEGER NOT NULL, destination BLOB NOT NULL,
      sequence INTEGER NOT NULL, packet BLOB NOT NULL, UNIQUE (destination, sequence)) STRICT;
    CREATE INDEX packets_by_height ON packets (height);
    CREATE TABLE rounds (
      round INTEGER PRIMARY KEY, height INTEGER NOT NULL, record BLOB NOT NULL) STRICT;
    CREATE TABLE bodies (height INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
    CREATE TABLE receipts (height INTEGER PRIMARY KEY, receipts BLOB NOT NULL) STRICT;
    -- The block that began an interval's close; its totals may become final later.
    CREATE TABLE closes (interval INTEGER PRIMARY KEY, height INTEGER NOT NULL) STRICT;
    CREATE TABLE figures (part INTEGER PRIMARY KEY, figures BLOB NOT NULL) STRICT;
    CREATE TABLE account_heads (part INTEGER PRIMARY KEY, ids BLOB NOT NULL) STRICT;
    CREATE TABLE meter_heads (part INTEGER PRIMARY KEY, ids BLOB NOT NULL) STRICT;
    CREATE TABLE snapshots (
      height INTEGER PRIMARY KEY, state_root BLOB NOT NULL, accounts_root BLOB NOT NULL,
      digest BLOB NOT NULL, manifest BLOB NOT NULL) STRICT;
    CREATE TABLE chunks (
      id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE evidence (
      id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, signer INTEGER NOT NULL,
      view INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (epoch, signer, view)) STRICT;
    """

  private static var intervals: String {
    let columns = IntervalRecord.columns.dropFirst().map { name in
      name == "clearing_price" || name == "coupling_price"
        ? "\(name) INTEGER" : "\(name) INTEGER NOT NULL"
    }
    return """
      CREATE TABLE intervals (interval INTEGER PRIMARY KEY, \(columns.joined(separator: ", ")))
        STRICT;
      """
  }

  /// Makes the tables of a new store, or checks that the file is a store of `chain`.
  static func prepare(_ db: Database, chain: ChainID, path: String) throws {
    let tables = try db.integer("SELECT count(*) FROM sqlite_master") ?? 0
    guard tables > 0 else { return try create(db, chain: chain) }
    guard try db.integer("PRAGMA application_id") == applicationID else {
      throw StorageFailure.open("\(path) is a database of another program")
    }
    let found = try db.integer("PRAGMA user_version") ?? 0
    guard found == version else {
      throw StorageFailure.open(
        "\(path) has layout \(found), this program knows layout \(version); use the program that "
          + "wrote it: the two compute state roots by different rules")
    }
    guard let row = try db.row("SELECT chain FROM chain") else {
      throw StorageFailure.corrupt("\(path) does not say which chain it keeps")
    }
    let stored = try row.digest(0)
    guard stored == chain else { throw StorageFailure.wrongChain(expected: chain, found: stored) }
  }

  private static func create(_ db: Database, chain: ChainID) throws {
    try db.inTransaction(.immediate) {
      try db.execute(sql: tables)
      try db.execute(sql: intervals)
      for log in [trades, history, corrections] { try db.execute(sql: log.definition) }
      try db.run("INSERT INTO chain VALUES (1, ?, 0, 0, 0, 0, 1)", [chain.column])
      try db.execute(sql: "PRAGMA application_id = \(applicationID)")
      try db.execute(sql: "PRAGMA user_version = \(version)")
      return .commit
    }
  }
}
