import Domain

/// How many entries of clients an inbox holds: as many as leave it in `Limits.inboxMilliseconds`.
///
/// By Little's law (J. D. C. Little, *A Proof for the Queuing Formula: L = λW*, Operations Research
/// 9(3), 1961) an entry waits for about that time, on a fast machine and on a slow one, as far as
/// the least that an inbox holds allows. What is beyond it is refused before it costs anything:
/// checked, it would only be answered later, and by every validator, and have to be worked off when
/// the clients have gone. How long entries wait is told by how many are there on average and how
/// many leave, once in that time. A chain whose entries take long even where few wait, since its
/// validators are far from each other, is given twice what they take there, but no more than thrice
/// the usual.
package struct InboxSize: Sendable {
  private static let usual = Limits.inboxMilliseconds * 1000
  /// Periods with few entries, and room for all, of which the one with the shortest wait counts.
  private static let memory = 8

  /// Entries that it holds, beside the commands' own places.
  package private(set) var entries: Int
  private let range: ClosedRange<Int>
  /// From when on it is being measured, µs, and until when it has been.
  private var since: Int64?
  private var until: Int64 = 0
  /// Since then: entries that were there, each for its time, µs; those that left; whether somebody
  /// found no room.
  private var held: Int64 = 0
  private var departures = 0
  private var wasFull = false
  /// How long entries waited in periods in which few were there, µs, the oldest overwritten.
  private var light: [Int64] = []
  private var next = 0

  /// It begins with `first` entries, and stays within `range`.
  package init(first: Int, range: ClosedRange<Int>) {
    entries = min(max(first, range.lowerBound), range.upperBound)
    self.range = range
  }

  /// For a node whose chain has so many validators, when it starts: all of them fill the same
  /// blocks.
  package init(validators: Int) {
    self.init(
      first: Limits.inboxEntries / max(1, validators),
      range: Limits.leastInboxEntries...Limits.inboxEntries)
  }

  /// How long entries may wait, µs.
  private var patience: Int64 { min(max(Self.usual, 2 * (light.min() ?? 0)), 3 * Self.usual) }

  /// Somebody found no room.
  package mutating func refused() { wasFull = true }

  /// So many were worked off. What is refused at once, or waits for nothing, is not counted: it
  /// tells nothing of how long the others wait.
  package mutating func released(_ count: Int) { departures += count }

  /// Until `now`, µs of a clock that does not go back, it has held so many entries.
  package mutating func hold(_ count: Int, until now: Int64) {
    guard let since else {
      begin(at: now)
      return
    }
    held += Int64(count) * max(0, now - until)
    until = max(until, now)
    guard until - since >= patience else { return }
    // A chain that stands still is not slow, and will not be when it goes on.
    if departures > 0 { adjust(over: until - since) }
    begin(at: until)
  }

  private mutating func adjust(over time: Int64) {
    let waited = held / Int64(departures)
    if !wasFull, held <= Int64(range.lowerBound) * time { note(waited) }
    let leaving = Int64(departures) * patience / time
    let fitting: Int64
    if waited > patience || leaving > entries {
      fitting = leaving
    } else if wasFull {
      fitting = max(Int64(entries), Int64(entries) * patience / max(waited, 1))
    } else {
      return
    }
    // One period may have been anything: half at least, and twice at most.
    let next = min(max(Int(clamping: fitting), entries / 2), 2 * entries)
    entries = min(max(next, range.lowerBound), range.upperBound)
  }

  private mutating func note(_ waited: Int64) {
    if light.count < Self.memory { light.append(waited) } else { light[next] = waited }
    next = (next + 1) % Self.memory
  }

  private mutating func begin(at now: Int64) {
    (since, until) = (now, now)
    (held, departures, wasFull) = (0, 0, false)
  }
}

/// What is reserved of an inbox.
struct InboxRoom {
  private(set) var entries = 0
  /// Those of them that are readings.
  private var readings = 0
  private var bytes = 0
  private var calls = 0

  enum Fit { case fits, lacksPlaces, lacksOther }

  /// Whether there is room in an inbox of that size. Commands have places of their own, however
  /// many readings there are; and readings have room where there are none, so that no batch is too
  /// large.
  func fit(_ wanted: Reservation, of size: InboxSize) -> Fit {
    var (room, most) = (Limits.inboxBytes, Limits.inboxCalls)
    var hasPlaces = entries + wanted.entries <= size.entries
    if wanted.isForCommands {
      let own = max(
        Limits.commandsPerSubmission, size.entries / Limits.inboxPlacesPerCommandPlace)
      hasPlaces = hasPlaces || entries - readings + wanted.entries <= own
      room += Limits.inboxCommandBytes
      most += Limits.inboxCommandCalls
    } else {
      hasPlaces = hasPlaces || readings == 0
    }
    guard bytes + wanted.bytes <= room, calls < most else { return .lacksOther }
    return hasPlaces ? .fits : .lacksPlaces
  }

  mutating func take(_ places: Reservation) {
    entries += places.entries
    if !places.isForCommands { readings += places.entries }
    bytes += places.bytes
    calls += 1
  }

  mutating func release(_ places: Reservation) {
    entries -= places.entries
    if !places.isForCommands { readings -= places.entries }
    bytes -= places.bytes
    calls -= 1
  }
}
