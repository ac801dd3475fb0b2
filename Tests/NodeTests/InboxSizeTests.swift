import Domain
import Node
import Testing

/// How much an inbox takes, from what leaves it.
@Suite struct InboxSizeTests {
  private static let second: Int64 = 1_000_000

  /// Runs a chain that works off `perSecond` entries from an inbox into which clients put as much
  /// as it holds, for that many seconds, in blocks every 100 ms; what it holds at the end.
  private static func flood(
    _ size: inout InboxSize, perSecond: Int, seconds: Int, from start: Int64 = 0
  ) -> Int {
    var held = 0
    for tick in 1...10 * seconds {
      held = max(held, size.entries)
      size.refused()
      size.hold(held, until: start + Int64(tick) * second / 10)
      let block = min(held, perSecond / 10)
      size.released(block)
      held -= block
    }
    return size.entries
  }

  @Test(arguments: [600, 1000, 3000, 9000]) func itHoldsWhatTheChainDoesInASecond(rate: Int) {
    var size = InboxSize(validators: 1)
    #expect(size.entries == Limits.inboxEntries)
    let entries = Self.flood(&size, perSecond: rate, seconds: 60)
    #expect((rate * 8 / 10...rate * 12 / 10).contains(entries))
  }

  @Test func itIsBounded() {
    var slow = InboxSize(validators: 4)
    #expect(slow.entries == Limits.inboxEntries / 4)
    #expect(Self.flood(&slow, perSecond: 100, seconds: 300) == Limits.leastInboxEntries)
    var fast = InboxSize(validators: 1)
    #expect(Self.flood(&fast, perSecond: 100_000, seconds: 10) == Limits.inboxEntries)
  }

  @Test func itGrowsAgainWhenTheChainIsFaster() {
    var size = InboxSize(validators: 1)
    _ = Self.flood(&size, perSecond: 1000, seconds: 30)
    let entries = Self.flood(&size, perSecond: 8000, seconds: 10, from: 30 * Self.second)
    #expect((6500...9500).contains(entries))
  }

  /// An inbox with little in it learns nothing, however little leaves it, nor one that stands
  /// still, nor from the moment at which it goes on.
  @Test func idlenessIsNoSlowness() {
    var size = InboxSize(validators: 1)
    for tick in 1...100 {
      size.hold(3, until: Int64(tick) * Self.second)
      size.released(3)
    }
    #expect(size.entries == Limits.inboxEntries)
    for time in [105, 110] as [Int64] { size.hold(0, until: time * Self.second) }
    for tick in 0..<100 { size.hold(5000, until: (110 + Int64(tick)) * Self.second) }
    #expect(size.entries == Limits.inboxEntries)
    size.released(2000)
    size.hold(5000, until: 209 * Self.second + 1)
    #expect(size.entries == Limits.inboxEntries)
    // A clock that stands, or is read late, is none either.
    size.hold(5000, until: 150 * Self.second)
    #expect(size.entries == Limits.inboxEntries)
    // One bad second makes it half as large at most.
    size.released(1)
    size.hold(5000, until: 215 * Self.second)
    #expect(size.entries == Limits.inboxEntries / 2)
  }

  /// What waits too long without filling the inbox makes it smaller, too.
  @Test func anInboxThatIsNeverFullShrinksWhenEntriesWait() {
    var size = InboxSize(validators: 1)
    for tick in 1...100 {
      size.hold(6000, until: Int64(tick) * Self.second / 10)
      size.released(200)
    }
    #expect((1600...2400).contains(size.entries))
  }

  /// Validators far from each other: an entry takes so many tenths of a second when it is alone,
  /// and no longer when there are many; however many the chain could carry, a flood must not make
  /// the inbox so small that it carries little.
  @Test(arguments: [3, 8, 12, 15, 18]) func aFarNetworkIsNoQueue(tenths: Int) {
    var size = InboxSize(validators: 1)
    var now: Int64 = 0
    func live(_ seconds: Int, offering offered: (Int) -> Int) -> Int {
      var under: [Int] = []
      var done = 0
      for _ in 0..<10 * seconds {
        now += Self.second / 10
        let held = under.reduce(0, +)
        size.hold(held, until: now)
        let come = offered(size.entries - held)
        if come > size.entries - held { size.refused() }
        under.append(min(come, size.entries - held))
        if under.count > tenths {
          size.released(under[0])
          done += under.removeFirst()
        }
      }
      return done / seconds
    }
    _ = live(20) { _ in 2 }
    let most = 8000
    let carried = live(120) { _ in most / 10 }
    #expect(carried >= most * 8 / 10)
  }

  /// Through an inbox itself: one whose entries wait for two seconds refuses what it took before,
  /// and a batch larger than it is has its turn when no reading is there.
  @Test func anInboxMeasuresItself() {
    let inbox = Inbox(size: InboxSize(validators: 4))
    let batch = Reservation(entries: 1000, bytes: 0, isForCommands: false)
    var taken = 0
    while inbox.reserve(batch, at: 0) == .accepted { taken += 1 }
    #expect(taken == 4)
    for second in 1...4 {
      inbox.release(batch, checked: 1000, at: 2 * Int64(second) * Self.second)
    }
    // What nobody checked has not been worked off.
    for time in 9...20 {
      #expect(inbox.reserve(batch, at: Int64(time) * Self.second - 9) == .accepted)
      inbox.release(batch, checked: 0, at: Int64(time) * Self.second - 9)
    }
    #expect(inbox.capacity == Limits.leastInboxEntries)
    let now = 30 * Self.second
    #expect(inbox.reserve(batch, at: now) == .accepted)
    #expect(inbox.reserve(batch, at: now) == .full)
    // However large the batch, commands have their places: a whole call's at least.
    let commands = Reservation(
      entries: Limits.commandsPerSubmission, bytes: 0, isForCommands: true)
    #expect(inbox.reserve(commands, at: now) == .accepted)
    #expect(inbox.reserve(commands, at: now) == .full)
  }
}
