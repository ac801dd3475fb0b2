import Domain
import Node
import Synchronization
import Testing

/// The alarm against a clock that the test turns.
@Suite(.timeLimit(.minutes(10)))
struct AlarmTests {
  /// Real time, and what the test adds to it.
  private final class TurnedClock: Sendable {
    private let offset = Mutex<Int64>(0)

    func turn(by microseconds: Int64) { offset.withLock { $0 += microseconds } }

    var chain: ChainClock {
      ChainClock(calendar: Calendar(origin: 0, wallOrigin: 0)) {
        ChainClock.system() + self.offset.withLock { $0 }
      }
    }
  }

  private let turned = TurnedClock()
  private let inbox = Inbox(size: InboxSize(validators: 1))

  private func time(in microseconds: Int64) -> Timestamp {
    Timestamp(microseconds: turned.chain.now.microseconds + microseconds)
  }

  /// Runs the alarm until `body` has had the ticks that it waits for.
  private func running(_ body: (Alarm) async -> Void) async {
    let alarm = Alarm(clock: turned.chain, inbox: inbox)
    await withTaskGroup { group in
      group.addTask { await alarm.run() }
      await body(alarm)
      group.cancelAll()
    }
  }

  @Test func ticksWhenAnInstantHasComeAndNotBefore() async {
    await running { alarm in
      let due = time(in: 30_000)
      alarm.set(consensus: due, close: time(in: 60_000_000))
      let intake = await inbox.drain()
      #expect(intake.isTick)
      #expect(turned.chain.now >= due)
    }
  }

  @Test func anEarlierInstantIsNotMissedForALaterOne() async {
    await running { alarm in
      let consensus = time(in: 3_600_000_000)
      alarm.set(consensus: consensus, close: nil)
      let close = time(in: 5000)
      alarm.set(consensus: consensus, close: close)
      #expect(await inbox.drain().isTick)
      #expect(turned.chain.now >= close)
      #expect(turned.chain.now < consensus)
    }
  }

  @Test func aClockThatIsSetForwardBringsTheInstant() async {
    await running { alarm in
      alarm.set(consensus: time(in: 3_600_000_000), close: nil)
      turned.turn(by: 3_600_000_000)
      #expect(await inbox.drain().isTick)
    }
  }

  /// Timers of the core are instants of the time that is gone: it moves them when it is stepped.
  @Test func aClockThatIsSetBackTicksOnce() async {
    await running { alarm in
      // Who has ticked has looked at the clock before it is set back.
      alarm.set(consensus: time(in: 0), close: nil)
      #expect(await inbox.drain().isTick)
      alarm.set(consensus: time(in: 3_600_000_000), close: nil)
      _ = inbox.take()
      turned.turn(by: -600_000_000)
      #expect(await inbox.drain().isTick)
      // Or a time more, when this thread stood still between its looks at two clocks; not for ever.
      var ticks = 0
      for _ in 0..<20 {
        try? await Task.sleep(for: .milliseconds(30))
        if inbox.take().isTick { ticks += 1 }
      }
      #expect(ticks < 10)
    }
  }
}
