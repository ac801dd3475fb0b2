import Domain
import TestSupport
import Testing

@Suite struct TimeTests {
  private let calendar = Calendar(origin: 1_700_000_100, wallOrigin: 1_600_000_000, rate: 10)

  /// Microseconds, whole seconds rounded down.
  @Test(
    arguments: [
      (0, 0), (999_999, 0), (1_000_000, 1), (-1, -1), (-1_000_000, -1), (-1_000_001, -2),
      (.max, 9_223_372_036_854), (.min, -9_223_372_036_855),
    ] as [(Int64, Int64)])
  func seconds(_ row: (Int64, Int64)) {
    #expect(Timestamp(microseconds: row.0).seconds == row.1)
  }

  /// Seconds, index of the interval of 900 s, place in the day.
  @Test(
    arguments: [
      (0, 0, 0), (899, 0, 0), (900, 1, 1), (86_399, 95, 95), (86_400, 96, 0), (-1, -1, 95),
      (-900, -1, 95), (-901, -2, 94), (-86_400, -96, 0), (-86_401, -97, 95),
      (1_700_000_100, 1_888_889, 89),
    ] as [(Int64, Int64, Int)])
  func intervals(_ row: (Int64, Int64, Int)) {
    let interval = calendar.interval(at: Timestamp(seconds: row.0))
    #expect(interval == Interval(row.1))
    #expect(calendar.slot(of: interval) == row.2)
    #expect(calendar.start(of: interval) <= Timestamp(seconds: row.0))
    #expect(Timestamp(seconds: row.0) < calendar.end(of: interval))
  }

  @Test func boundsOfAnInterval() {
    let interval = Interval(1_888_889)
    #expect(calendar.start(of: interval) == Timestamp(seconds: 1_700_000_100))
    #expect(calendar.end(of: interval) == Timestamp(seconds: 1_700_001_000))
    #expect(calendar.close(of: interval) == Timestamp(seconds: 1_700_001_060))
    #expect(calendar.firstInterval == interval)
    #expect(interval.next == Interval(1_888_890))
    #expect(interval.advanced(by: -9) == Interval(1_888_880))
    #expect(calendar.intervalsPerDay == 96)
    #expect(calendar.close(of: Interval(-1)) == Timestamp(seconds: 60))
    // The last microsecond belongs to the interval, its end to the next.
    let end = calendar.end(of: interval)
    #expect(calendar.interval(at: Timestamp(microseconds: end.microseconds - 1)) == interval)
    #expect(calendar.interval(at: end) == interval.next)
  }

  @Test(arguments: [60, 300, 900, 3600, 86_400] as [Int64])
  func everyLengthCutsTheDayEvenly(seconds: Int64) {
    let calendar = Calendar(
      intervalSeconds: seconds, closeDelaySeconds: 0, origin: 0, wallOrigin: 0)
    var random = SplitMix64(seed: UInt64(seconds))
    for _ in 0..<300 {
      let time = Timestamp(microseconds: random.int(-1_000_000_000_000_000...1 << 53))
      let interval = calendar.interval(at: time)
      #expect(calendar.start(of: interval) <= time && time < calendar.end(of: interval))
      let slot = calendar.slot(of: interval)
      #expect(slot >= 0 && slot < Int(calendar.intervalsPerDay))
      let day = calendar.start(of: interval).seconds - Int64(slot) * seconds
      #expect(day % 86_400 == 0)
      #expect(calendar.close(of: interval) == calendar.end(of: interval))
    }
  }

  /// Wall clock in µs after its origin → chain time in µs after its own, at ten for one.
  @Test(
    arguments: [
      (0, 0), (1, 10), (1_000_000, 10_000_000), (-3, -30), (86_400_000_000, 864_000_000_000),
    ] as [(Int64, Int64)])
  func chainTimeRunsAtItsRate(_ row: (Int64, Int64)) {
    let wall = 1_600_000_000_000_000 + row.0
    #expect(
      calendar.chainTime(wallMicroseconds: wall)
        == Timestamp(microseconds: 1_700_000_100_000_000 + row.1))
  }

  @Test func atRateOneChainTimeIsTheWallClocks() {
    let calendar = Calendar(origin: 1_600_000_000, wallOrigin: 1_600_000_000)
    var random = SplitMix64(seed: 5)
    for _ in 0..<100 {
      let wall = random.int(0...1 << 52)
      #expect(calendar.chainTime(wallMicroseconds: wall) == Timestamp(microseconds: wall))
    }
  }

  @Test func chainTimeNeverRunsBackwards() {
    let calendar = Calendar(origin: 1_600_000_000, wallOrigin: 1_600_000_000, rate: 100_000)
    var last = Timestamp(microseconds: .min)
    for day in 0..<40_000 as Range<Int64> {
      let wall = 1_600_000_000_000_000 + day * 86_400_000_000
      let time = calendar.chainTime(wallMicroseconds: wall)
      #expect(time >= last)
      last = time
    }
  }
}
