import Domain
import Foundation
import GRDB

/// A header as it comes from another node: its canonical bytes, and what proves it final (empty
/// where a later one does).
package struct SentHeader: Hashable, Sendable {
  package var bytes: [UInt8]
  package var finalization: [UInt8]

  package init(bytes: [UInt8], finalization: [UInt8]) {
    self.bytes = bytes
    self.finalization = finalization
  }
}

// A node that joins by snapshot stores all headers from the genesis on, in as many transactions as
// it takes, then the state in one that makes everything valid. In between the store says that it
// is not complete, keeps nothing else, and starts over when it is opened again. What is installed
// was verified by the caller; here only the chain of hashes is checked, and that no two headers
// attest different roots of one block.

extension Store {
  /// Begins to install a snapshot, over again if a former attempt has left something. Only a store
  /// without blocks takes one; its journal stays.
  package func beginInstall() throws(StorageFailure) {
    try write("beginning to install a snapshot") { db, tails in
      guard tails.height == 0 else {
        throw StorageFailure.other(
          "a snapshot is for a store without blocks; this one has \(tails.height)")
      }
      try db.run("DELETE FROM blocks")
      try db.run("UPDATE chain SET installing = 1")
      tails.incoming = ChainWalk(chain: chain)
    }
  }

  /// Gives up: the store is empty again.
  package func abandonInstall() throws(StorageFailure) {
    try write("giving up a snapshot") { db, tails in
      guard tails.incoming != nil else { return }
      try db.run("DELETE FROM blocks")
      try db.run("UPDATE chain SET installing = 0")
      tails.incoming = nil
    }
  }

  /// Stores the next headers, from height 1 on. Throws `other` at one that does not continue the
  /// chain, and stores none of them then.
  package func install(_ headers: [SentHeader]) throws(StorageFailure) {
    try write("installing headers") { db, tails in
      guard var walk = tails.incoming else {
        throw StorageFailure.other("no snapshot is being installed")
      }
      var rows: [StoredHeader] = []
      rows.reserveCapacity(headers.count)
      for sent in headers {
        let (row, header) = try walk.step(to: sent)
        rows.append(row)
        try Self.note(header.attested, by: header.height, in: &rows, db)
      }
      for row in rows { try Self.insert(row, to: db) }
      tails.incoming = walk
    }
  }

  /// Writes down the roots that the header of `height` attests: in `rows`, which end with it, or
  /// in the database.
  private static func note(
    _ attested: Attestation, by height: UInt64, in rows: inout [StoredHeader], _ db: Database
  ) throws {
    guard attested.height > 0 else { return }
    let roots = BlockRoots(attested)
    let back = Int(height - attested.height)
    let known: BlockRoots
    if back < rows.count {
      let place = rows.count - 1 - back
      known = rows[place].roots
      rows[place].roots = roots
    } else {
      known = try Self.roots(of: attested.height, in: db)
      if known == .unknown { try set(roots, of: attested.height, in: db) }
    }
    guard known == .unknown || known == roots else {
      throw StorageFailure.other(
        "block \(height) attests other roots of block \(attested.height) than one before it")
    }
  }

  /// What is stored of the block at `height`. Throws `corrupt` without one.
  static func roots(of height: UInt64, in db: Database) throws -> BlockRoots {
    let row = try db.row(
      "SELECT state_root, receipts_root, outbox_root FROM blocks WHERE height = ?",
      [height.column])
    guard let row else { throw StorageFailure.corrupt("no block \(height)") }
    return BlockRoots(
      state: try row.digest(0), receipts: try row.digest(1), outbox: try row.digest(2))
  }

  private static func set(_ roots: BlockRoots, of height: UInt64, in db: Database) throws {
    try db.run(
      "UPDATE blocks SET state_root = ?, receipts_root = ?, outbox_root = ? WHERE height = ?",
      [roots.state.column, roots.receipts.column, roots.outbox.column, height.column])
  }

  private static func insert(_ head: StoredHeader, to db: Database) throws {
    try db.run(
      """
      INSERT INTO blocks (height, hash, time, state_root, receipts_root, entries, body_size,
        total_entries, total_readings, last_trade, last_line, last_correction, outbox_root, header,
        finalization)
      VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, ?, ?, ?)
      """,
      [
        head.height.column, head.hash.column, head.time.microseconds, head.roots.state.column,
        head.roots.receipts.column, head.entries ?? -1, head.bodySize ?? -1,
        head.roots.outbox.column, Data(head.bytes), Data(head.finalization),
      ])
  }

  /// Stores the state after the last header and makes the store valid: as one that had all blocks
  /// and pruned them, but for packets: of these it has those of the state. `attested` is what a
  /// header attests of the last block, `totals` are the chain's up to it, `outbox` is what the
  /// state has of packets.
  package func finishInstall(
    _ snapshot: StoredSnapshot, attested: BlockRoots, totals: ChainTotals, outbox: StoredOutbox
  ) throws(StorageFailure) {
    try write("installing a snapshot") { db, tails in
      guard let walk = tails.incoming, let last = walk.last, last.height == snapshot.height else {
        throw StorageFailure.other(
          "a snapshot of height \(snapshot.height) behind headers up to "
            + "\(tails.incoming?.last?.height ?? 0)")
      }
      try Self.set(attested, of: snapshot.height, in: db)
      try db.run(
        """
        UPDATE blocks SET total_entries = ?, total_readings = ?, last_trade = ?, last_line = ?
        WHERE height = ?
        """,
        [
          totals.entries, totals.readings, totals.trades, totals.historyLines,
          snapshot.height.column,
        ])
      tails.incoming = nil
      tails.height = snapshot.height
      tails.totals = totals
      tails.prunedBelow = snapshot.height + 1
      tails.packetsFrom = outbox.from
      for sent in outbox.packets { try Self.insert(sent, to: db) }
      try save(snapshot, to: db, &tails)
      try db.run("DELETE FROM journal WHERE view <= ?", [walk.lastView.column])
      try db.run(
        "UPDATE chain SET installing = 0, pruned_below = ?, packets_from = ?",
        [tails.prunedBelow.column, tails.packetsFrom.column])
    }
  }

  /// Empties a store in which a snapshot was not completed; returns whether it was one.
  static func dropUnfinished(_ db: Database) throws -> Bool {
    guard try db.integer("SELECT installing FROM chain") == 1 else { return false }
    try db.inTransaction(.immediate) {
      try db.run("DELETE FROM blocks")
      try db.run("UPDATE chain SET installing = 0")
      return .commit
    }
    return true
  }
}

extension ChainWalk {
  /// Takes a header that comes from elsewhere, as a row without a body. What is wrong with it is
  /// no damage of the store.
  fileprivate mutating func step(to sent: SentHeader) throws(StorageFailure) -> (
    StoredHeader, BlockHeader
  ) {
    let next = (last?.height ?? 0) + 1
    let header: BlockHeader
    do throws(Rejection) {
      var reader = CanonicalReader(sent.bytes)
      header = try BlockHeader(from: &reader)
    } catch {
      throw .other("the header that came for block \(next) cannot be read")
    }
    let isEmpty = header.body == Digest.sha256([])
    let row = StoredHeader(
      height: header.height, hash: Digest.sha256(sent.bytes), bytes: sent.bytes,
      finalization: sent.finalization, time: header.time, roots: .unknown,
      entries: isEmpty ? 0 : nil, bodySize: isEmpty ? 0 : nil)
    guard (try? step(to: row)) != nil, header.attested.height < header.height else {
      throw .other("the header that came for block \(next) does not continue the chain")
    }
    return (row, header)
  }
}
