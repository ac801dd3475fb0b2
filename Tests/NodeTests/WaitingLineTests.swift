import Domain
import Node
import Synchronization
import Testing

/// The line in which readings wait for room in the inbox.
@Suite struct WaitingLineTests {
  private let batch = Reservation(entries: 10, bytes: 1000, isForCommands: false)

  private final class Answered: Sendable { let isSo = Atomic(false) }

  private func fill(_ inbox: Inbox, with count: Int) {
    for _ in 0..<count { #expect(inbox.reserve(batch) == .accepted) }
  }

  /// Starts a call and waits until it stands in the line, or has its answer.
  private func call(
    _ inbox: Inbox, _ wanted: Reservation, within patience: Duration = .seconds(60)
  ) async -> Task<Inbox.Posting, Never> {
    let before = inbox.waiting
    let answered = Answered()
    let task = Task {
      let posting = await inbox.reserve(wanted, within: patience)
      answered.isSo.store(true, ordering: .relaxed)
      return posting
    }
    while inbox.waiting == before, !answered.isSo.load(ordering: .relaxed), !Task.isCancelled {
      await Task.yield()
    }
    return task
  }

  @Test func callsAreServedInTheirOrder() async {
    let inbox = Inbox(capacity: 20, line: 40)
    fill(inbox, with: 2)
    let large = await call(inbox, Reservation(entries: 20, bytes: 0, isForCommands: false))
    let small = await call(inbox, batch)
    #expect(inbox.waiting == 30)
    // Ten places are free: they are for the first in the line, and nobody overtakes it.
    inbox.release(batch)
    #expect(inbox.reserve(batch) == .full)
    #expect(inbox.waiting == 30)
    inbox.release(batch)
    #expect(await large.value == .accepted)
    #expect(inbox.waiting == 10)
    inbox.release(Reservation(entries: 20, bytes: 0, isForCommands: false))
    #expect(await small.value == .accepted)
    #expect(inbox.depth == 10)
    #expect(inbox.waiting == 0)
  }

  /// Commands have places of their own beyond those of readings, and wait for nobody.
  @Test func commandsPassTheLine() async {
    let inbox = Inbox(capacity: 20, line: 40)
    fill(inbox, with: 2)
    let waiting = await call(inbox, batch)
    let command = Reservation(entries: 1, bytes: 200, isForCommands: true)
    #expect(inbox.reserve(command) == .accepted)
    #expect(inbox.depth == 21)
    inbox.release(batch)
    #expect(inbox.depth == 11)
    inbox.release(command)
    #expect(await waiting.value == .accepted)
  }

  /// One more for every four, and bytes.
  @Test func commandsHaveAQuarterMore() {
    let inbox = Inbox(capacity: 20)
    fill(inbox, with: 2)
    let command = Reservation(entries: 1, bytes: 200, isForCommands: true)
    for _ in 0..<5 { #expect(inbox.reserve(command) == .accepted) }
    #expect(inbox.reserve(command) == .full)
    let wide = Inbox()
    let bytes = Limits.inboxBytes + Limits.inboxCommandBytes
    let reading = Reservation(entries: 1, bytes: Limits.inboxBytes + 1, isForCommands: false)
    #expect(wide.reserve(reading) == .full)
    #expect(
      wide.reserve(Reservation(entries: 1, bytes: bytes, isForCommands: true)) == .accepted)
    #expect(wide.reserve(command) == .full)
  }

  @Test func patienceEndsAndThoseBehindMoveUp() async {
    let inbox = Inbox(capacity: 20, line: 40)
    fill(inbox, with: 1)
    let large = await call(
      inbox, Reservation(entries: 20, bytes: 0, isForCommands: false), within: .milliseconds(30))
    let small = await call(inbox, batch)
    // There was room for the second one all the time.
    #expect(await large.value == .full)
    #expect(await small.value == .accepted)
    #expect(inbox.waiting == 0)
  }

  @Test func whoGoesAwayLeavesTheLine() async {
    let inbox = Inbox(capacity: 10)
    fill(inbox, with: 1)
    let gone = await call(inbox, batch)
    gone.cancel()
    #expect(await gone.value == .full)
    inbox.release(batch)
    #expect(inbox.depth == 0)
  }

  @Test func theLineIsBounded() async {
    let inbox = Inbox(capacity: 10, line: 10)
    fill(inbox, with: 1)
    let most = Reservation(entries: 10, bytes: 0, isForCommands: false)
    let waiting = await call(inbox, most)
    #expect(await inbox.reserve(batch, within: .seconds(60)) == .full)
    waiting.cancel()
    #expect(await waiting.value == .full)
  }

  @Test func aClosedInboxSendsAllAway() async {
    let inbox = Inbox(capacity: 10, line: 20)
    fill(inbox, with: 1)
    let calls = [await call(inbox, batch), await call(inbox, batch)]
    _ = inbox.close()
    for task in calls { #expect(await task.value == .stopped) }
    #expect(await inbox.reserve(batch, within: .seconds(60)) == .stopped)
  }

  /// Readings that come one by one leave places for commands too.
  @Test func commandsHaveCallsOfTheirOwn() {
    let inbox = Inbox()
    let reading = Reservation(entries: 1, bytes: 200, isForCommands: false)
    var taken = 0
    while inbox.reserve(reading) == .accepted { taken += 1 }
    #expect(taken == Limits.inboxCalls)
    #expect(inbox.reserve(Reservation(entries: 1, bytes: 200, isForCommands: true)) == .accepted)
  }

  /// However many entries are left, calls are bounded too.
  @Test func callsAreCounted() {
    let inbox = Inbox()
    let one = Reservation(entries: 1, bytes: 200, isForCommands: true)
    for _ in 0..<Limits.inboxCalls + Limits.inboxCommandCalls {
      #expect(inbox.reserve(one) == .accepted)
    }
    #expect(inbox.reserve(one) == .full)
    inbox.release(one)
    #expect(inbox.reserve(one) == .accepted)
  }
}
