import Domain

/// How many entries of clients an inbox holds: as many as leave it in `Limits.inboxMilliseconds`.
///
/// By Little's law (J. D. C. Little, *A Proof for the Queuing Formula: L = λW*, Operations Research
/// 9(3), 1961) an entry waits for about that time, on a fast machine and on a slow one, as far as
/// the least that an inbox holds allows. What is beyond it is refused before it costs anything:
/// checked, it would only be answered later, and by every validator, and have to be worked off when
/// the clients have gone. How long entries wait is told by how many are there on average and how
/// many leave, in periods of about that time. A chain whose entries take long even where few wait,
/// since its validators are far from each other, is given twice what they take there, but no more
/// than thrice the usual; one that has only been flooded since it started is not told from a slow
/// one.
package struct InboxSize: Sendable {
  private static let usual = Limits.inboxMilliseconds * 1000
  /// So many entries on average do not wait for each other.
  private static let few: Int64 = 64
  /// A chain from which nothing leaves for longer stands still.
  private static let longest = 3 * usual

  /// Entries that it holds, beside each kind's own places.
  package private(set) var entries: Int
  private let range: ClosedRange<Int>
  /// When the period began, and until when it has been counted, µs.
  private var start: Int64?
  private var until: Int64 = 0
  /// In it: entries that were there, each for its time, µs; those that left; whether somebody found
  /// no room.
  private var held: Int64 = 0
  private var departures = 0
  private var wasFull = false
  /// When something left last, and when nothing was there last, µs.
  private var newest: Int64 = 0
  private var empty: Int64 = 0
  /// How long entries waited in periods in which few were there, µs.
  private var light = RecentLeast()

  /// It begins with `first` entries, and stays within `range`, which begins with 1 or more.
  package init(first: Int, range: ClosedRange<Int>) {
    entries = min(max(first, range.lowerBound), range.upperBound)
    self.range = range
  }

  /// For a node whose chain has so many validators, when it starts: all of them fill the same
  /// blocks.
  package init(validators: Int) {
    self.init(
      first: Limits.firstInboxEntries / max(1, validators),
      range: Limits.leastInboxEntries...Limits.inboxEntries)
  }

  /// How long entries may wait, µs.
  private var patience: Int64 { min(max(Self.usual, 2 * (light.value ?? 0)), Self.longest) }

  /// Somebody found no room.
  package mutating func refused() { wasFull = true }

  /// Until `now`, µs of a clock that does not go back, so many entries were there.
  package mutating func hold(_ count: Int, until now: Int64) {
    if start == nil { begin(at: now) }
    held += Int64(count) * max(0, now - until)
    until = max(until, now)
    if count == 0 { empty = until }
  }

  /// So many entries have been worked off, at the time until which it was told how many were there.
  /// What was refused at once is none of them: it tells nothing of how long the others wait.
  package mutating func released(_ count: Int) {
    guard count > 0 else { return }
    let quiet = until - max(newest, empty)
    newest = until
    // A chain that stood still is not slow.
    guard quiet <= Self.longest else { return begin(at: until) }
    departures += count
    let time = until - (start ?? until)
    guard time >= patience else { return }
    adjust(over: time)
    begin(at: until)
  }

  private mutating func adjust(over time: Int64) {
    let waited = held / Int64(departures)
    // What little there is in an inbox says nothing of a slow chain, however long it waits.
    let isLoaded = wasFull || held > Int64(range.lowerBound) * time
    if !wasFull, held <= Self.few * time { light.note(waited) }
    let leaving = Int64(departures) * patience / time
    let fitting: Int64
    if leaving > entries || (isLoaded && waited > patience) {
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

  private mutating func begin(at now: Int64) {
    start = now
    until = now
    (held, departures, wasFull) = (0, 0, false)
  }
}

/// What is reserved of an inbox.
struct InboxRoom {
  /// Entries, their bytes, and the calls that they came in.
  private struct Used {
    var entries = 0
    var bytes = 0
    var calls = 0

    mutating func add(_ places: Reservation, times: Int) {
      entries += times * places.entries
      bytes += times * places.bytes
      calls += times
    }
  }

  private var kinds = CallKind.allCases.map { _ in Used() }
  private var all = Used()

  var entries: Int { all.entries }

  enum Fit { case fits, lacksPlaces, lacksOther }

  /// Whether there is room in an inbox of that size. Each kind has places of its own besides,
  /// however much there is of the others.
  func fit(_ wanted: Reservation, of size: InboxSize) -> Fit {
    let used = kinds[wanted.kind.rawValue]
    let own = Self.own(wanted.kind, of: size)
    guard
      all.bytes + wanted.bytes <= Limits.inboxBytes || used.bytes + wanted.bytes <= own.bytes,
      all.calls < Limits.inboxCalls || used.calls < own.calls
    else { return .lacksOther }
    let hasPlaces =
      all.entries + wanted.entries <= size.entries || used.entries + wanted.entries <= own.entries
      // No batch is too large.
      || (wanted.kind == .readings && used.entries == 0)
    return hasPlaces ? .fits : .lacksPlaces
  }

  /// What is there for one kind alone.
  private static func own(_ kind: CallKind, of size: InboxSize) -> Used {
    let part = size.entries / Limits.inboxPlacesPerOwnPlace
    return switch kind {
    case .readings: Used(entries: part, bytes: Limits.inboxOwnBytes, calls: Limits.inboxOwnCalls)
    case .commands:
      Used(
        entries: max(Limits.commandsPerSubmission, part), bytes: Limits.inboxOwnBytes,
        calls: Limits.inboxOwnCalls)
    case .proofs:
      Used(
        entries: Limits.inboxProofs, bytes: Limits.inboxOwnBytes, calls: Limits.inboxProofs)
    }
  }

  mutating func take(_ places: Reservation) { add(places, times: 1) }

  mutating func release(_ places: Reservation) { add(places, times: -1) }

  private mutating func add(_ places: Reservation, times: Int) {
    all.add(places, times: times)
    kinds[places.kind.rawValue].add(places, times: times)
  }

  /// Of `places`, which are taken, those of so many entries are kept: 1 or more, and no more than
  /// there are.
  mutating func keep(_ count: Int, of places: Reservation) {
    let rest = places.entries - count
    all.entries -= rest
    kinds[places.kind.rawValue].entries -= rest
  }
}
