import Histogram

/// Durations in µs of simulated time, as the load generator keeps its own: in an HDR histogram of
/// two digits, so that a percentile is at most 1/128 too high, for ever in the same memory (about
/// 18 KB). Whole numbers go in and come out, the same on every run.
package struct Latencies: Sendable {
  /// Twelve days; what takes longer counts as that.
  package static let longest: Int64 = 1 << 40

  private var histogram = Histogram<UInt32>(
    highestTrackableValue: UInt64(longest), numberOfSignificantValueDigits: .two)

  package init() {}

  package var count: Int { Int(histogram.totalCount) }

  /// The longest; 0 when there are none.
  package var maximum: Int64 { Int64(histogram.maxRecorded) }

  package mutating func add(_ microseconds: Int64, count: Int = 1) {
    histogram.record(UInt64(min(max(microseconds, 0), Self.longest)), count: UInt32(count))
  }

  package mutating func add(_ other: Latencies) { histogram.add(other.histogram) }

  /// By nearest rank, the upper end of its bucket; 0 when there are none.
  package func percentile(_ percent: Double) -> Int64 {
    count == 0 ? 0 : Int64(histogram.valueAtPercentile(percent))
  }
}
