import Domain
import Foundation
import Wire

/// Microseconds of a clock that does not go back.
package enum Monotonic {
  package static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }

  /// Returns at that time, or at once when it has passed or the task is cancelled.
  package static func sleep(until time: Int64) async {
    let left = time - now
    if left > 0 { try? await Task.sleep(for: .microseconds(left)) }
  }
}

/// A chain's time as its node told it: never ahead of the node's own clock, behind it by the time
/// that the answer took to come.
package struct LoadClock: Hashable, Sendable {
  package let intervalSeconds: Int64
  /// Chain seconds for each second.
  package let rate: Int64
  /// Chain time at `received`, microseconds.
  private var chainTime: Int64
  /// `Monotonic` time at which it was told.
  private var received: Int64

  package init(intervalSeconds: Int64, rate: Int64, chainTime: Int64, received: Int64) {
    self.intervalSeconds = max(1, intervalSeconds)
    self.rate = max(1, rate)
    self.chainTime = chainTime
    self.received = received
  }

  package init(_ status: Intertie_V1_StatusResponse, received: Int64) {
    self.init(
      intervalSeconds: status.intervalS, rate: status.rate, chainTime: status.chainTimeUs,
      received: received)
  }

  /// Takes the later of two statements, whose answer was faster.
  package mutating func refine(_ other: LoadClock) {
    if other.time(at: received) > chainTime { self = other }
  }

  /// Microseconds of chain time at a `Monotonic` time.
  package func time(at instant: Int64) -> Int64 { chainTime + (instant - received) * rate }

  /// The newest interval that has ended at a `Monotonic` time.
  package func ended(at instant: Int64) -> Interval {
    let seconds = time(at: instant - LoadLimits.clockMargin) / 1_000_000
    return Interval(seconds / intervalSeconds - 1)
  }

  /// How long ago an interval ended, microseconds of this machine's time.
  package func since(_ interval: Interval, at instant: Int64) -> Int64 {
    (time(at: instant) - (interval.index + 1) * intervalSeconds * 1_000_000) / rate
  }

  /// Microseconds that an interval lasts on this machine's clock.
  package var intervalMicroseconds: Int64 { intervalSeconds * 1_000_000 / rate }
}
