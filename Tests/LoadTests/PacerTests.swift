import Load
import TestSupport
import Testing

@Suite struct PacerTests {
  /// A hundred a second for two seconds, from second 10 on.
  private func pacer(phase: Double = 0) -> Pacer {
    Pacer(perSecond: 100, phase: phase, start: 10_000_000, end: 12_000_000)
  }

  @Test func itemsAreDueAtTheRate() {
    var pacer = pacer()
    #expect(pacer.due(by: 9_999_999, limit: 100) == 0)
    #expect(pacer.due(by: 10_000_000, limit: 100) == 1)
    #expect(pacer.due(by: 10_009_999, limit: 100) == 1)
    #expect(pacer.due(by: 10_010_000, limit: 100) == 2)
    pacer.issue(2)
    #expect(pacer.due(by: 10_010_000, limit: 100) == 0)
    #expect(pacer.next == 10_020_000)
    #expect(pacer.due(by: 11_000_000, limit: 100) == 99)
    #expect(pacer.due(by: 11_000_000, limit: 7) == 7)
  }

  /// What is late stays due, at the time at which it was: nothing is omitted.
  @Test func whatIsLateStaysDue() {
    var pacer = pacer()
    pacer.issue(50)
    #expect(pacer.next == 10_500_000)
    #expect(pacer.due(by: 11_500_000, limit: 1000) == 101)
    #expect(pacer.unsent == 150)
  }

  /// However the rate falls on the end, exactly the items before it are due.
  @Test(arguments: [0.0, 0.25, 0.5, 0.999])
  func theEndCutsOff(phase: Double) {
    var pacer = pacer(phase: phase)
    #expect(pacer.due(by: 12_000_000, limit: 1000) == 200)
    #expect(pacer.due(by: 99_000_000, limit: 1000) == 200)
    #expect(pacer.unsent == 200)
    pacer.issue(200)
    #expect(pacer.unsent == 0 && pacer.due(by: 99_000_000, limit: 1000) == 0)
  }

  @Test func theEndCanComeSooner() {
    var pacer = pacer()
    pacer.issue(40)
    pacer.cut(at: 11_000_000)
    #expect(pacer.end == 11_000_000 && pacer.unsent == 60)
    pacer.cut(at: 11_500_000)
    #expect(pacer.end == 11_000_000)
    pacer.cut(at: 10_100_000)
    // More were made ready than were due by then.
    #expect(pacer.unsent == 0 && pacer.due(by: 12_000_000, limit: 100) == 0)
    pacer.cut(at: 5)
    #expect(pacer.end == 10_000_000)
  }

  @Test func connectionsTakeTurns() {
    let times = [0.0, 0.25, 0.5, 0.75].map { pacer(phase: $0).time(of: 3) }
    #expect(times == [10_030_000, 10_032_500, 10_035_000, 10_037_500])
  }

  @Test func closedLoopHasAlwaysSomethingToDo() {
    var pacer = Pacer(start: 5, end: 10)
    #expect(!pacer.isOpen && pacer.unsent == 0)
    #expect(pacer.due(by: 4, limit: 9) == 0 && pacer.due(by: 5, limit: 9) == 9)
    pacer.issue(1000)
    #expect(pacer.due(by: 5, limit: 9) == 9)
  }
}

@Suite struct BalanceTests {
  /// Whichever lane gets ahead, both go on and the proportion is kept.
  @Test(arguments: [UInt64(1), 2, 3])
  func theMixIsKept(seed: UInt64) throws {
    let mix = try LoadMix("readings=90,orders=10")
    var balance = Balance(mix: mix, batch: 100)
    var random = SplitMix64(seed: seed)
    var (readings, commands) = (0, 0)
    for _ in 0..<100_000 {
      let prefersReadings = random.chance(seed == 2 ? 95 : seed == 3 ? 5 : 50)
      let room = (balance.readingsRoom, balance.commandsRoom)
      try #require(room.0 >= 25 || room.1 > 0)
      if room.0 >= 25, prefersReadings || room.1 == 0 {
        balance.issue(readings: min(room.0, 100))
        readings += min(room.0, 100)
      } else if room.1 > 0 {
        balance.issue(commands: 1)
        commands += 1
      }
    }
    #expect(commands > 1000)
    // A batch at most, whichever lane is ahead, and what goes with one command.
    #expect((-109...100).contains(readings - 9 * commands), "\(readings), \(commands)")
  }

  @Test func oneKindAloneIsNotHeldUp() throws {
    #expect(Balance(mix: .readings, batch: 10).readingsRoom == .max)
    #expect(Balance(mix: try LoadMix("orders=1"), batch: 10).commandsRoom == .max)
  }
}
