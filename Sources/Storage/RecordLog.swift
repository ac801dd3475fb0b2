import Domain
import Foundation
import GRDB

/// Records of one fixed size under running numbers from 1, appended for ever.
///
/// They are packed into segments that fit a page of the database, each under the number of its
/// first record: appending is in the order of the table, costs no index, and a record is found by
/// one descent of the tree. A segment belongs to one block.
struct RecordLog: Sendable {
  /// A row of this size still fits a leaf page of 4096 bytes without an overflow page.
  static let segmentBytes = 4000

  let table: String
  /// Bytes of a record.
  let recordSize: Int

  var perSegment: Int { Self.segmentBytes / recordSize }

  var definition: String {
    """
    CREATE TABLE \(table) (
      first INTEGER PRIMARY KEY, height INTEGER NOT NULL, time INTEGER NOT NULL,
      records BLOB NOT NULL) STRICT;
    """
  }

  /// Appends encoded `records` behind the record `last`.
  func append(
    _ records: [UInt8], after last: Int64, height: UInt64, time: Timestamp, to db: Database
  ) throws {
    guard !records.isEmpty else { return }
    let insert = try db.cachedStatement(
      sql: "INSERT INTO \(table) (first, height, time, records) VALUES (?, ?, ?, ?)")
    let step = perSegment * recordSize
    var first = last + 1
    for start in stride(from: 0, to: records.count, by: step) {
      let part = records[start..<min(start + step, records.count)]
      try insert.execute(arguments: [first, height.column, time.microseconds, Data(part)])
      first += Int64(perSegment)
    }
  }

  /// The segment that has record `id`; nil if it is not there, or no longer.
  func segment(with id: Int64, in db: Database) throws -> RecordSegment? {
    let row = try db.row(
      """
      SELECT first, height, time, records FROM \(table) WHERE first <= ?
      ORDER BY first DESC LIMIT 1
      """, [id])
    guard let row else { return nil }
    let segment = try RecordSegment(row, recordSize: recordSize)
    return segment.ids.contains(id) ? segment : nil
  }

  /// Hands the records behind `id`, ascending, to `body` until it returns false.
  func scan(
    after id: Int64, in db: Database, _ body: (Int64, RecordSegment) throws -> Bool
  ) throws {
    let start = try segment(with: id, in: db)?.ids.lowerBound ?? id
    let rows = try db.rows(
      "SELECT first, height, time, records FROM \(table) WHERE first >= ? ORDER BY first", [start])
    while let row = try rows.next() {
      let segment = try RecordSegment(row, recordSize: recordSize)
      for record in segment.ids where record > id {
        guard try body(record, segment) else { return }
      }
    }
  }

  /// Removes the segments whose records all are `last` or before it.
  func remove(through last: Int64, from db: Database) throws {
    try db.run("DELETE FROM \(table) WHERE first <= ?", [last])
  }
}

/// One row of a `RecordLog`.
struct RecordSegment {
  let ids: Range<Int64>
  let height: UInt64
  let time: Timestamp
  private let records: [UInt8]
  private let recordSize: Int

  init(_ row: Row, recordSize: Int) throws {
    let first = try row.count(0)
    records = try row.bytes(3)
    guard records.count.isMultiple(of: recordSize), !records.isEmpty, first > 0 else {
      throw Rejection.malformed
    }
    ids = first..<first + Int64(records.count / recordSize)
    height = try row.height(1)
    time = Timestamp(microseconds: try row.integer(2))
    self.recordSize = recordSize
  }

  /// The bytes of a record of this segment.
  func bytes(of id: Int64) -> [UInt8] {
    let start = Int(id - ids.lowerBound) * recordSize
    return Array(records[start..<start + recordSize])
  }
}
