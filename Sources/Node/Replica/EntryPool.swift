import Domain

/// Entries on their way to a final block: those of this node's clients, which stay until their
/// block is final, and those that other nodes handed on for a block that this node proposes.
///
/// An entry is known by its identity: handed in twice it stands here once, and all who wait for it
/// get the one result. Commands go into a block before readings, so that a flood of readings does
/// not make members wait; while readings wait, a part of the block is theirs, so that a flood of
/// commands does not make meters wait. Of each of the two kinds this node's clients and every node
/// that hands entries on have a lane, in order of arrival, and the lanes go into a block in turn,
/// entry by entry; a node has no more entries here than its quota. So one that hands on junk delays
/// and displaces nobody else's.
package struct EntryPool: Sendable {
  package init() {}

  private struct Waiter {
    var ticket: UInt64
    var index: Int
  }

  private struct Pooled {
    var entry: VerifiedEntry
    /// Its place in `sources`.
    var source: Int
    /// Empty for an entry of another node's client.
    var waiters: [Waiter] = []
    /// The view of a held proposal that has it; nil while it waits for one.
    var view: UInt64?
    /// The view in which it came.
    var since: UInt64

    var isOwn: Bool { source == EntryPool.own }
  }

  /// This node's clients, or a node that hands entries on.
  private struct Source {
    /// Nil for this node's clients.
    var forwarder: PublicKey?
    var lanes = [EntryLane(), EntryLane()]
    /// Its entries, waiting or proposed, and the largest quota that it was given.
    var count = 0
    var quota = 0
  }

  private struct Ticket {
    var answer: SubmissionAnswer
    var results: [EntryResult]
    var left: Int
  }

  private var pooled: [Digest: Pooled] = [:]
  /// This node's clients first. A node that has nothing here gives its place to the next.
  private var sources = [Source()]
  private var forwarders: [PublicKey: Int] = [:]
  private static let own = 0
  /// Lanes of a source.
  private static let commands = 0
  private static let readings = 1
  /// How a block is filled: a lane at a time, and whether that leaves the readings' part.
  private typealias Turn = (lane: Int, isSparing: Bool)
  private static let turns: [Turn] = [(commands, true), (readings, false), (commands, false)]
  private var tickets: [UInt64: Ticket] = [:]
  private var nextTicket: UInt64 = 0
  /// By view, the identities of pooled entries in its proposal.
  private var proposed: [UInt64: [Digest]] = [:]
  /// Entries that wait for a proposal: of this node's clients, and of others'.
  package private(set) var ownWaiting = 0
  package private(set) var foreignWaiting = 0
  /// The view for whose leader the lanes' offers count.
  private var offered = (view: UInt64(0), entries: 0)
  /// No command here expires before it; nil when none is here.
  private var firstExpiry: Timestamp?

  package var count: Int { pooled.count }
  package var hasOwn: Bool { ownWaiting > 0 }
  package var hasSomething: Bool { ownWaiting + foreignWaiting > 0 }

  // MARK: In

  /// Takes a client's entries.
  package mutating func admit(_ submission: Submission, view: UInt64) {
    compact(Self.own)
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
    guard let place = pooled[entry.identity] else {
      pooled[entry.identity] = Pooled(
        entry: entry, source: Self.own, waiters: [waiter], since: view)
      append(entry, to: Self.own)
      ownWaiting += 1
      return
    }
    pooled[entry.identity]?.waiters.append(waiter)
    guard !place.isOwn else { return }
    // Its place in the other node's lane is passed over from now on.
    pooled[entry.identity]?.source = Self.own
    sources[place.source].count -= 1
    sources[Self.own].count += 1
    guard place.view == nil else { return }
    foreignWaiting -= 1
    ownWaiting += 1
    sources[Self.own].lanes[Self.lane(of: entry)].append(entry.identity)
  }

  /// Takes what `forwarder` handed on, up to `quota` entries of it; what finds no room is left out:
  /// its node offers it again to the next leader.
  package mutating func admit(
    foreign entries: [VerifiedEntry], from forwarder: PublicKey, quota: Int, view: UInt64
  ) {
    guard !entries.isEmpty, let source = source(of: forwarder) else { return }
    compact(source)
    sources[source].quota = max(sources[source].quota, quota)
    for entry in entries where pooled[entry.identity] == nil {
      guard sources[source].count < quota else { return }
      pooled[entry.identity] = Pooled(entry: entry, source: source, since: view)
      append(entry, to: source)
      foreignWaiting += 1
    }
  }

  /// A forwarder's place; nil while more nodes have entries here than a peers file can list.
  private mutating func source(of forwarder: PublicKey) -> Int? {
    if let known = forwarders[forwarder] { return known }
    let free = sources.indices.dropFirst().first { sources[$0].count == 0 }
    guard let place = free ?? (sources.count <= PeerLimits.peers ? sources.count : nil) else {
      return nil
    }
    if place == sources.count { sources.append(Source()) }
    if let idle = sources[place].forwarder { forwarders[idle] = nil }
    sources[place] = Source(forwarder: forwarder)
    forwarders[forwarder] = place
    return place
  }

  private mutating func append(_ entry: VerifiedEntry, to source: Int) {
    sources[source].lanes[Self.lane(of: entry)].append(entry.identity)
    sources[source].count += 1
    if let expires = entry.expires { firstExpiry = min(firstExpiry ?? expires, expires) }
  }

  private static func lane(of entry: VerifiedEntry) -> Int {
    entry.isReading ? readings : commands
  }

  /// The verified entry of that identity and signature, if it is here: it needs no second check.
  package func known(_ entry: VerifiedEntry) -> Bool {
    pooled[entry.identity]?.entry.signed.signature == entry.signed.signature
  }

  // MARK: Proposals

  /// A block's body from what waits, as much as fits, `limit` entries at most, for a block of that
  /// time. Commands that have expired by then stay: a proposal that is not seen here may have them;
  /// see `expire`.
  package mutating func takeBody(
    view: UInt64, time: Timestamp, limit: Int = Limits.blockEntries
  ) -> [VerifiedEntry] {
    var room = BlockRoom(limit: limit)
    var taken: [VerifiedEntry] = []
    for turn in Self.turns { takeInTurn(turn, &taken, &room, view: view, time: time) }
    compact()
    return taken
  }

  /// One entry of each source that has one, and again, until the block is full.
  private mutating func takeInTurn(
    _ turn: Turn, _ taken: inout [VerifiedEntry], _ room: inout BlockRoom, view: UInt64,
    time: Timestamp
  ) {
    // The sources that are not through, and how far each has come.
    let lane = turn.lane
    var turns = sources.indices.map { (source: $0, next: sources[$0].lanes[lane].first) }
    while !turns.isEmpty {
      var remaining = 0
      for (source, start) in turns {
        var next = start
        while let identity = sources[source].lanes[lane][next] {
          next += 1
          guard let place = pooled[identity], place.source == source, place.view == nil,
            !place.entry.isExpired(at: time)
          else { continue }
          guard room.takes(place.entry, sparing: turn.isSparing) else { return }
          taken.append(place.entry)
          mark(identity, place, view: view)
          turns[remaining] = (source, next)
          remaining += 1
          break
        }
      }
      turns.removeLast(turns.count - remaining)
    }
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
    let lost = proposed.keys.sorted(by: >).filter(isLost)
    for lost in lost {
      var back = [[[Digest]]](repeating: [[], []], count: sources.count)
      for identity in proposed.removeValue(forKey: lost) ?? [] {
        guard let place = pooled[identity], place.view == lost else { continue }
        pooled[identity]?.view = nil
        if place.isOwn { ownWaiting += 1 } else { foreignWaiting += 1 }
        back[place.source][Self.lane(of: place.entry)].append(identity)
      }
      for source in sources.indices {
        for lane in [Self.commands, Self.readings] {
          sources[source].lanes[lane].restore(back[source][lane])
        }
      }
    }
    // What came back stands in the lanes beside places that are passed over.
    if !lost.isEmpty { compact() }
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
  /// `limit` entries in all calls for that view: the leader checks each of them.
  package mutating func offers(
    for view: UInt64, limit: Int = Limits.blockEntries
  ) -> [VerifiedEntry] {
    if offered.view != view {
      offered = (view, 0)
      for lane in [Self.commands, Self.readings] { sources[Self.own].lanes[lane].withdrawOffers() }
    }
    var room = BlockRoom(limit: max(0, limit - offered.entries))
    var offers: [VerifiedEntry] = []
    func offer(_ lane: inout EntryLane, sparing: Bool) {
      while let identity = lane.nextToOffer {
        if let place = pooled[identity], place.view == nil, place.isOwn {
          guard room.takes(place.entry, sparing: sparing) else { return }
          offers.append(place.entry)
        }
        lane.offer()
      }
    }
    for turn in Self.turns {
      offer(&sources[Self.own].lanes[turn.lane], sparing: turn.isSparing)
    }
    offered.entries += offers.count
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
    sources[place.source].count -= 1
    if place.view == nil {
      if place.isOwn { ownWaiting -= 1 } else { foreignWaiting -= 1 }
    }
    return place.waiters
  }

  private mutating func compact() {
    for source in sources.indices { compact(source) }
  }

  private mutating func compact(_ source: Int) {
    for lane in [Self.commands, Self.readings] {
      sources[source].lanes[lane].compact { identity in
        guard let place = pooled[identity] else { return false }
        return place.source == source && place.view == nil
      }
    }
  }
}

// MARK: Invariants

extension EntryPool {
  /// The counters are those of the table, whatever waits stands in its source's lane, no source
  /// has more than it may, and nothing is kept for entries or calls that are gone.
  package func checkInvariants() throws(InvariantViolation) {
    var counts = [Int](repeating: 0, count: sources.count)
    var waiting = [Int](repeating: 0, count: sources.count)
    var waiters = 0
    for place in pooled.values {
      counts[place.source] += 1
      if place.view == nil { waiting[place.source] += 1 }
      waiters += place.waiters.count
      guard place.isOwn == !place.waiters.isEmpty else {
        throw InvariantViolation("an entry's call and its source are not of one node")
      }
    }
    guard ownWaiting == waiting[Self.own], foreignWaiting == waiting.dropFirst().reduce(0, +),
      counts == sources.map(\.count)
    else { throw InvariantViolation("the pool's counters are not those of its entries") }
    guard tickets.values.reduce(0, { $0 + $1.left }) == waiters else {
      throw InvariantViolation("calls wait for entries that are not in the pool")
    }
    try checkLanes()
    try checkForwarders()
  }

  private func checkLanes() throws(InvariantViolation) {
    let lanes = sources.map { $0.lanes.map { Set($0.waiting) } }
    for (identity, place) in pooled where place.view == nil {
      guard lanes[place.source][Self.lane(of: place.entry)].contains(identity) else {
        throw InvariantViolation("an entry waits outside of its lane: \(identity)")
      }
    }
  }

  private func checkForwarders() throws(InvariantViolation) {
    for (index, source) in sources.enumerated().dropFirst() {
      guard source.count <= source.quota else {
        throw InvariantViolation("\(source.count) entries of a node that may have \(source.quota)")
      }
      for lane in source.lanes where lane.length > 3 * source.quota + EntryLane.slack {
        throw InvariantViolation("\(lane.length) places in a lane of \(source.count) entries")
      }
      guard source.forwarder.map({ forwarders[$0] }) == .some(index) else {
        throw InvariantViolation("a node that hands entries on stands in two places")
      }
    }
    guard forwarders.count == sources.count - 1, forwarders.count <= PeerLimits.peers else {
      throw InvariantViolation("\(forwarders.count) nodes have handed entries on")
    }
  }
}
