import Domain
import NIOCore
import NIOPosix
import Synchronization

/// Ticks the inbox at the next instant at which the chain wants to be stepped, in chain time.
///
/// One timer on an event loop, moved only when an instant comes that is earlier than the one it
/// waits for. It never waits longer than a tenth of a second, so that a clock that jumps is seen
/// soon.
package final class Alarm: Sendable {
  private struct State {
    /// What consensus waits for, and the next interval's close; nil for nothing.
    var consensus: Timestamp?
    var close: Timestamp?
    var isRunning = false
    /// The instant that was ticked for last.
    var fired: Timestamp?
    var timer: Scheduled<Void>?
    var due = NIODeadline.distantFuture

    var next: Timestamp? {
      guard let consensus, let close else { return consensus ?? close }
      return min(consensus, close)
    }
  }

  private let clock: ChainClock
  private let inbox: Inbox
  private let loop: any EventLoop
  private let state = Mutex(State())

  /// Longest wait, and the pauses after a tick: for an instant that has come and stays, as a close
  /// does that no block brings, and for another. Nothing here is in more of a hurry: what a chain
  /// waits for in its ordinary course is messages.
  private static let longest: Int64 = 100_000
  private static let again: Int64 = 20_000
  private static let shortest: Int64 = 2000

  package init(clock: ChainClock, inbox: Inbox) {
    self.clock = clock
    self.inbox = inbox
    loop = MultiThreadedEventLoopGroup.singleton.next()
  }

  /// The next instants, after a step.
  package func set(consensus: Timestamp?, close: Timestamp?) {
    state.withLock { state in
      (state.consensus, state.close) = (consensus, close)
      guard state.isRunning, let next = state.next else { return }
      let due =
        NIODeadline.now() + .microseconds(min(clock.microseconds(until: next), Self.longest))
      guard due + .microseconds(Self.shortest) < state.due else { return }
      schedule(due, &state)
    }
  }

  /// Ticks until the task is cancelled.
  package func run() async {
    state.withLock { $0.isRunning = true }
    fire()
    await Latch().wait()
    state.withLock { state in
      state.isRunning = false
      state.timer?.cancel()
      state.timer = nil
    }
  }

  private func fire() {
    let isTime = state.withLock { state in
      guard state.isRunning else { return false }
      let wait = state.next.map { clock.microseconds(until: $0) } ?? Self.longest
      let isTime = wait == 0
      let pause = isTime && state.next == state.fired ? Self.again : Self.shortest
      if isTime { state.fired = state.next }
      schedule(.now() + .microseconds(min(max(wait, pause), Self.longest)), &state)
      return isTime
    }
    if isTime { inbox.tick() }
  }

  private func schedule(_ due: NIODeadline, _ state: inout State) {
    state.timer?.cancel()
    state.due = due
    state.timer = loop.scheduleTask(deadline: due) { self.fire() }
  }
}
