import Domain

/// The utility's tariff in force, and those published for later intervals, in order.
struct TariffSchedule: Sendable {
  struct Line: Hashable, Sendable {
    /// First interval in which it is in force.
    var from: Interval
    var tariff: Tariff
  }

  /// Ascending by `from`; never empty. The first is also in force before its `from`.
  private(set) var lines: [Line]

  init(_ tariff: Tariff, from first: Interval) {
    lines = [Line(from: first, tariff: tariff)]
  }

  /// Nil when empty or not ascending.
  init?(_ lines: [Line]) {
    guard !lines.isEmpty, zip(lines, lines.dropFirst()).allSatisfy({ $0.from < $1.from }) else {
      return nil
    }
    self.lines = lines
  }

  /// From `first` on this tariff is in force, whatever was published for then before.
  mutating func publish(_ tariff: Tariff, from first: Interval) {
    while let last = lines.last, last.from >= first { lines.removeLast() }
    lines.append(Line(from: first, tariff: tariff))
  }

  func tariff(at interval: Interval) -> Tariff {
    (lines.last { $0.from <= interval } ?? lines[0]).tariff
  }

  /// Drops what is out of force in `interval` and after it.
  mutating func forget(before interval: Interval) {
    while lines.count > 1, lines[1].from <= interval { lines.removeFirst() }
  }
}
