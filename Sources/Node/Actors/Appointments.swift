import Domain

/// When clients for whom an inbox had no room are to come again.
///
/// If all came a moment later, nearly all would be refused again, and each time the node has read a
/// message for nothing: in a flood of 60,000 meters four for each that it took. So each is given a
/// time of its own, behind those who were refused before, and they follow each other twice as fast
/// as the inbox is worked off, since not everybody comes again. It is a time and no place: who
/// comes first then is served first. Nobody is sent away for longer than `Limits.retryMilliseconds`
/// allows; where that is not enough for all, those who are left are spread over its last fifth, so
/// that those who came together do not do so again.
package struct Appointments: Sendable {
  private static let first = Limits.retryMilliseconds.lowerBound * 1000
  private static let last = Limits.retryMilliseconds.upperBound * 1000

  /// The time of who is refused next, µs.
  private var next: Int64 = 0

  package init() {}

  /// After how many milliseconds so many entries, 1 or more, may come again, at `now`, µs of a
  /// clock that does not go back. `room`: what the inbox holds, 1 or more, which is what leaves it
  /// in `Limits.inboxMilliseconds`.
  package mutating func give(_ entries: Int, room: Int, at now: Int64) -> Int64 {
    next = max(next, now + Self.first)
    var pause = next - now
    if pause > Self.last { pause = .random(in: Self.last * 4 / 5...Self.last) }
    let step = Int64(entries) * Limits.inboxMilliseconds * 1000 / Int64(2 * room)
    next = min(next + step, now + Self.last + 1)
    return pause / 1000
  }
}
