import Domain
import Synchronization

/// Wakes one waiter when something has happened. A ring while nobody waits is kept.
package final class Bell: Sendable {
  private struct State {
    var hasRung = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  package init() {}

  package func ring() {
    let waiter = state.withLock { state in
      state.hasRung = true
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Returns at once after a ring that nobody has heard, else with the next one. One waiter at a
  /// time.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isReady = state.withLock { state in
        if !state.hasRung { state.waiter = continuation }
        return state.hasRung
      }
      if isReady { continuation.resume() }
    }
    state.withLock { $0.hasRung = false }
  }
}
