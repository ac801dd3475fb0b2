/// Counts of durations in fixed buckets: exact below 64 µs, then 64 to each power of two, so that a
/// percentile is at most 1/64 too high, for ever in the same memory.
package struct LatencyBuckets: Sendable {
  private static let shift = 6
  private static let exact = 1 << shift
  /// Up to 2^40 µs, twelve days.
  private static let powers = 40 - shift

  private var counts = [Int](repeating: 0, count: exact * (powers + 1))
  package private(set) var count = 0
  /// The longest, µs.
  package private(set) var maximum: Int64 = 0

  package init() {}

  package mutating func add(_ microseconds: Int64, count: Int = 1) {
    counts[Self.bucket(of: max(microseconds, 0))] += count
    self.count += count
    maximum = max(maximum, microseconds)
  }

  package mutating func add(_ other: LatencyBuckets) {
    for bucket in counts.indices { counts[bucket] += other.counts[bucket] }
    count += other.count
    maximum = max(maximum, other.maximum)
  }

  /// By nearest rank, the upper end of its bucket, µs; 0 when there are none.
  package func percentile(_ percent: Double) -> Int64 {
    guard count > 0 else { return 0 }
    let rank = max(1, Int((Double(count) * percent / 100).rounded(.up)))
    var seen = 0
    for bucket in counts.indices {
      seen += counts[bucket]
      if seen >= rank { return min(Self.upperEnd(of: bucket), maximum) }
    }
    return maximum
  }

  private static func bucket(of value: Int64) -> Int {
    guard value >= exact else { return Int(value) }
    let power = min(63 - value.leadingZeroBitCount - shift, powers - 1)
    return (power + 1) << shift + min(Int(value >> Int64(power)) - exact, exact - 1)
  }

  private static func upperEnd(of bucket: Int) -> Int64 {
    guard bucket >= exact else { return Int64(bucket) }
    let power = Int64(bucket >> shift - 1)
    return Int64(bucket % exact + exact + 1) << power - 1
  }
}
