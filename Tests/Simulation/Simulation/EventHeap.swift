/// Events by time, then by order of scheduling: a binary heap of places in a table, so that the
/// events themselves, which are large, never move.
struct EventHeap<Event> {
  private struct Entry {
    var time: Int64
    var order: UInt64
    var place: Int

    func isBefore(_ other: Entry) -> Bool { (time, order) < (other.time, other.order) }
  }

  private var entries: [Entry] = []
  private var events: [Event?] = []
  private var free: [Int] = []
  private var order: UInt64 = 0

  /// Time of the next event.
  var next: Int64? { entries.first?.time }

  mutating func push(_ event: Event, at time: Int64) {
    order += 1
    let place = free.popLast() ?? events.count
    if place == events.count { events.append(event) } else { events[place] = event }
    entries.append(Entry(time: time, order: order, place: place))
    var child = entries.count - 1
    while child > 0, entries[child].isBefore(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> (time: Int64, event: Event)? {
    guard let first = entries.first, let last = entries.popLast(),
      let event = events[first.place].take()
    else { return nil }
    free.append(first.place)
    if !entries.isEmpty {
      entries[0] = last
      sink()
    }
    return (first.time, event)
  }

  private mutating func sink() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
        if entries[child].isBefore(entries[least]) { least = child }
      }
      guard least != parent else { return }
      entries.swapAt(least, parent)
      parent = least
    }
  }
}
