import Synchronization

/// Wakes one waiter when something has changed. A ring while nobody waits is kept; so is the end,
/// after which nobody waits any more.
package final class Chime: Sendable {
  private struct State {
    var hasRung = false
    var isOver = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  package init() {}

  package var isOver: Bool { state.withLock { $0.isOver } }

  package func ring() {
    let waiter = state.withLock { state in
      state.hasRung = true
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Rings for good.
  package func finish() {
    let waiter = state.withLock { state in
      state.isOver = true
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Returns at once after a ring that nobody has heard, or after the end; else with the next one,
  /// or when the task is cancelled. One waiter at a time.
  package func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          let isReady = state.hasRung || state.isOver || Task.isCancelled
          if !isReady { state.waiter = continuation }
          return isReady
        }
        if isReady { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
    state.withLock { $0.hasRung = false }
  }
}
