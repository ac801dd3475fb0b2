/// An instant of chain time: microseconds since the Unix epoch.
///
/// Rules count in whole seconds; blocks follow each other faster than that, and each must be
/// later than its parent.
package struct Timestamp: Hashable, Comparable, Sendable, Codable {
  package var microseconds: Int64

  @inlinable
  package init(microseconds: Int64) { self.microseconds = microseconds }

  @inlinable
  package init(seconds: Int64) { microseconds = seconds * 1_000_000 }

  /// Whole seconds, rounded down.
  @inlinable
  package var seconds: Int64 {
    let quotient = microseconds / 1_000_000
    return microseconds % 1_000_000 < 0 ? quotient - 1 : quotient
  }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.microseconds < b.microseconds }

  package func advanced(bySeconds seconds: Int64) -> Timestamp {
    Timestamp(microseconds: microseconds + seconds * 1_000_000)
  }
}

/// A market time unit, counted from the Unix epoch: index = floor(seconds / length).
package struct Interval: Hashable, Comparable, Sendable, Codable {
  package var index: Int64

  @inlinable
  package init(_ index: Int64) { self.index = index }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.index < b.index }

  package var next: Interval { Interval(index + 1) }

  package func advanced(by intervals: Int64) -> Interval { Interval(index + intervals) }

  package init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(Int64.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(index)
  }
}

/// How chain time is cut into intervals, and how it follows the wall clock.
package struct Calendar: Hashable, Sendable, Codable {
  /// Length of an interval in seconds; divides a day. 60...86,400.
  package var intervalSeconds: Int64
  /// From an interval's end to its close, in seconds. 0...intervalSeconds.
  package var closeDelaySeconds: Int64
  /// Chain time at genesis, whole seconds.
  package var origin: Int64
  /// Wall-clock time at genesis, Unix seconds.
  package var wallOrigin: Int64
  /// Chain seconds for each wall-clock second: 1, but for demonstrations and load tests.
  /// `Limits.calendarRate`.
  package var rate: Int64

  package init(
    intervalSeconds: Int64 = 900, closeDelaySeconds: Int64 = 60, origin: Int64,
    wallOrigin: Int64, rate: Int64 = 1
  ) {
    self.intervalSeconds = intervalSeconds
    self.closeDelaySeconds = closeDelaySeconds
    self.origin = origin
    self.wallOrigin = wallOrigin
    self.rate = rate
  }

  package var intervalsPerDay: Int64 { 86_400 / intervalSeconds }

  package func interval(at time: Timestamp) -> Interval {
    Interval(floorDivide(time.seconds, intervalSeconds))
  }

  package func start(of interval: Interval) -> Timestamp {
    Timestamp(seconds: interval.index * intervalSeconds)
  }

  package func end(of interval: Interval) -> Timestamp { start(of: interval.next) }

  /// The instant from which a block closes `interval`.
  package func close(of interval: Interval) -> Timestamp {
    end(of: interval).advanced(bySeconds: closeDelaySeconds)
  }

  /// Place of the interval in its day, 0..<intervalsPerDay (UTC).
  package func slot(of interval: Interval) -> Int {
    Int(interval.index - floorDivide(interval.index, intervalsPerDay) * intervalsPerDay)
  }

  /// The first interval that the chain closes: the one that contains its origin.
  package var firstInterval: Interval { interval(at: Timestamp(seconds: origin)) }

  /// Chain time for a wall-clock time in microseconds since the Unix epoch; held at Int64's ends.
  package func chainTime(wallMicroseconds: Int64) -> Timestamp {
    let elapsed = Int128(wallMicroseconds) - Int128(wallOrigin) * 1_000_000
    let time = Int128(origin) * 1_000_000 + elapsed * Int128(rate)
    return Timestamp(microseconds: Int64(clamping: time))
  }

  private func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let quotient = a / b
    return a % b < 0 ? quotient - 1 : quotient
  }
}
