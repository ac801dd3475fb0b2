import Domain
import GRDB

extension Store {
  static let headerColumns =
    "height, hash, time, state_root, receipts_root, entries, body_size, header, finalization, "
    + "outbox_root"

  /// Height of the newest block; 0 when there is only the genesis.
  package var latestHeight: UInt64 { published.withLock { $0.height } }

  /// The block at `height`; nil if it is not there. Its body is nil once pruned.
  package func block(at height: UInt64) throws(StorageFailure) -> StoredBlock? {
    try blocks(from: height, through: height, limit: 1).first
  }

  /// Blocks `from...through`, ascending, at most `limit`, and no further one once the bodies have
  /// come to `bytes`: so there is at least one if the store has one.
  package func blocks(
    from: UInt64, through: UInt64, limit: Int, bytes: Int = .max
  ) throws(StorageFailure) -> [StoredBlock] {
    try read("reading blocks") { db in
      var blocks: [StoredBlock] = []
      var total = 0
      let rows = try db.rows(
        """
        SELECT \(Self.headerColumns) FROM blocks WHERE height BETWEEN ? AND ?
        ORDER BY height LIMIT ?
        """, [from.column, through.column, max(limit, 0)])
      while total < bytes, let row = try rows.next() {
        let head = try StoredHeader(row: row)
        let body = try Self.body(of: head, in: db)
        blocks.append(StoredBlock(head: head, body: body))
        total += body?.count ?? 0
      }
      return blocks
    }
  }

  /// Headers from height `from` on, ascending, at most `limit`.
  package func headers(from: UInt64, limit: Int) throws(StorageFailure) -> [StoredHeader] {
    try read("reading headers") { db in
      var headers: [StoredHeader] = []
      let rows = try db.rows(
        "SELECT \(Self.headerColumns) FROM blocks WHERE height >= ? ORDER BY height LIMIT ?",
        [from.column, max(limit, 0)])
      while let row = try rows.next() { headers.append(try StoredHeader(row: row)) }
      return headers
    }
  }

  /// The lowest stored block whose header attests exactly `height`; nil if none does within
  /// `attestingReach` blocks.
  package func attesting(height: UInt64) throws(StorageFailure) -> StoredHeader? {
    try read("looking for an attestation") { db in
      let rows = try db.rows(
        """
        SELECT \(Self.headerColumns) FROM blocks WHERE height > ? ORDER BY height LIMIT ?
        """, [height.column, Self.attestingReach])
      while let row = try rows.next() {
        let head = try StoredHeader(row: row)
        if try head.decoded().attested.height == height { return head }
      }
      return nil
    }
  }

  /// Blocks behind an executed one that may attest it: a proposer lags by less.
  package static let attestingReach = 512

  /// The first stored block at or above `height`, and below `height + limit`, that carries a
  /// finalization: it proves all before it final. Nil if there is none.
  package func finalization(atOrAbove height: UInt64, limit: Int) throws(StorageFailure)
    -> StoredHeader?
  {
    try read("looking for a finalization") { db in
      try db.row(
        """
        SELECT \(Self.headerColumns) FROM blocks
        WHERE height >= ? AND height - ? < ? AND length(finalization) > 0
        ORDER BY height LIMIT 1
        """, [height.column, height.column, max(limit, 0)]
      ).map { try StoredHeader(row: $0) }
    }
  }

  /// An empty body has no row; of others, a row that is missing was pruned or never there.
  static func body(of head: StoredHeader, in db: Database) throws -> [UInt8]? {
    if head.bodySize == 0 { return [] }
    return try db.row("SELECT body FROM bodies WHERE height = ?", [head.height.column])?.bytes(0)
  }

  // MARK: Receipts

  /// The receipts of a block, in the order of its entries; nil if the block is not there or its
  /// receipts were pruned.
  package func receipts(at height: UInt64) throws(StorageFailure) -> [Receipt]? {
    try read("reading receipts") { db in
      guard let entries = try Self.entries(at: height, in: db), entries >= 0 else { return nil }
      if entries == 0 { return [] }
      let row = try db.row(
        "SELECT receipts FROM receipts WHERE height = ?", [height.column])
      guard let row else { return nil }
      var reader = CanonicalReader(try row.bytes(0))
      var receipts: [Receipt] = []
      receipts.reserveCapacity(reader.remaining / Receipt.encodedSize)
      while reader.remaining > 0 { receipts.append(try Receipt(from: &reader)) }
      guard receipts.count == entries else {
        throw StorageFailure.corrupt("receipts of block \(height)")
      }
      return receipts
    }
  }

  /// One receipt; nil if the block or the place in it does not exist, or it was pruned.
  package func receipt(at position: ReceiptPosition) throws(StorageFailure) -> Receipt? {
    try read("reading a receipt") { db in
      guard let entries = try Self.entries(at: position.height, in: db),
        position.index < entries
      else { return nil }
      let row = try db.row(
        "SELECT substr(receipts, ?, ?) FROM receipts WHERE height = ?",
        [
          Int64(position.index) * Int64(Receipt.encodedSize) + 1, Receipt.encodedSize,
          position.height.column,
        ])
      guard let row else { return nil }
      var reader = CanonicalReader(try row.bytes(0))
      return try Receipt(from: &reader)
    }
  }

  /// Nil without the block; below 0 where this store never had its body.
  private static func entries(at height: UInt64, in db: Database) throws -> Int64? {
    try db.integer("SELECT entries FROM blocks WHERE height = ?", [height.column])
  }

  // MARK: Journal

  /// The consensus journal, in the order of writing. Throws `corrupt` for a record that is not
  /// what was written. The highest view, of what holds for a whole epoch, is kept as the highest
  /// that a column holds.
  package func journal() throws(StorageFailure) -> [StoredJournalRecord] {
    try read("reading the journal") { db in
      var records: [StoredJournalRecord] = []
      let rows = try db.rows("SELECT epoch, view, kind, record, digest FROM journal ORDER BY id")
      while let row = try rows.next() {
        let view = try row.integer(1)
        guard let kind = UInt8(exactly: try row.integer(2)), view >= 0 else {
          throw Rejection.malformed
        }
        let record = StoredJournalRecord(
          epoch: try row.height(0), view: view == .max ? .max : UInt64(view), kind: kind,
          bytes: try row.bytes(3))
        guard record.digest == (try row.digest(4)) else {
          throw StorageFailure.corrupt("a record of the consensus journal, view \(record.view)")
        }
        records.append(record)
      }
      return records
    }
  }
}

extension StoredHeader {
  /// From a row of `Store.headerColumns`.
  init(row: Row) throws {
    height = try row.height(0)
    hash = try row.digest(1)
    time = Timestamp(microseconds: try row.integer(2))
    roots = BlockRoots(
      state: try row.digest(3), receipts: try row.digest(4), outbox: try row.digest(9))
    entries = try row.integer(5) < 0 ? nil : Int(try row.count(5))
    bodySize = try row.integer(6) < 0 ? nil : Int(try row.count(6))
    bytes = try row.bytes(7)
    finalization = try row.bytes(8)
  }

  /// The header that `bytes` hold. Throws `malformed` when they hold none.
  package func decoded() throws(Rejection) -> BlockHeader {
    var reader = CanonicalReader(bytes)
    let header = try BlockHeader(from: &reader)
    try reader.finish()
    return header
  }
}
