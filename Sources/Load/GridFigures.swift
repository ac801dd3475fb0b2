import Domain
import Histogram
import Synchronization

/// Latencies in microseconds, to three digits.
package typealias Latencies = Histogram<UInt32>

extension Latencies {
  package static var empty: Latencies {
    Latencies(highestTrackableValue: LoadLimits.latency, numberOfSignificantValueDigits: .three)
  }

  package mutating func note(_ microseconds: Int64) {
    record(Swift.min(UInt64(Swift.max(0, microseconds)), LoadLimits.latency))
  }
}

/// One item's answer.
package struct ItemAnswer: Hashable, Sendable {
  /// From the instant at which it was to be sent to the answer, microseconds.
  package var latency: Int64
  /// Height of its block; 0: it was refused without one.
  package var height: UInt64
  package var rejection: Rejection?

  package init(latency: Int64, height: UInt64, rejection: Rejection?) {
    self.latency = latency
    self.height = height
    self.rejection = rejection
  }
}

/// What became of one kind of items.
package struct KindTally: Sendable {
  /// Items handed to the network at least once.
  package var sent = 0
  /// Answered as applied.
  package var applied = 0
  /// Of these, before the load's end.
  package var appliedInTime = 0
  /// Answered with a reason, with a block or without.
  package var rejected: [Rejection: Int] = [:]
  /// Times that items met a busy node (RESOURCE_EXHAUSTED), and a connection or call that broke.
  package var busy = 0
  package var broken = 0
  /// Times that items were sent again.
  package var retried = 0
  /// Items given up: the node had refused them as busy; or nobody knows what became of them.
  package var dropped = 0
  package var lost = 0
  /// Items that were due and never sent, since answers came too slowly.
  package var unsent = 0
  /// Of the items that a block has.
  package var latencies = Latencies.empty

  package var answered: Int { applied + rejected.values.reduce(0, +) }

  mutating func note(_ answer: ItemAnswer) {
    if let reason = answer.rejection { rejected[reason, default: 0] += 1 } else { applied += 1 }
    if answer.height > 0 { latencies.note(answer.latency) }
  }

  package mutating func add(_ other: KindTally) {
    sent += other.sent
    applied += other.applied
    appliedInTime += other.appliedInTime
    rejected.merge(other.rejected, uniquingKeysWith: +)
    busy += other.busy
    broken += other.broken
    retried += other.retried
    dropped += other.dropped
    lost += other.lost
    unsent += other.unsent
    latencies.add(other.latencies)
  }
}

/// Everything that a grid's answers came to, all its connections together.
package final class GridFigures: Sendable {
  package struct State: Sendable {
    /// When the load ends, and when a node was heard last, on the `Monotonic` clock.
    var end: Int64
    var heard: Int64
    package var kinds: [KindTally] = ItemKind.allCases.map { _ in KindTally() }
    package var seconds: [SecondFigures] = []
    package var current = SecondTally()
    package var second = 0
    /// Items that were made ready by the end of each of these seconds, since the start.
    package var issued: [Int] = []
    package var issuedSoFar = 0
    /// Transfers that left for another grid, by its number: for sure, and perhaps.
    package var departed: [Int: Int] = [:]
    package var perhaps: [Int: Int] = [:]

    package subscript(_ kind: ItemKind) -> KindTally {
      get { kinds[kind.rawValue] }
      set { kinds[kind.rawValue] = newValue }
    }

    /// Items that were made ready by the end of that second.
    package func issued(bySecond second: Int) -> Int {
      second < issued.count ? issued[second] : issuedSoFar
    }

    /// Closes the seconds up to the one that has `time`, microseconds since the run's start.
    mutating func advance(to time: Int64) {
      let now = Int(max(0, time) / 1_000_000)
      while second < now, second < LoadLimits.seconds.upperBound {
        seconds.append(SecondFigures(second: second, current))
        issued.append(issuedSoFar)
        current = SecondTally()
        second += 1
      }
    }
  }

  private let start: Int64
  private let state: Mutex<State>

  /// When the load starts and ends, on the `Monotonic` clock.
  package init(start: Int64, end: Int64 = .max) {
    self.start = start
    state = Mutex(State(end: end, heard: start))
  }

  /// The load ends earlier, at that time.
  package func cut(at time: Int64) { state.withLock { $0.end = min($0.end, time) } }

  package var figures: State { state.withLock { $0 } }

  /// What is answered so far: applied, refused, met a busy node; what waits for an answer; and when
  /// a node was heard last, on the `Monotonic` clock.
  package var progress: (applied: Int, rejected: Int, busy: Int, waiting: Int, heard: Int64) {
    state.withLock { state in
      state.kinds.reduce(into: (0, 0, 0, 0, state.heard)) { sum, kind in
        sum.0 += kind.applied
        sum.1 += kind.answered - kind.applied
        sum.2 += kind.busy
        sum.3 += kind.sent - kind.answered - kind.dropped - kind.lost
      }
    }
  }

  /// The second that was over last at that time.
  package func newest(at time: Int64) -> SecondFigures? {
    state.withLock { state in
      state.advance(to: time - start)
      return state.seconds.last
    }
  }

  /// So many items were made ready to be sent, or skipped.
  package func noteIssued(_ count: Int, at time: Int64) {
    state.withLock { state in
      state.advance(to: time - start)
      state.issuedSoFar += count
    }
  }

  package func change(_ kind: ItemKind, _ body: (inout KindTally) -> Void) {
    state.withLock { body(&$0.kinds[kind.rawValue]) }
  }

  /// Counts answers that came at `time`, on the `Monotonic` clock.
  package func note(_ kind: ItemKind, _ answers: [ItemAnswer], at time: Int64) {
    state.withLock { state in
      state.advance(to: time - start)
      state.heard = max(state.heard, time)
      for answer in answers {
        state.kinds[kind.rawValue].note(answer)
        if answer.rejection == nil {
          state.current.applied += 1
          if time <= state.end { state.kinds[kind.rawValue].appliedInTime += 1 }
        } else {
          state.current.rejected += 1
        }
        if answer.height > 0 {
          state.current.latencies.record(
            min(UInt64(max(0, answer.latency)), LoadLimits.latency))
        }
      }
    }
  }

  /// Counts items that met a busy node.
  package func noteBusy(_ kind: ItemKind, _ count: Int, at time: Int64) {
    state.withLock { state in
      state.advance(to: time - start)
      state.heard = max(state.heard, time)
      state.kinds[kind.rawValue].busy += count
      state.current.busy += count
    }
  }

  /// Counts items whose connection or call broke.
  package func noteBroken(_ kind: ItemKind, _ count: Int, at time: Int64) {
    state.withLock { state in
      state.advance(to: time - start)
      state.kinds[kind.rawValue].broken += count
      state.current.broken += count
    }
  }

  /// A transfer to the grid of that number was debited; or nobody knows whether it was.
  package func noteDeparture(to grid: Int, isSure: Bool) {
    state.withLock { state in
      if isSure {
        state.departed[grid, default: 0] += 1
      } else {
        state.perhaps[grid, default: 0] += 1
      }
    }
  }

  /// Closes the load's last second, and that of the last answer.
  package func finish(at time: Int64) {
    state.withLock { state in
      state.advance(to: time - start + 999_999)
      if !state.current.isEmpty { state.advance(to: Int64(state.second + 1) * 1_000_000) }
    }
  }
}
