import Domain
import Node
import Synchronization
import Testing

/// The line in which readings wait for room in the inbox.
@Suite struct WaitingLineTests {
  private let batch = Reservation(entries: 10, bytes: 1000, for: .readings)

  /// One that keeps its size.
  private static func inbox(_ entries: Int, line: Int? = nil) -> Inbox {
    Inbox(size: InboxSize(first: entries, range: entries...entries), line: line)
  }

  private final class Answered: Sendable { let isSo = Atomic(false) }

  private func fill(_ inbox: Inbox, with count: Int) {
    for _ in 0..<count { #expect(inbox.reserve(batch, at: 0) == .accepted) }
  }

  /// Starts a call and waits until it stands in the line, or has its answer.
  private func call(
    _ inbox: Inbox, _ wanted: Reservation, within patience: Duration = .seconds(60)
  ) async -> Task<Inbox.Posting, Never> {
    let before = inbox.waiting
    let answered = Answered()
    let task = Task {
      let posting = await inbox.reserve(wanted, at: 0, within: patience)
      answered.isSo.store(true, ordering: .relaxed)
      return posting
    }
    while inbox.waiting == before, !answered.isSo.load(ordering: .relaxed), !Task.isCancelled {
      await Task.yield()
    }
    return task
  }

  @Test func callsAreServedInTheirOrder() async {
    let inbox = Self.inbox(20, line: 40)
    fill(inbox, with: 2)
    let large = await call(inbox, Reservation(entries: 20, bytes: 0, for: .readings))
    let small = await call(inbox, batch)
    #expect(inbox.waiting == 30)
    // Ten places are free: they are for the first in the line, and nobody overtakes it.
    inbox.release(batch, isChecked: false, at: 0)
    #expect(inbox.reserve(batch, at: 0) == .full)
    #expect(inbox.waiting == 30)
    inbox.release(batch, isChecked: false, at: 0)
    #expect(await large.value == .accepted)
    #expect(inbox.waiting == 10)
    inbox.release(Reservation(entries: 20, bytes: 0, for: .readings), isChecked: true, at: 0)
    #expect(await small.value == .accepted)
    #expect(inbox.depth == 10)
    #expect(inbox.waiting == 0)
  }

  /// Commands have places of their own beyond those of readings, and wait for nobody.
  @Test func commandsPassTheLine() async {
    let inbox = Self.inbox(20, line: 40)
    fill(inbox, with: 2)
    let waiting = await call(inbox, batch)
    let command = Reservation(entries: 1, bytes: 200, for: .commands)
    #expect(inbox.reserve(command, at: 0) == .accepted)
    #expect(inbox.depth == 21)
    inbox.release(batch, isChecked: false, at: 0)
    #expect(inbox.depth == 11)
    inbox.release(command, isChecked: false, at: 0)
    #expect(await waiting.value == .accepted)
  }

  /// One more for every four, or a whole call's, and bytes.
  @Test(arguments: [(20, Limits.commandsPerSubmission), (4000, 1000)])
  func commandsHaveAQuarterMore(places: Int, own: Int) {
    let inbox = Self.inbox(places)
    fill(inbox, with: places / batch.entries)
    let command = Reservation(entries: 1, bytes: 200, for: .commands)
    for _ in 0..<own { #expect(inbox.reserve(command, at: 0) == .accepted) }
    #expect(inbox.reserve(command, at: 0) == .full)
  }

  /// However much there is of the others.
  @Test(arguments: CallKind.allCases) func eachKindHasBytesOfItsOwn(kind: CallKind) {
    let inbox = Self.inbox(Limits.inboxEntries)
    let other: CallKind = kind == .readings ? .commands : .readings
    let tooLarge = Reservation(entries: 1, bytes: Limits.inboxBytes + 1, for: other)
    #expect(inbox.reserve(tooLarge, at: 0) == .full)
    let most = Reservation(entries: 1, bytes: Limits.inboxBytes, for: other)
    #expect(inbox.reserve(most, at: 0) == .accepted)
    let own = Reservation(entries: 1, bytes: Limits.inboxOwnBytes, for: kind)
    #expect(inbox.reserve(own, at: 0) == .accepted)
    #expect(inbox.reserve(Reservation(entries: 1, bytes: 1, for: kind), at: 0) == .full)
  }

  /// A flood of commands leaves readings a quarter more, and a batch of any size its turn.
  @Test func readingsHavePlacesOfTheirOwn() async {
    let inbox = Self.inbox(4000)
    let command = Reservation(entries: 250, bytes: 0, for: .commands)
    for _ in 0..<16 { #expect(inbox.reserve(command, at: 0) == .accepted) }
    #expect(inbox.reserve(command, at: 0) == .full)
    for _ in 0..<100 { #expect(inbox.reserve(batch, at: 0) == .accepted) }
    #expect(inbox.reserve(batch, at: 0) == .full)
    let waiting = await call(inbox, batch)
    inbox.release(batch, isChecked: false, at: 0)
    #expect(await waiting.value == .accepted)
    #expect(inbox.depth == 5000)
  }

  /// Neither of the two floods keeps other chains' packets out.
  @Test func proofsHavePlacesOfTheirOwn() {
    let inbox = Self.inbox(100)
    let one = Reservation(entries: 1, bytes: 200, for: .commands)
    while inbox.reserve(one, at: 0) == .accepted {}
    while inbox.reserve(batch, at: 0) == .accepted {}
    let proof = Reservation(entries: 1, bytes: Limits.deliveryBytes, for: .proofs)
    for _ in 0..<Limits.inboxProofs { #expect(inbox.reserve(proof, at: 0) == .accepted) }
    #expect(inbox.reserve(proof, at: 0) == .full)
  }

  @Test func patienceEndsAndThoseBehindMoveUp() async {
    let inbox = Self.inbox(20, line: 40)
    fill(inbox, with: 1)
    let large = await call(
      inbox, Reservation(entries: 20, bytes: 0, for: .readings), within: .milliseconds(30))
    let small = await call(inbox, batch)
    // There was room for the second one all the time.
    #expect(await large.value == .full)
    #expect(await small.value == .accepted)
    #expect(inbox.waiting == 0)
  }

  @Test func whoGoesAwayLeavesTheLine() async {
    let inbox = Self.inbox(10)
    fill(inbox, with: 1)
    let gone = await call(inbox, batch)
    gone.cancel()
    #expect(await gone.value == .full)
    inbox.release(batch, isChecked: false, at: 0)
    #expect(inbox.depth == 0)
  }

  @Test func theLineIsBounded() async {
    let inbox = Self.inbox(10, line: 10)
    fill(inbox, with: 1)
    let most = Reservation(entries: 10, bytes: 0, for: .readings)
    let waiting = await call(inbox, most)
    #expect(await inbox.reserve(batch, at: 0, within: .seconds(60)) == .full)
    waiting.cancel()
    #expect(await waiting.value == .full)
  }

  @Test func aClosedInboxSendsAllAway() async {
    let inbox = Self.inbox(10, line: 20)
    fill(inbox, with: 1)
    let calls = [await call(inbox, batch), await call(inbox, batch)]
    _ = inbox.close()
    for task in calls { #expect(await task.value == .stopped) }
    #expect(await inbox.reserve(batch, at: 0, within: .seconds(60)) == .stopped)
  }

  /// Readings that come one by one leave places for commands too.
  @Test func commandsHaveCallsOfTheirOwn() {
    let inbox = Self.inbox(Limits.inboxEntries)
    let reading = Reservation(entries: 1, bytes: 200, for: .readings)
    var taken = 0
    while inbox.reserve(reading, at: 0) == .accepted { taken += 1 }
    #expect(taken == Limits.inboxCalls)
    let command = Reservation(entries: 1, bytes: 200, for: .commands)
    #expect(inbox.reserve(command, at: 0) == .accepted)
  }

  /// However many entries are left, calls are bounded too.
  @Test func callsAreCounted() {
    let inbox = Self.inbox(Limits.inboxEntries)
    let one = Reservation(entries: 1, bytes: 200, for: .commands)
    for _ in 0..<Limits.inboxCalls {
      #expect(inbox.reserve(one, at: 0) == .accepted)
    }
    #expect(inbox.reserve(one, at: 0) == .full)
    inbox.release(one, isChecked: false, at: 0)
    #expect(inbox.reserve(one, at: 0) == .accepted)
  }

  /// A batch that is larger than the inbox waits in its turn, and those behind it do not pass.
  @Test func aLargeBatchHasItsTurnAmongSmallOnes() async {
    let inbox = Self.inbox(512)
    let small = Reservation(entries: 32, bytes: 0, for: .readings)
    let large = Reservation(entries: 1024, bytes: 0, for: .readings)
    for _ in 0..<16 { #expect(inbox.reserve(small, at: 0) == .accepted) }
    var before: [Task<Inbox.Posting, Never>] = []
    for _ in 0..<20 { before.append(await call(inbox, small)) }
    let turn = await call(inbox, large)
    let behind = await call(inbox, small)
    #expect(inbox.waiting == 21 * 32 + 1024)
    for _ in 0..<16 { inbox.release(small, isChecked: false, at: 0) }
    for task in before.prefix(16) { #expect(await task.value == .accepted) }
    for _ in 0..<16 { inbox.release(small, isChecked: false, at: 0) }
    for task in before.suffix(4) { #expect(await task.value == .accepted) }
    #expect(inbox.waiting == 1024 + 32)
    for _ in 0..<4 { inbox.release(small, isChecked: false, at: 0) }
    #expect(await turn.value == .accepted)
    #expect(inbox.waiting == 32)
    inbox.release(large, isChecked: false, at: 0)
    #expect(await behind.value == .accepted)
  }
}
