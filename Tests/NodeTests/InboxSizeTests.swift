import Domain
import Node
import Testing

/// How much an inbox takes, from what leaves it.
@Suite struct InboxSizeTests {
  private static let second: Int64 = 1_000_000
  private static let full = InboxSize(
    first: Limits.inboxEntries, range: Limits.leastInboxEntries...Limits.inboxEntries)

  /// A chain that works off what came first, in blocks every 100 ms.
  private struct Chain {
    var size: InboxSize
    /// Entries that wait, and since when.
    var queue: [(count: Int, since: Int64)] = []
    var now: Int64 = 0

    var held: Int { queue.reduce(0) { $0 + $1.count } }

    /// `offered` a tick, as far as there is room; `perTick` are worked off, of those that have
    /// waited for `least` µs.
    mutating func tick(offered: Int, perTick: Int, least: Int64 = 0) -> Int {
      size.hold(held, until: now)
      let taken = min(offered, max(0, size.entries - held))
      if taken < offered { size.refused() }
      if taken > 0 { queue.append((taken, now)) }
      now += InboxSizeTests.second / 10
      size.hold(held, until: now)
      var left = perTick
      while left > 0, let first = queue.first, now - first.since >= least {
        let count = min(left, first.count)
        size.released(count)
        left -= count
        queue[0].count -= count
        if queue[0].count == 0 { queue.removeFirst() }
      }
      return perTick - left
    }

    /// Clients put in as much as it holds. What was worked off a second.
    @discardableResult
    mutating func flood(perSecond: Int, seconds: Int, least: Int64 = 0) -> Int {
      (0..<10 * seconds).reduce(0) { sum, _ in
        sum + tick(offered: .max, perTick: perSecond / 10, least: least)
      } / seconds
    }
  }

  @Test(arguments: [600, 1000, 3000, 9000]) func itHoldsWhatTheChainDoesInASecond(rate: Int) {
    var chain = Chain(size: Self.full)
    #expect(chain.size.entries == Limits.inboxEntries)
    chain.flood(perSecond: rate, seconds: 60)
    #expect((rate * 8 / 10...rate * 12 / 10).contains(chain.size.entries))
  }

  @Test func itIsBounded() {
    var slow = Chain(size: InboxSize(validators: 4))
    #expect(slow.size.entries == Limits.firstInboxEntries / 4)
    slow.flood(perSecond: 100, seconds: 300)
    #expect(slow.size.entries == Limits.leastInboxEntries)
    var fast = Chain(size: Self.full)
    fast.flood(perSecond: 200_000, seconds: 10)
    #expect(fast.size.entries == Limits.inboxEntries)
  }

  @Test func itGrowsAgainWhenTheChainIsFaster() {
    var chain = Chain(size: Self.full)
    chain.flood(perSecond: 1000, seconds: 30)
    chain.flood(perSecond: 8000, seconds: 10)
    #expect((6500...9500).contains(chain.size.entries))
  }

  /// Also when nobody is refused: more leaves it in a second than it holds.
  @Test func itGrowsBeforeSomebodyIsRefused() {
    var chain = Chain(size: InboxSize(first: 512, range: 512...16_384))
    for _ in 0..<100 { _ = chain.tick(offered: 400, perTick: 400) }
    #expect(chain.size.entries > 3000)
  }

  /// An inbox with little in it learns nothing, however long that takes.
  @Test func idlenessIsNoSlowness() {
    var chain = Chain(size: Self.full)
    for tick in 0..<600 {
      _ = chain.tick(offered: tick.isMultiple(of: 10) ? 20 : 0, perTick: 20, least: 1_500_000)
    }
    #expect(chain.size.entries == Limits.inboxEntries)
  }

  /// Nor one that stands still, nor from the moment at which it goes on.
  @Test func aChainThatStandsStillIsNotSlow() {
    var chain = Chain(size: Self.full)
    for _ in 0..<50 { _ = chain.tick(offered: 500, perTick: 500) }
    for _ in 0..<1000 { _ = chain.tick(offered: .max, perTick: 0) }
    #expect(chain.size.entries == Limits.inboxEntries)
    for _ in 0..<200 { _ = chain.tick(offered: .max, perTick: 1600) }
    #expect(chain.size.entries > 15_000)
  }

  /// One bad second makes it half as large at most.
  @Test func oneBadSecondIsNotTheChain() {
    var size = Self.full
    size.hold(0, until: Self.second)
    size.hold(8000, until: 2 * Self.second)
    size.released(8000)
    size.refused()
    size.hold(8000, until: 4 * Self.second)
    size.released(1)
    #expect(size.entries == Limits.inboxEntries / 2)
  }

  /// What waits too long without filling the inbox makes it smaller, too.
  @Test func anInboxThatIsNeverFullShrinksWhenEntriesWait() {
    var chain = Chain(size: Self.full)
    _ = chain.tick(offered: 6000, perTick: 200)
    for _ in 0..<100 { _ = chain.tick(offered: 200, perTick: 200) }
    #expect((1600...2400).contains(chain.size.entries))
  }

  /// Validators far from each other: an entry takes so many tenths of a second when it is alone,
  /// and no longer when there are many; however many the chain could carry, a flood must not make
  /// the inbox so small that it carries little. Before it, a call came now and then, or all the
  /// time.
  @Test(arguments: [3, 8, 12, 15, 18], [1, 37, 150])
  func aFarNetworkIsNoQueue(tenths: Int, pause: Int) {
    var chain = Chain(size: Self.full)
    let least = Int64(tenths) * Self.second / 10
    for tick in 0..<1500 {
      let offered = tick.isMultiple(of: pause) ? 2 : 0
      _ = chain.tick(offered: offered, perTick: 10_000, least: least)
    }
    let most = 4000
    let carried = (0..<1200).reduce(0) { sum, _ in
      sum + chain.tick(offered: most / 10, perTick: 10_000, least: least)
    }
    #expect(carried >= most * 120 * 8 / 10)
  }

  /// Through an inbox itself: one whose entries wait for two seconds refuses what it took before,
  /// and a batch larger than it is has its turn when no reading is there.
  @Test func anInboxMeasuresItself() {
    let inbox = Inbox(size: InboxSize(validators: 1))
    let batch = Reservation(entries: 1000, bytes: 0, for: .readings)
    var (taken, now) = (0, Int64(0))
    while inbox.reserve(batch, at: now) == .accepted { taken += 1 }
    #expect(taken == 4)
    for _ in 1...4 {
      now += 2 * Self.second
      inbox.release(batch, isChecked: true, at: now)
    }
    // What nobody checked has not been worked off.
    for _ in 9...20 {
      #expect(inbox.reserve(batch, at: now) == .accepted)
      now += Self.second
      inbox.release(batch, isChecked: false, at: now)
    }
    #expect(inbox.capacity < 1000)
    #expect(inbox.reserve(batch, at: now) == .accepted)
    #expect(inbox.reserve(batch, at: now) == .full)
    // However large the batch, commands have their places: a whole call's at least.
    let commands = Reservation(
      entries: Limits.commandsPerSubmission, bytes: 0, for: .commands)
    #expect(inbox.reserve(commands, at: now) == .accepted)
    #expect(inbox.reserve(commands, at: now) == .full)
  }

  /// A batch of which one reading is checked and the others are refused at once keeps one place.
  @Test func whatIsNotCheckedKeepsNoPlaces() {
    let inbox = Inbox(size: InboxSize(first: 1000, range: 512...1000))
    let now: Int64 = 0
    let batch = Reservation(entries: 1000, bytes: 0, for: .readings)
    #expect(inbox.reserve(batch, at: now) == .accepted)
    let kept = inbox.keep(1, of: batch, at: now)
    #expect(inbox.depth == 1)
    let rest = Reservation(entries: 999, bytes: 0, for: .readings)
    #expect(inbox.reserve(rest, at: now) == .accepted)
    #expect(inbox.reserve(kept, at: now) == .full)
    inbox.release(rest, isChecked: false, at: now)
    inbox.release(kept, isChecked: true, at: now)
    #expect(inbox.depth == 0)
    #expect(inbox.keep(1000, of: batch, at: now) == batch)
  }
}
