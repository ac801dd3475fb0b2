import Domain

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// This node's clock, as chain time. The source can be replaced, so that tests turn time by hand.
package struct ChainClock: Sendable {
  package let calendar: Calendar
  private let wall: @Sendable () -> Int64

  /// `wall` gives microseconds since the Unix epoch.
  package init(calendar: Calendar, wall: @escaping @Sendable () -> Int64 = ChainClock.system) {
    self.calendar = calendar
    self.wall = wall
  }

  package var now: Timestamp { calendar.chainTime(wallMicroseconds: wall()) }

  /// Wall-clock microseconds from now until chain time `time`; 0 when it has come.
  package func microseconds(until time: Timestamp) -> Int64 {
    let left = time.microseconds.subtractingReportingOverflow(now.microseconds)
    return left.overflow ? .max : max(0, left.partialValue / calendar.rate)
  }

  package static let system: @Sendable () -> Int64 = {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}
