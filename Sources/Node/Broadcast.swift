import Domain
import Synchronization

/// Hands every event to every watcher. A watcher that falls behind by `Limits.watcherBacklog`
/// events is cut off with a reason, so that it can never slow the chain nor fill the memory.
package final class Broadcast<Event: Sendable>: Sendable {
  package typealias Stream = AsyncThrowingStream<Event, any Error>

  private struct State {
    var watchers: [UInt64: Stream.Continuation] = [:]
    var next: UInt64 = 0
    var isClosed = false
  }

  private let state = Mutex(State())

  package init() {}

  /// A stream of all events from now on. Throws `busy` beyond Limits.watchers.
  package func watch() throws(NodeFailure) -> Stream {
    let (stream, continuation) = Stream.makeStream(
      bufferingPolicy: .bufferingOldest(Limits.watcherBacklog))
    let failure: NodeFailure? = state.withLock { state in
      if state.isClosed { return .stopped("the node is stopping") }
      if state.watchers.count >= Limits.watchers { return .busy("too many watchers") }
      let number = state.next
      state.next += 1
      state.watchers[number] = continuation
      continuation.onTermination = { [weak self] _ in self?.remove(number) }
      return nil
    }
    if let failure { throw failure }
    return stream
  }

  package func send(_ event: Event) {
    let watchers = state.withLock { Array($0.watchers.values) }
    for watcher in watchers {
      if case .dropped = watcher.yield(event) {
        watcher.finish(throwing: NodeFailure.busy("watcher too slow: events were missed"))
      }
    }
  }

  package func close() {
    let watchers = state.withLock { state in
      state.isClosed = true
      defer { state.watchers = [:] }
      return Array(state.watchers.values)
    }
    for watcher in watchers { watcher.finish() }
  }

  package var hasWatchers: Bool { state.withLock { !$0.watchers.isEmpty } }

  private func remove(_ number: UInt64) {
    state.withLock { _ = $0.watchers.removeValue(forKey: number) }
  }
}
