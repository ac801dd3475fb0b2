import Domain
import Testing

@testable import Metering

private func at(_ offset: Int64) -> Interval { Bench.first.advanced(by: offset) }
private let day: Int64 = 96
private let week: Int64 = 7 * 96

@Suite struct CloseTests {
  /// Two meters of account 9, one clean; one of account 2; account 5 has nothing to post.
  @Test func metersOfAnAccountAddUp() throws {
    var bench = Bench([
      genesisMeter(1, account: 9, isClean: true), genesisMeter(2, account: 2),
      genesisMeter(3, account: 9), genesisMeter(4, account: 5),
    ])
    #expect(
      try bench.send(
        reading(3, at(0), exported: 10, imported: 200), reading(1, at(0), exported: 1000),
        reading(4, at(0)), reading(2, at(0), imported: 7), at: bench.end(0))
        == [nil, nil, nil, nil])
    let close = try bench.close()
    #expect(
      close.accounts == [
        account(2, burned: 7, consumption: 7),
        account(9, minted: 1010, burned: 200, generation: 1010, consumption: 200, clean: 1000),
      ])
    #expect(
      close.figures == [
        figure(0, at(0), exported: 1000), figure(1, at(0), imported: 7),
        figure(2, at(0), exported: 10, imported: 200), figure(3, at(0)),
      ])
    #expect(close.estimated == 0)
    #expect(close.late == 0)
  }

  @Test func higherVersionReplacesBeforeTheClose() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    #expect(
      try bench.send(
        reading(1, at(0), exported: 10, version: 2), reading(1, at(0), exported: 99),
        reading(1, at(0), exported: 30, version: 5, quality: .corrected),
        reading(1, at(0), exported: 20, version: 3), at: bench.end(0))
        == [nil, .staleVersion, nil, .staleVersion])
    #expect(bench.figure(1, 0) == nil, "not posted yet")
    let posted = figure(0, at(0), exported: 30, version: 5, quality: .corrected)
    #expect(try bench.close().figures == [posted])
    #expect(bench.figure(1, 0) == posted)
  }

  struct Correction: Sendable {
    var from: (exported: Int64, imported: Int64)
    var to: (exported: Int64, imported: Int64)
    var posted: MeteredAccount?
  }

  /// The four directions of a correction, on a clean meter, and one that changes nothing.
  @Test(arguments: [
    Correction(
      from: (10, 0), to: (15, 0), posted: account(7, minted: 5, generation: 5, clean: 5)),
    Correction(
      from: (10, 0), to: (4, 0), posted: account(7, burned: 6, generation: -6, clean: -6)),
    Correction(from: (0, 10), to: (0, 13), posted: account(7, burned: 3, consumption: 3)),
    Correction(from: (0, 10), to: (0, 8), posted: account(7, minted: 2, consumption: -2)),
    Correction(
      from: (10, 20), to: (1, 2),
      posted: account(7, minted: 18, burned: 9, generation: -9, consumption: -18, clean: -9)),
    Correction(from: (10, 20), to: (10, 20), posted: nil),
  ])
  func lateDifference(_ row: Correction) throws {
    var bench = Bench([genesisMeter(1, account: 7, isClean: true)])
    let old = reading(1, at(0), exported: row.from.exported, imported: row.from.imported)
    #expect(try bench.send(old, at: bench.end(0)) == [nil])
    _ = try bench.close()
    #expect(
      try bench.send(
        reading(1, at(0), exported: 77, version: 2),
        reading(
          1, at(0), exported: row.to.exported, imported: row.to.imported, version: 3,
          quality: .corrected), at: bench.end(0)) == [nil, nil])
    #expect(
      bench.figure(1, 0)
        == figure(0, at(0), exported: row.from.exported, imported: row.from.imported),
      "a correction shows when it is settled")
    let close = try bench.close()
    #expect(close.accounts == [row.posted].compactMap { $0 })
    #expect(close.late == 1)
    let corrected = figure(
      0, at(0), exported: row.to.exported, imported: row.to.imported, version: 3,
      quality: .corrected)
    #expect(
      close.figures == [figure(0, at(1), version: 0, quality: .estimated), corrected])
    #expect(bench.figure(1, 0) == corrected)
    #expect(try bench.close().late == 0)
  }

  @Test func lateFiguresFollowByIntervalAndMeter() throws {
    var bench = Bench([genesisMeter(1, account: 7), genesisMeter(2, account: 7)])
    try bench.close(upTo: 2)
    #expect(
      try bench.send(
        reading(2, at(1)), reading(1, at(1)), reading(2, at(0)), reading(1, at(0)),
        at: bench.end(1)) == [nil, nil, nil, nil])
    let figures = try bench.close().figures
    #expect(figures.map(\.interval) == [2, 2, 0, 0, 1, 1].map(at))
    #expect(figures.map(\.meter) == [0, 1, 0, 1, 0, 1])
  }

  @Test func estimateIsAWeekOldThenADayOldThenZero() throws {
    var bench = Bench([genesisMeter(1, account: 7, isClean: true)])
    #expect(try bench.send(reading(1, at(0), exported: 70), at: bench.end(0)) == [nil])
    try bench.close(upTo: week - day)
    // One day before the interval a week after the first.
    #expect(
      try bench.send(reading(1, at(week - day), imported: 11), at: bench.end(week - day)) == [nil])
    try bench.close(upTo: week)
    #expect(
      bench.figure(1, day) == figure(0, at(day), exported: 70, version: 0, quality: .estimated))
    let close = try bench.close()
    #expect(close.estimated == 1)
    #expect(close.accounts == [account(7, minted: 70, generation: 70, clean: 70)])
    // A week after `week - day`, and one day after it at the latest.
    #expect(
      bench.figure(1, week) == figure(0, at(week), exported: 70, version: 0, quality: .estimated))
    try bench.close(upTo: 2 * week)
    #expect(
      bench.figure(1, 2 * week - day)
        == figure(0, at(2 * week - day), imported: 11, version: 0, quality: .estimated))
    #expect(
      bench.figure(1, 2 * day) == figure(0, at(2 * day), version: 0, quality: .estimated),
      "an estimate is not made from an estimate")
    #expect(bench.figure(1, 1) == figure(0, at(1), version: 0, quality: .estimated))
  }

  /// A week-old figure that is itself the node's estimate gives way to yesterday's reading.
  @Test func nodeEstimateIsNoGroundForAnother() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    #expect(try bench.send(reading(1, at(0), imported: 5), at: bench.end(0)) == [nil])
    try bench.close(upTo: day)
    _ = try bench.close()
    #expect(bench.figure(1, day)?.version == 0)
    #expect(bench.figure(1, day)?.imported == Energy(5))
    try bench.close(upTo: week)
    #expect(try bench.send(reading(1, at(week), imported: 9), at: bench.end(week)) == [nil])
    try bench.close(upTo: week + day)
    _ = try bench.close()
    #expect(bench.figure(1, week + day)?.imported == Energy(9))
    #expect(bench.figure(1, week + day)?.version == 0)
  }

  /// The meter's own `estimated` reading is a reading; a correction of the week-old one that the
  /// same close settles counts already.
  @Test func estimateTakesTheNewestVersion() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    #expect(
      try bench.send(
        reading(1, at(0), imported: 5, quality: .estimated), at: bench.end(0)) == [nil])
    try bench.close(upTo: week)
    #expect(
      try bench.send(reading(1, at(0), imported: 6, version: 2), at: bench.end(week)) == [nil])
    let close = try bench.close()
    #expect(close.accounts == [account(7, burned: 7, consumption: 7)])
    #expect(bench.figure(1, week)?.imported == Energy(6))
  }

  /// Rule: what arrives later settles the difference to the estimate at the next close.
  @Test func readingReplacesTheEstimate() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    #expect(try bench.send(reading(1, at(0), exported: 50, imported: 8), at: bench.end(0)) == [nil])
    try bench.close(upTo: day + 1)
    #expect(
      bench.figure(1, day)
        == figure(0, at(day), exported: 50, imported: 8, version: 0, quality: .estimated))
    #expect(
      try bench.send(
        reading(1, at(day), exported: 20, imported: 9), reading(1, at(day)),
        at: bench.end(day + 1)) == [nil, .duplicate])
    let close = try bench.close()
    #expect(close.late == 1)
    #expect(
      close.accounts == [
        account(7, burned: 31, generation: -30, consumption: 1)
      ])
    #expect(bench.figure(1, day) == figure(0, at(day), exported: 20, imported: 9))
  }

  /// Of the accounts' nets: 100 − 30 of account 1 (two meters), −25 of account 2, +5 of account 3;
  /// a late correction does not change them.
  @Test func expectationIsTheDayBefore() throws {
    var bench = Bench([
      genesisMeter(1, account: 1), genesisMeter(2, account: 1), genesisMeter(3, account: 2),
      genesisMeter(4, account: 3),
    ])
    #expect(
      try bench.send(
        reading(1, at(0), exported: 100), reading(2, at(0), imported: 30),
        reading(3, at(0), imported: 25), reading(4, at(0), exported: 8, imported: 3),
        at: bench.end(0)) == [nil, nil, nil, nil])
    let first = try bench.close()
    #expect(first.expectedSurplus == .zero)
    #expect(first.expectedDeficit == .zero)
    #expect(try bench.send(reading(3, at(0), version: 2), at: bench.end(0)) == [nil])
    let second = try bench.close()
    #expect(second.expectedSurplus == .zero)
    try bench.close(upTo: day - 1)
    try bench.restore()
    #expect(try bench.close().expectedSurplus == .zero)
    let close = try bench.close()
    #expect(close.interval == at(day))
    #expect(close.expectedSurplus == Energy(75))
    #expect(close.expectedDeficit == Energy(25))
    let withoutLate = try bench.close()
    #expect(withoutLate.expectedSurplus == .zero, "the correction settled then was not its own")
    #expect(withoutLate.expectedDeficit == .zero)
    try bench.close(upTo: 2 * day)
    let next = try bench.close()
    #expect(next.expectedSurplus == Energy(75), "of the estimates a day before")
    #expect(next.expectedDeficit == .zero, "after the correction")
  }
}
