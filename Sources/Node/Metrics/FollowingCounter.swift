import CoreMetrics
import Synchronization

/// Lets a counter follow a figure that is kept elsewhere and only grows.
final class FollowingCounter: Sendable {
  private let counter: Counter
  private let seen = Atomic<UInt64>(0)

  init(_ counter: Counter) { self.counter = counter }

  /// The figure is `value` now; an older one that comes late changes nothing.
  func follow(_ value: UInt64) {
    let (before, after) = seen.max(value, ordering: .relaxed)
    if after > before { counter.increment(by: after - before) }
  }
}
