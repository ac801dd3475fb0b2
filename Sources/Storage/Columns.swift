import Domain
import Foundation
import GRDB

extension Row {
  /// The integer in a column; throws, and never traps, on anything else.
  func integer(_ column: Int) throws -> Int64 {
    try decode(Int64.self, atIndex: column)
  }

  /// A count or a running number: from 0, and so far below 2^63 that sums stay in range.
  func count(_ column: Int) throws -> Int64 {
    let value = try integer(column)
    guard (0..<1 << 60).contains(value) else { throw Rejection.malformed }
    return value
  }

  func height(_ column: Int) throws -> UInt64 { UInt64(try count(column)) }

  /// The blob in a column.
  func bytes(_ column: Int) throws -> [UInt8] {
    try withUnsafeData(atIndex: column) { data in
      guard let data else { throw Rejection.malformed }
      return data.withUnsafeBytes { Array($0) }
    }
  }

  func digest(_ column: Int) throws -> Digest {
    guard let digest = Digest(try bytes(column)) else { throw Rejection.malformed }
    return digest
  }
}

extension Database {
  /// Runs a statement that is prepared once a connection.
  func run(_ sql: String, _ arguments: StatementArguments = []) throws {
    try cachedStatement(sql: sql).execute(arguments: arguments)
  }

  func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> RowCursor {
    try Row.fetchCursor(cachedStatement(sql: sql), arguments: arguments)
  }

  func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
    try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
  }

  func integer(_ sql: String, _ arguments: StatementArguments = []) throws -> Int64? {
    try row(sql, arguments)?.decode(Int64?.self, atIndex: 0)
  }
}

extension UInt64 {
  /// As SQLite keeps it. Heights, views and epochs count from 0 and never come to 2^63; a bound
  /// that a caller gives may.
  var column: Int64 { Int64(clamping: self) }
}

extension Digest {
  var column: Data { bytes.withBytes { Data($0) } }
}
