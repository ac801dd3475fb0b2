import Foundation
import Synchronization

/// When a run's load ends: as planned, or as soon as somebody asks.
package final class LoadEnd: Sendable {
  /// What asking leads to.
  package enum Answer: Hashable, Sendable {
    /// The load has not begun: there is nothing that a report could tell.
    case notBegun
    /// The load ends now; its report comes when what is under way is answered.
    case ending
    /// The load is over already; answers are waited for, or the chain is checked.
    case over
    /// It was asked for before.
    case again
  }

  private struct State {
    var begin: Int64?
    var end = Int64.max
    var isAsked = false
    var isStopped = false
  }

  private let state = Mutex(State())

  package init() {}

  /// Asks at a `Monotonic` time that the load end.
  @discardableResult
  package func ask(at time: Int64 = Monotonic.now) -> Answer {
    state.withLock { state in
      guard state.begin != nil else { return .notBegun }
      guard !state.isAsked else { return .again }
      state.isAsked = true
      return time < state.end ? .ending : .over
    }
  }

  /// The `Monotonic` time at which the load ends, as far as is known.
  package var time: Int64 { state.withLock { $0.end } }

  /// Whether it ended earlier than planned.
  package var isStopped: Bool { state.withLock { $0.isStopped } }

  /// The load is planned from one `Monotonic` time to another.
  package func plan(from start: Int64, to end: Int64) {
    state.withLock { state in
      state.begin = start
      state.end = end
    }
  }

  /// Returns when the load is over, or when the task is cancelled.
  package func reached() async {
    while !Task.isCancelled, !look(at: Monotonic.now) {
      await Monotonic.sleep(until: min(time, Monotonic.now + LoadLimits.endLook))
    }
  }

  /// Ends the load now if that was asked for in time; whether it is over, at any rate.
  package func look(at time: Int64) -> Bool {
    state.withLock { state in
      if time >= state.end { return true }
      guard state.isAsked, let begin = state.begin else { return false }
      state.end = max(begin, time)
      state.isStopped = true
      return true
    }
  }
}

/// When a run's load was, and for how long.
package struct LoadPeriod: Hashable, Sendable {
  /// On the wall clock.
  package var start: Date
  /// Seconds that it lasted.
  package var seconds: Double
  /// Whether somebody ended it before it had lasted as long as it was to.
  package var isStopped: Bool

  package init(start: Date, seconds: Double, isStopped: Bool = false) {
    self.start = start
    self.seconds = seconds
    self.isStopped = isStopped
  }

  /// A count as so many a second; 0 for a load that did not begin.
  package func rate(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }
}
