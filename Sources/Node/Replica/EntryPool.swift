import Domain

/// Entries on their way to a final block: those of this node's clients, which stay until their
/// block is final, and those that other nodes handed on for a block that this node proposes.
///
/// An entry is known by its identity: handed in twice it stands here once, and all who wait for it
/// get the one result. Commands go into a block before readings, so that a flood of readings does
/// not make members wait; in each lane the order is that of arrival.
package struct EntryPool: Sendable {
  package init() {}

  private struct Waiter {
    var ticket: UInt64
    var index: Int
  }

  private struct Pooled {
    var entry: VerifiedEntry
    /// Empty for an entry of another node's client.
    var waiters: [Waiter] = []
    /// The view of a held proposal that has it; nil while it waits for one.
    var view: UInt64?
    /// The view in which it came.
    var since: UInt64

    var isOwn: Bool { !waiters.isEmpty }
  }

  private struct Ticket {
    var answer: SubmissionAnswer
    var results: [EntryResult]
    var left: Int
  }

  private var pooled: [Digest: Pooled] = [:]
  private var commands = Lane()
  private var readings = Lane()
  private var tickets: [UInt64: Ticket] = [:]
  private var nextTicket: UInt64 = 0
  /// By view, the identities of pooled entries in its proposal.
  private var proposed: [UInt64: [Digest]] = [:]
  /// Entries that wait for a proposal: of this node's clients, and of others'.
  package private(set) var ownWaiting = 0
  package private(set) var foreignWaiting = 0
  /// Entries of other nodes' clients, waiting or proposed.
  private var foreign = 0
  /// The view for whose leader the lanes' offers count.
  private var offeredView: UInt64 = 0
  /// No command here expires before it; nil when none is here.
  private var firstExpiry: Timestamp?

  package var count: Int { pooled.count }
  package var hasOwn: Bool { ownWaiting > 0 }
  package var hasSomething: Bool { ownWaiting + foreignWaiting > 0 }

  // MARK: In

  /// Takes a client's entries.
  package mutating func admit(_ submission: Submission, view: UInt64) {
    let ticket = nextTicket
    nextTicket += 1
    tickets[ticket] = Ticket(
      answer: submission.answer,
      results: Array(repeating: .refused(.malformed), count: submission.entries.count),
      left: submission.entries.count)
    for (index, entry) in submission.entries.enumerated() {
      add(entry, Waiter(ticket: ticket, index: index), view)
    }
  }

  private mutating func add(_ entry: VerifiedEntry, _ waiter: Waiter, _ view: UInt64) {
    let wasForeign: Bool? = pooled[entry.identity].map { !$0.isOwn }
    switch wasForeign {
    case nil:
      pooled[entry.identity] = Pooled(entry: entry, waiters: [waiter], since: view)
      append(entry)
      ownWaiting += 1
    case let wasForeign?:
      pooled[entry.identity]?.waiters.append(waiter)
      guard wasForeign else { return }
      foreign -= 1
      if pooled[entry.identity]?.view == nil {
        foreignWaiting -= 1
        ownWaiting += 1
      }
    }
  }

  /// Takes what another node handed on; what finds no room is left out: its node offers it again
  /// to the next leader.
  package mutating func admit(foreign entries: [VerifiedEntry], view: UInt64) {
    for entry in entries where foreign < Limits.foreignEntries && pooled[entry.identity] == nil {
      pooled[entry.identity] = Pooled(entry: entry, since: view)
      append(entry)
      foreign += 1
      foreignWaiting += 1
    }
  }

  private mutating func append(_ entry: VerifiedEntry) {
    if entry.isReading {
      readings.append(entry.identity)
    } else {
      commands.append(entry.identity)
      firstExpiry = [firstExpiry, entry.expires].compactMap { $0 }.min()
    }
  }

  /// The verified entry of that identity and signature, if it is here: it needs no second check.
  package func known(_ entry: VerifiedEntry) -> Bool {
    pooled[entry.identity]?.entry.signed.signature == entry.signed.signature
  }

  // MARK: Proposals

  /// A block's body from what waits, as much as fits, for a block of that time. Commands that have
  /// expired by then stay: a proposal that is not seen here may have them; see `expire`.
  package mutating func takeBody(view: UInt64, time: Timestamp) -> [VerifiedEntry] {
    var room = BlockRoom()
    var taken: [VerifiedEntry] = []
    for lane in [commands, readings] {
      for identity in lane.waiting {
        guard let place = pooled[identity], place.view == nil, !place.entry.isExpired(at: time)
        else { continue }
        guard room.takes(place.entry) else { break }
        taken.append(place.entry)
        mark(identity, place, view: view)
      }
    }
    compact()
    return taken
  }

  /// A held proposal of `view` has these entries: they wait no longer.
  package mutating func mark(_ entries: [VerifiedEntry], view: UInt64) {
    for entry in entries {
      guard let place = pooled[entry.identity], place.view == nil else { continue }
      mark(entry.identity, place, view: view)
    }
    compact()
  }

  private mutating func mark(_ identity: Digest, _ place: Pooled, view: UInt64) {
    pooled[identity]?.view = view
    if place.isOwn { ownWaiting -= 1 } else { foreignWaiting -= 1 }
    proposed[view, default: []].append(identity)
  }

  /// Puts back what stood in proposals that came to nothing. Entries of other nodes' clients that
  /// have waited long are dropped: their nodes have taken them elsewhere.
  package mutating func reclaim(view: UInt64, isLost: (UInt64) -> Bool) {
    for lost in proposed.keys.sorted(by: >) where isLost(lost) {
      let identities = proposed.removeValue(forKey: lost) ?? []
      var back: [Digest] = []
      for identity in identities where pooled[identity]?.view == lost {
        pooled[identity]?.view = nil
        if pooled[identity]?.isOwn == true { ownWaiting += 1 } else { foreignWaiting += 1 }
        back.append(identity)
      }
      commands.restore(back.filter { pooled[$0]?.entry.isReading == false })
      readings.restore(back.filter { pooled[$0]?.entry.isReading == true })
    }
    guard foreignWaiting > 0, view.isMultiple(of: 16) else { return }
    let old = pooled.filter {
      !$0.value.isOwn && $0.value.view == nil && $0.value.since + Self.foreignViews < view
    }
    for identity in old.keys { forget(identity) }
    compact()
  }

  /// Views after which an entry of another node's client is dropped.
  private static let foreignViews: UInt64 = 512

  /// What waits of this node's clients and was not yet offered to the leader of `view`, at most
  /// one block's worth.
  package mutating func offers(for view: UInt64) -> [VerifiedEntry] {
    if offeredView != view {
      offeredView = view
      commands.withdrawOffers()
      readings.withdrawOffers()
    }
    var room = BlockRoom()
    var offers: [VerifiedEntry] = []
    func offer(_ lane: inout Lane) {
      while let identity = lane.nextToOffer {
        if let place = pooled[identity], place.view == nil, place.isOwn {
          guard room.takes(place.entry) else { return }
          offers.append(place.entry)
        }
        lane.offer()
      }
    }
    offer(&commands)
    offer(&readings)
    return offers
  }

  // MARK: Out

  /// A block of that time is final: no later one can have commands that expired before it.
  package mutating func expire(before time: Timestamp) {
    guard let first = firstExpiry, first < time else { return }
    firstExpiry = pooled.values.compactMap(\.entry.expires).filter { $0 >= time }.min()
    let expired = pooled.filter { $0.value.entry.isExpired(at: time) }.keys.sorted()
    for identity in expired { resolve(identity, .refused(.expired)) }
    compact()
  }

  /// Gives an entry's result to all who wait for it, and forgets it.
  package mutating func resolve(_ identity: Digest, _ result: EntryResult) {
    for waiter in forget(identity) {
      guard tickets[waiter.ticket] != nil else { continue }
      tickets[waiter.ticket]?.results[waiter.index] = result
      tickets[waiter.ticket]?.left -= 1
      if tickets[waiter.ticket]?.left == 0, let done = tickets.removeValue(forKey: waiter.ticket) {
        finished.append((done.answer, done.results))
      }
    }
  }

  /// Calls whose last result came; taken once what decided it is durable.
  private var finished: [(answer: SubmissionAnswer, results: [EntryResult])] = []

  package mutating func takeFinished() -> [(answer: SubmissionAnswer, results: [EntryResult])] {
    defer { finished = [] }
    return finished
  }

  /// All calls that still wait, for a node that stops.
  package mutating func takeAnswers() -> [SubmissionAnswer] {
    let open = tickets.keys.sorted().compactMap { tickets[$0]?.answer }
    let answers = finished.map(\.answer) + open
    self = EntryPool()
    return answers
  }

  @discardableResult
  private mutating func forget(_ identity: Digest) -> [Waiter] {
    guard let place = pooled.removeValue(forKey: identity) else { return [] }
    if !place.isOwn { foreign -= 1 }
    if place.view == nil {
      if place.isOwn { ownWaiting -= 1 } else { foreignWaiting -= 1 }
    }
    return place.waiters
  }

  private mutating func compact() {
    commands.compact { pooled[$0]?.view == nil && pooled[$0] != nil }
    readings.compact { pooled[$0]?.view == nil && pooled[$0] != nil }
  }
}

/// What a block holds so far.
private struct BlockRoom {
  private var entries = 0
  private var bytes = 0

  mutating func takes(_ entry: VerifiedEntry) -> Bool {
    guard entries < Limits.blockEntries, bytes + entry.encodedSize <= Limits.blockBytes else {
      return false
    }
    entries += 1
    bytes += entry.encodedSize
    return true
  }
}

/// Identities in order of arrival. Those that wait no longer are passed over and, from the front,
/// dropped.
private struct Lane: Sendable {
  private var identities: [Digest] = []
  private var first = 0
  private var offered = 0

  var waiting: ArraySlice<Digest> { identities[first...] }
  var length: Int { identities.count }
  /// Places in front that are passed over before they are dropped.
  static let slack = 4096

  mutating func append(_ identity: Digest) { identities.append(identity) }

  /// In front again, in their order.
  mutating func restore(_ back: [Digest]) {
    guard !back.isEmpty else { return }
    identities.replaceSubrange(..<first, with: back)
    first = 0
    offered = 0
  }

  var nextToOffer: Digest? {
    let next = max(offered, first)
    return next < identities.count ? identities[next] : nil
  }

  mutating func offer() { offered = max(offered, first) + 1 }
  mutating func withdrawOffers() { offered = first }

  /// Drops from the front what does not wait any more.
  mutating func compact(_ isWaiting: (Digest) -> Bool) {
    while first < identities.count, !isWaiting(identities[first]) { first += 1 }
    if first == identities.count {
      identities.removeAll(keepingCapacity: true)
      first = 0
      offered = 0
    } else if first > Self.slack {
      identities.removeFirst(first)
      offered = max(0, offered - first)
      first = 0
    }
  }
}

extension VerifiedEntry {
  package var isReading: Bool { content.kind == .reading }

  /// The last block time at which a command may be executed; nil for a reading.
  var expires: Timestamp? {
    if case .command(let command) = content { command.expires } else { nil }
  }

  /// A command that may not stand in a block of that time.
  func isExpired(at time: Timestamp) -> Bool { expires.map { $0 < time } ?? false }
}

// MARK: Invariants

extension EntryPool {
  /// The counters are those of the table, whatever waits stands in its lane, and nothing is kept
  /// for entries or calls that are gone.
  package func checkInvariants() throws(InvariantViolation) {
    let own = pooled.values.filter(\.isOwn)
    guard ownWaiting == own.count(where: { $0.view == nil }),
      foreign == pooled.count - own.count,
      foreignWaiting == pooled.values.count(where: { !$0.isOwn && $0.view == nil })
    else { throw InvariantViolation("the pool's counters are not those of its entries") }
    let lanes = Set(commands.waiting).union(readings.waiting)
    for (identity, place) in pooled where place.view == nil && !lanes.contains(identity) {
      throw InvariantViolation("an entry waits outside of its lane: \(identity)")
    }
    for lane in [commands, readings] where lane.length > 2 * pooled.count + Lane.slack {
      throw InvariantViolation("\(lane.length) places in a lane for \(pooled.count) entries")
    }
    let waiters = own.reduce(0) { $0 + $1.waiters.count }
    guard tickets.values.reduce(0, { $0 + $1.left }) == waiters else {
      throw InvariantViolation("calls wait for entries that are not in the pool")
    }
    guard foreign <= Limits.foreignEntries else {
      throw InvariantViolation("\(foreign) entries of other nodes' clients")
    }
  }
}
