import Domain
import Testing

@testable import Metering

/// A reading and the reason that it must get. The bench of these rows: meter 1 of 4 kW, so that
/// 900 s are 1,000,000 mWh; interval 0 closed with version 3 known, interval 1 gathered with
/// version 3, meter 2 retired; the block is 30 s after the end of interval 1; 2 days for late
/// readings.
struct RejectionRow: Sendable, CustomTestStringConvertible {
  var name: String
  var reading: Reading
  var reason: Rejection?

  init(_ name: String, _ reading: Reading, _ reason: Rejection?) {
    self.name = name
    self.reading = reading
    self.reason = reason
  }

  var testDescription: String { name }
}

private func at(_ offset: Int64) -> Interval { Bench.first.advanced(by: offset) }
private let wild = [Interval(.min), Interval(.max)]

private let rows: [RejectionRow] = [
  RejectionRow("higher version, gathered", reading(1, at(1), version: 4), nil),
  RejectionRow("higher version, closed", reading(1, at(0), version: 4), nil),
  RejectionRow("largest energy", reading(1, at(1), exported: 1_000_000, version: 4), nil),
  RejectionRow("largest version", reading(1, at(1), version: 65_535), nil),
  RejectionRow("negative export", reading(1, at(1), exported: -1, version: 4), .malformed),
  RejectionRow("negative import", reading(1, at(1), imported: -1, version: 4), .malformed),
  RejectionRow("least export", reading(1, at(1), exported: .min, version: 4), .malformed),
  RejectionRow("version 0", reading(1, at(1), version: 0), .malformed),
  RejectionRow("unknown meter", reading(9, at(1)), .unknownSigner),
  RejectionRow("retired meter", reading(2, at(1)), .unknownSigner),
  RejectionRow("same version, gathered", reading(1, at(1), version: 3), .duplicate),
  RejectionRow("same version, closed", reading(1, at(0), version: 3), .duplicate),
  RejectionRow(
    "same version, other figure", reading(1, at(1), exported: 5, version: 3), .duplicate),
  RejectionRow("lower version, gathered", reading(1, at(1), version: 2), .staleVersion),
  RejectionRow("lower version, closed", reading(1, at(0), version: 1), .staleVersion),
  RejectionRow(
    "export above power", reading(1, at(1), exported: 1_000_001, version: 4), .abovePower),
  RejectionRow(
    "import above power", reading(1, at(1), imported: 1_000_001, version: 4), .abovePower),
  RejectionRow("largest export", reading(1, at(1), exported: .max, version: 4), .abovePower),
  RejectionRow("interval under way", reading(1, at(2)), .intervalInFuture),
  RejectionRow("interval far ahead", reading(1, wild[1]), .intervalInFuture),
  RejectionRow("before the chain", reading(1, at(-1)), .tooLate),
  RejectionRow("long before the chain", reading(1, wild[0]), .tooLate),
  // Precedence: each has every later fault that can go with it.
  RejectionRow(
    "malformed before unknown", reading(9, at(5), exported: -1, imported: .max), .malformed),
  RejectionRow(
    "unknown before above power", reading(9, at(5), exported: .max), .unknownSigner),
  RejectionRow("retired before future", reading(2, wild[1], exported: .max), .unknownSigner),
  RejectionRow(
    "duplicate before above power", reading(1, at(1), exported: .max, version: 3), .duplicate),
  RejectionRow(
    "stale before above power", reading(1, at(1), exported: .max, version: 2), .staleVersion),
  RejectionRow("above power before future", reading(1, at(2), exported: .max), .abovePower),
  RejectionRow("above power before too late", reading(1, at(-1), exported: .max), .abovePower),
]

@Suite struct RejectionTests {
  private func bench() throws -> Bench {
    var bench = Bench([genesisMeter(1, account: 7), genesisMeter(2, account: 7)], lateDays: 2)
    #expect(try bench.send(reading(1, at(0), version: 3), at: bench.end(0)) == [nil])
    _ = try bench.close()
    #expect(
      try bench.apply([.retire(entry: 0, meter: key(2))], at: bench.end(0)) == [nil])
    #expect(try bench.send(reading(1, at(1), version: 3), at: bench.end(1)) == [nil])
    return bench
  }

  @Test(arguments: rows)
  func reason(of row: RejectionRow) throws {
    var bench = try bench()
    let time = bench.end(1).advanced(bySeconds: 30)
    let before = bench.core.chunks()
    #expect(bench.core.admit(row.reading, time: time) == row.reason)
    #expect(bench.core.chunks() == before, "admit changes nothing")
    #expect(try bench.send(row.reading, at: time) == [row.reason])
    if row.reason == nil {
      #expect(bench.core.chunks() != before)
      #expect(try bench.send(row.reading, at: time) == [.duplicate], "exactly once")
    } else {
      #expect(bench.core.chunks() == before, "a rejected reading changes nothing")
    }
  }

  /// The end of an interval is the first instant at which it can be read.
  @Test func futureBoundary() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    let before = Timestamp(microseconds: bench.end(0).microseconds - 1)
    #expect(try bench.send(reading(1, at(0)), at: before) == [.intervalInFuture])
    #expect(try bench.send(reading(1, at(0)), at: bench.end(0)) == [nil])
  }

  /// Interval 0 can be read until exactly two days after its end, not a microsecond longer.
  @Test func lateBoundary() throws {
    var bench = Bench([genesisMeter(1, account: 7)], lateDays: 2)
    let last = bench.end(0).advanced(bySeconds: 2 * 86_400)
    try bench.close(upTo: 2 * 96)
    let after = Timestamp(microseconds: last.microseconds + 1)
    #expect(try bench.send(reading(1, at(0)), at: after) == [.tooLate])
    #expect(try bench.send(reading(1, at(1)), at: after) == [nil])
    #expect(try bench.send(reading(1, at(0)), at: last) == [nil])
  }

  /// A known version answers as duplicate or stale for as long as its page is kept, even where
  /// nothing new is taken any more; then it is too late.
  @Test func duplicateWhilePageIsKept() throws {
    var bench = Bench([genesisMeter(1, account: 7)], intervalSeconds: 21_600, lateDays: 1)
    #expect(try bench.send(reading(1, at(0), version: 2), at: bench.end(0)) == [nil])
    // Interval 100,000 begins its day: its page goes when the next close is nine days on and one.
    try bench.close(upTo: 4 * 10 - 1)
    #expect(
      try bench.send(
        reading(1, at(0), version: 2), reading(1, at(0)), reading(1, at(0), version: 3),
        at: bench.end(4 * 10 - 2)) == [.duplicate, .staleVersion, .tooLate])
    #expect(bench.figure(1, 0) != nil)
    try bench.close(upTo: 4 * 10)
    #expect(try bench.send(reading(1, at(0), version: 2), at: bench.end(39)) == [.tooLate])
    #expect(bench.figure(1, 0) == nil)
  }

  @Test func closesComeInTheirTurn() throws {
    var bench = Bench([])
    #expect(throws: InvariantViolation.self) { try bench.core.close(at(1)) }
    #expect(throws: InvariantViolation.self) { try bench.core.close(at(-1)) }
    #expect(try bench.close().interval == at(0))
    #expect(throws: InvariantViolation.self) { try bench.core.close(at(0)) }
    #expect(bench.core.nextClose == at(1))
  }
}
