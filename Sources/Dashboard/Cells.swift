import CoreMetrics
import Domain
import Synchronization

/// One series of a counter.
final class CounterCell: CounterHandler {
  private let count = Atomic<Int64>(0)

  var value: Int64 { count.load(ordering: .relaxed) }

  /// An amount below zero is passed over: a counter never falls.
  func increment(by amount: Int64) {
    guard amount > 0 else { return }
    count.wrappingAdd(amount, ordering: .relaxed)
  }

  func reset() { count.store(0, ordering: .relaxed) }
}

/// What a gauge was set to: as it was counted, or as it is to be written.
enum GaugeValue: Equatable, Sendable {
  case counted(Int64)
  case written(Double)
}

/// One series of a gauge. It is shown from the first time on that it is set.
final class GaugeCell: RecorderHandler, MeterHandler {
  private let current = Mutex<GaugeValue?>(nil)

  var value: GaugeValue? { current.withLock { $0 } }

  func record(_ value: Int64) { set(value) }
  func record(_ value: Double) { set(value) }
  func set(_ value: Int64) { current.withLock { $0 = .counted(value) } }
  func set(_ value: Double) { current.withLock { $0 = .written(value) } }

  func increment(by amount: Double) {
    current.withLock { value in
      switch value {
      case nil: value = .written(amount)
      case .counted(let before)?: value = .written(Double(before) + amount)
      case .written(let before)?: value = .written(before + amount)
      }
    }
  }

  func decrement(by amount: Double) { increment(by: -amount) }
}

/// What a histogram has counted at one moment.
struct HistogramCounts: Equatable, Sendable {
  /// For each bound, and behind them without one: how many were at most as large and larger than
  /// the bound before.
  var buckets: [UInt64]
  var sum: Int64 = 0
  /// Of the values that were no numbers, none is counted.
  var count: UInt64 { buckets.reduce(0, &+) }
}

/// One series of a histogram with fixed bounds. Recording takes a lock of its own and no memory.
final class HistogramCell: RecorderHandler, TimerHandler {
  private let bounds: [Int64]
  private let state: Mutex<HistogramCounts>

  init(bounds: [Int64]) {
    self.bounds = bounds
    state = Mutex(HistogramCounts(buckets: Array(repeating: 0, count: bounds.count + 1)))
  }

  /// A copy with memory of its own, so that the next recording need not copy.
  var counts: HistogramCounts {
    state.withLock { HistogramCounts(buckets: $0.buckets.map { $0 }, sum: $0.sum) }
  }

  /// A value below zero counts as zero: a clock may have been set back.
  func record(_ value: Int64) {
    let value = max(value, 0)
    var bucket = 0
    while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
    state.withLock { state in
      state.buckets[bucket] &+= 1
      let (sum, overflow) = state.sum.addingReportingOverflow(value)
      state.sum = overflow ? .max : sum
    }
  }

  func record(_ value: Double) {
    guard value.isFinite else { return }
    record(Int64(exactly: value.rounded()) ?? (value > 0 ? .max : 0))
  }

  func recordNanoseconds(_ duration: Int64) { record(duration) }
}
