import Foundation

/// How far a run has come, for whoever watches.
package struct LoadProgress: Hashable, Sendable {
  /// Microseconds since its start.
  package var passed: Int64
  package var seconds: Int
  package var applied: Int
  package var rejected: Int
  package var busy: Int
  /// Items that are due and not sent.
  package var behind: Int
  /// The newest whole second.
  package var last: SecondFigures?
  /// Items that were sent and are not answered.
  package var waiting = 0
  /// Seconds since a node was heard last.
  package var silent = 0
  /// Whether the load has ended and answers are waited for.
  package var isOver = false

  package init(
    passed: Int64, seconds: Int, applied: Int, rejected: Int, busy: Int, behind: Int,
    last: SecondFigures? = nil
  ) {
    self.passed = passed
    self.seconds = seconds
    self.applied = applied
    self.rejected = rejected
    self.busy = busy
    self.behind = behind
    self.last = last
  }
}

/// Tells which of many progress lines are shown where they do not move: the first one after every
/// ten seconds, whenever it comes.
package struct TenSeconds: Hashable, Sendable {
  private var shown: Int64 = 0

  package init() {}

  package mutating func isDue(_ progress: LoadProgress) -> Bool {
    let tens = progress.passed / 10_000_000
    defer { shown = max(shown, tens) }
    return tens > shown
  }
}

extension LoadProgress {
  /// One line: a bar, and what the newest second was like.
  package var line: String {
    let part = min(1, Double(passed) / Double(max(1, seconds) * 1_000_000))
    let filled = Int(20 * part)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
    var text = "\(bar) \(min(Int(passed / 1_000_000), seconds))/\(seconds) s"
    if isOver { text += ", waiting for answers" }
    if waiting > 0, silent >= LoadLimits.silence {
      text += " · no answer for \(silent) s, \(LoadReport.number(waiting)) wait"
    } else if let last {
      text += " · \(LoadReport.number(last.applied))/s"
      if let latency = last.latencyMicroseconds {
        text += " · p50 \(LoadReport.time(latency.p50)) · p99 \(LoadReport.time(latency.p99))"
      }
    }
    if rejected > 0 { text += " · \(LoadReport.number(rejected)) refused" }
    if busy > 0 { text += " · \(LoadReport.number(busy)) busy" }
    if behind > 0 { text += " · \(LoadReport.number(behind)) behind" }
    return text
  }
}
