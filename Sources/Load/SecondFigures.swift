import Histogram

/// One second of a run, all kinds together.
package struct SecondTally: Sendable {
  package var applied = 0
  package var rejected = 0
  package var busy = 0
  package var broken = 0
  package var latencies = Histogram<UInt32>(
    highestTrackableValue: LoadLimits.latency, numberOfSignificantValueDigits: .two)

  package init() {}

  var isEmpty: Bool {
    applied == 0 && rejected == 0 && busy == 0 && broken == 0 && latencies.totalCount == 0
  }
}

/// A second of a run as it is kept, when it is over. Those after the load's end are of answers that
/// were waited for; the last one of the load may have been cut short.
package struct SecondFigures: Hashable, Sendable, Codable {
  /// Of the items answered in it that a block has, microseconds.
  package struct Spread: Hashable, Sendable, Codable {
    package var p50: UInt64
    package var p99: UInt64
    package var max: UInt64

    package init(p50: UInt64, p99: UInt64, max: UInt64) {
      self.p50 = p50
      self.p99 = p99
      self.max = max
    }

    init?(_ latencies: Histogram<UInt32>) {
      guard latencies.totalCount > 0 else { return nil }
      self.init(
        p50: latencies.valueAtPercentile(50), p99: latencies.valueAtPercentile(99),
        max: latencies.max)
    }
  }

  /// From the run's start, from 0.
  package var second: Int
  package var applied: Int
  package var rejected: Int
  package var busy: Int
  package var broken: Int
  /// Items that were due by its end and not sent until then; the last one's are the run's.
  package var unsent = 0
  /// None: nothing that is in a block was answered in it.
  @OrNull package var latencyMicroseconds: Spread?

  package init(second: Int, _ tally: SecondTally) {
    self.second = second
    applied = tally.applied
    rejected = tally.rejected
    busy = tally.busy
    broken = tally.broken
    latencyMicroseconds = Spread(tally.latencies)
  }

  package init(
    second: Int, applied: Int, rejected: Int = 0, busy: Int = 0, broken: Int = 0,
    latencyMicroseconds: Spread? = nil
  ) {
    self.second = second
    self.applied = applied
    self.rejected = rejected
    self.busy = busy
    self.broken = broken
    self.latencyMicroseconds = latencyMicroseconds
  }
}

extension SecondFigures {
  /// The same second of several grids: counts are summed; of latencies the largest are told.
  package static func joined(_ parts: [SecondFigures?]) -> SecondFigures? {
    parts.compactMap(\.self).reduce(nil) { sum, part in
      guard var sum else { return part }
      sum.applied += part.applied
      sum.rejected += part.rejected
      sum.busy += part.busy
      sum.broken += part.broken
      sum.unsent += part.unsent
      if let one = sum.latencyMicroseconds, let other = part.latencyMicroseconds {
        sum.latencyMicroseconds = Spread(
          p50: Swift.max(one.p50, other.p50), p99: Swift.max(one.p99, other.p99),
          max: Swift.max(one.max, other.max))
      } else {
        sum.latencyMicroseconds = sum.latencyMicroseconds ?? part.latencyMicroseconds
      }
      return sum
    }
  }
}

/// An optional figure that JSON shows as null, where Swift's own coding leaves the field out.
@propertyWrapper
package struct OrNull<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
  package var wrappedValue: Value?

  package init(wrappedValue: Value? = nil) { self.wrappedValue = wrappedValue }

  package init(from decoder: any Decoder) throws {
    wrappedValue = try decoder.singleValueContainer().decode(Value?.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(wrappedValue)
  }
}
