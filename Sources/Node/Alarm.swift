import Domain
import NIOCore
import NIOPosix
import Synchronization

/// Ticks the inbox at the next instant at which the chain wants to be stepped, in chain time.
///
/// One timer on an event loop, moved only when an instant comes that is earlier than the one it
/// waits for. It never waits longer than a tenth of a second, and ticks as well when the clock was
/// set back meanwhile: who waits for an instant of a time that is gone moves it then (rule 1's
/// timers would stand still for as long as the clock was set back).
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
    /// What both clocks said at the last look; the second cannot be set.
    var seen: (clock: Timestamp, monotonic: NIODeadline)?

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
  /// A clock that lost so much since the last look was set back.
  private static let setBack: Int64 = 50_000

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
      let wasSetBack = wasSetBack(&state)
      let isTime = wait == 0 || wasSetBack
      let pause = isTime && state.next == state.fired ? Self.again : Self.shortest
      if wait == 0 { state.fired = state.next }
      schedule(.now() + .microseconds(min(max(wait, pause), Self.longest)), &state)
      return isTime
    }
    if isTime { inbox.tick() }
  }

  private func wasSetBack(_ state: inout State) -> Bool {
    let (now, monotonic) = (clock.now, NIODeadline.now())
    defer { state.seen = (now, monotonic) }
    guard let seen = state.seen else { return false }
    let passed = (monotonic - seen.monotonic).nanoseconds / 1000
    let shown = (now.microseconds &- seen.clock.microseconds) / clock.calendar.rate
    return passed - shown > Self.setBack
  }

  private func schedule(_ due: NIODeadline, _ state: inout State) {
    state.timer?.cancel()
    state.due = due
    state.timer = loop.scheduleTask(deadline: due) { self.fire() }
  }
}
