/// When a connection's items of one sort are due.
package struct Pacer: Sendable {
  private enum Pace {
    /// Items a microsecond, and by what part of an item's time the connection is behind others.
    case open(rate: Double, phase: Double)
    case closed
  }

  private let pace: Pace
  /// `Monotonic` times between which items are sent.
  package let start: Int64
  package private(set) var end: Int64
  package private(set) var issued = 0

  /// Open: `perSecond` above 0; `phase` from 0 up to but not including 1.
  package init(perSecond: Double, phase: Double, start: Int64, end: Int64) {
    pace = .open(rate: perSecond / 1_000_000, phase: phase)
    self.start = start
    self.end = end
  }

  /// Closed: something is always due.
  package init(start: Int64, end: Int64) {
    pace = .closed
    self.start = start
    self.end = end
  }

  package var isOpen: Bool { if case .open = pace { true } else { false } }

  /// How many are due in all before `time` is over; of a closed pace, without end.
  package func count(by time: Int64) -> Int {
    guard case .open(let rate, let phase) = pace else { return .max }
    let passed = Double(min(time, end) - start) * rate - phase
    return passed < 0 ? 0 : Int(passed) + (time >= end && passed == passed.rounded(.down) ? 0 : 1)
  }

  /// How many are due by `time` and were not issued, `limit` at most.
  package func due(by time: Int64, limit: Int) -> Int {
    time < start ? 0 : min(limit, max(0, count(by: time) - issued))
  }

  /// When the item of that number, from 0, is due; of a closed pace, from the start on.
  package func time(of number: Int) -> Int64 {
    guard case .open(let rate, let phase) = pace else { return start }
    return start + Int64(((Double(number) + phase) / rate).rounded())
  }

  /// When the next one is due.
  package var next: Int64 { time(of: issued) }

  package mutating func issue(_ count: Int) { issued += count }

  /// Nothing is due from that time on.
  package mutating func cut(at time: Int64) { end = min(end, max(start, time)) }

  /// What was due and was never sent, since answers came too slowly.
  package var unsent: Int { isOpen ? max(0, count(by: end) - issued) : 0 }
}

/// Keeps the kinds of a closed loop in their proportion: neither readings nor commands get further
/// ahead of the other than a little.
package struct Balance: Sendable {
  private let readingsShare: Double
  private let batch: Double
  private var readings = 0.0
  private var commands = 0.0

  /// `batch` is what readings are sent by at most. They get ahead of commands by one at most, and
  /// commands ahead of readings by what the mix has for one, and one command.
  package init(mix: LoadMix, batch: Int) {
    readingsShare = mix[.reading]
    self.batch = Double(batch)
  }

  /// How many more readings may be sent: a batch, as long as no command is ahead or behind.
  package var readingsRoom: Int {
    guard readingsShare < 1 else { return .max }
    return room(commands * readingsShare / (1 - readingsShare) + batch - readings)
  }

  /// How many more commands may be sent.
  package var commandsRoom: Int {
    guard readingsShare > 0 else { return .max }
    return room((readings + batch) * (1 - readingsShare) / readingsShare - commands + 1)
  }

  private func room(_ value: Double) -> Int { value >= 1e9 ? .max : max(0, Int(value)) }

  package mutating func issue(readings count: Int) { readings += Double(count) }
  package mutating func issue(commands count: Int) { commands += Double(count) }
}
