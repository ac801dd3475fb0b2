import Domain
import GRDB

/// The ends of everything that is appended: what the next commit continues.
struct Tails: Sendable {
  /// Height of the newest block; 0 when there is only the genesis.
  var height: UInt64 = 0
  var prunedBelow: UInt64 = 0
  /// The lowest height from which on the packets of all blocks are here.
  var packetsFrom: UInt64 = 1
  /// Of trades and history the newest number in the log.
  var totals = ChainTotals()
  /// The newest number in the log of corrections.
  var correction: Int64 = 0
  /// Records of evidence; none is ever dropped.
  var evidence: Int64 = 0
  var accounts = Heads(table: "account_heads", limit: Limits.accounts)
  var meters = Heads(table: "meter_heads", limit: Limits.meters)
  /// How far the headers of a snapshot have come that is being installed; nil otherwise.
  var incoming: ChainWalk?

  var trade: Int64 { totals.trades }
  var line: Int64 { totals.historyLines }

  init() {}

  /// Takes over what a commit changed in `source`.
  mutating func follow(_ source: inout Tails) {
    copyNumbers(from: source)
    accounts.follow(&source.accounts)
    meters.follow(&source.meters)
  }

  /// Goes back to what is committed.
  mutating func restore(from committed: Tails) {
    copyNumbers(from: committed)
    accounts.restore(from: committed.accounts)
    meters.restore(from: committed.meters)
  }

  private mutating func copyNumbers(from other: Tails) {
    height = other.height
    prunedBelow = other.prunedBelow
    packetsFrom = other.packetsFrom
    totals = other.totals
    correction = other.correction
    evidence = other.evidence
    incoming = other.incoming
  }

  // MARK: Opening

  /// Reads the ends, and the heads as of the newest snapshot; then scans what came after it.
  init(from db: Database) throws {
    let row = try db.row(
      "SELECT pruned_below, head_lines, head_corrections, packets_from FROM chain")
    guard let chain = row else { throw Rejection.malformed }
    prunedBelow = try chain.height(0)
    let lines = try chain.count(1)
    let corrections = try chain.count(2)
    packetsFrom = try chain.height(3)
    try loadTip(from: db)
    evidence = try db.integer("SELECT count(*) FROM evidence") ?? 0
    try accounts.load(from: db)
    try meters.load(from: db)
    try Self.follow(Schema.history, after: lines, to: line, in: db) { id, bytes in
      try accounts.load(id, of: try LinkedLine(bytes).line.account.int)
    }
    try Self.follow(Schema.corrections, after: corrections, to: correction, in: db) { id, bytes in
      try meters.load(id, of: Int(try Correction(bytes).figure.meter))
    }
    accounts.settle()
    meters.settle()
  }

  /// Hands the records behind `start` to `body`; throws unless the log ends at `end`.
  private static func follow(
    _ log: RecordLog, after start: Int64, to end: Int64, in db: Database,
    _ body: (Int64, [UInt8]) throws -> Void
  ) throws {
    var last = start
    try log.scan(after: start, in: db) { id, segment in
      try body(id, segment.bytes(of: id))
      last = id
      return true
    }
    guard last == end else {
      throw StorageFailure.corrupt("\(log.table) ends at \(last), not at \(end)")
    }
  }

  private mutating func loadTip(from db: Database) throws {
    let row = try db.row(
      """
      SELECT height, total_entries, total_readings, last_trade, last_line, last_correction
      FROM blocks ORDER BY height DESC LIMIT 1
      """)
    guard let row else { return }
    height = try row.height(0)
    totals = ChainTotals(
      entries: try row.count(1), readings: try row.count(2), trades: try row.count(3),
      historyLines: try row.count(4))
    correction = try row.count(5)
  }
}
