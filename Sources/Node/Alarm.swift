import Domain
import Synchronization

/// The next instants at which the consensus actor wants to be woken, in chain time.
package final class Alarm: Sendable {
  package enum Cause: Sendable { case consensus, close }

  private let times = Mutex<(consensus: Timestamp?, close: Timestamp?)>((nil, nil))

  package init() {}

  /// Nil: this cause has no next instant.
  package func set(_ time: Timestamp?, for cause: Cause) {
    times.withLock { times in
      switch cause {
      case .consensus: times.consensus = time
      case .close: times.close = time
      }
    }
  }

  /// Ticks the inbox whenever an instant has come, until the task is cancelled. It never sleeps
  /// longer than a tenth of a second, so that a changed instant or a jumping clock is seen soon.
  package func run(clock: ChainClock, inbox: Inbox) async {
    var fired: Timestamp?
    while !Task.isCancelled {
      let next = times.withLock { times in
        [times.consensus, times.close].compactMap { $0 }.min()
      }
      let wait = next.map { clock.microseconds(until: $0) } ?? 100_000
      if wait == 0 { inbox.tick() }
      // An instant that has come and stays, as a close does that no block brings, is told again,
      // but not at every turn.
      let pause: Int64 = wait == 0 && next == fired ? 20_000 : 1000
      fired = wait == 0 ? next : nil
      try? await Task.sleep(for: .microseconds(min(max(wait, pause), 100_000)))
    }
  }
}
