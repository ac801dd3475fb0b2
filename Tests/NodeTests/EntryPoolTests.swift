import Domain
import Node
import Synchronization
import Testing

/// What a call was told, in a box that the pool's answer fills.
final class Told: Sendable {
  private let outcome = Mutex<SubmissionAnswer.Outcome?>(nil)

  var answer: SubmissionAnswer { SubmissionAnswer { told in self.outcome.withLock { $0 = told } } }
  var results: [EntryResult]? { outcome.withLock { try? $0?.get() } }
}

@Suite struct EntryPoolTests {
  private static let key = SigningKey(seed: [UInt8](repeating: 9, count: 32))!
  static let peers = (1...4).map {
    SigningKey(seed: [UInt8](repeating: $0, count: 32))!.publicKey
  }

  static func reading(_ number: Int) -> VerifiedEntry {
    let reading = Reading(
      chain: .zero, meter: key.publicKey, interval: Interval(Int64(number)), exported: Energy(0),
      imported: Energy(0), version: 1)
    return VerifiedEntry(
      verified: .reading(reading),
      signed: SignedBytes(payload: Array("reading \(number)".utf8), signature: .zero))
  }

  static func command(_ number: Int, expires: Int64 = 1000) -> VerifiedEntry {
    let command = Command(
      chain: .zero, signer: key.publicKey, sequence: UInt64(number),
      expires: Timestamp(seconds: expires), body: .cancel(OrderID(1)))
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: Array("command \(number)".utf8), signature: .zero))
  }

  private func result(_ height: UInt64, _ index: UInt32) -> EntryResult {
    EntryResult(
      receipt: .applied, position: ReceiptPosition(height: height, index: index),
      time: Timestamp(seconds: 1))
  }

  private let now = Timestamp(seconds: 10)

  @Test func commandsGoFirstAndEachCallGetsItsResultsInItsOwnOrder() {
    var pool = EntryPool()
    let told = Told()
    let other = Told()
    let mixed = [Self.reading(1), Self.command(1), Self.reading(2)]
    pool.admit(Submission(entries: mixed, answer: told.answer), view: 1)
    pool.admit(Submission(entries: [Self.command(2)], answer: other.answer), view: 1)
    let body = pool.takeBody(view: 1, time: now)
    #expect(
      body.map(\.identity)
        == [mixed[1], Self.command(2), mixed[0], mixed[2]].map(\.identity))
    #expect(!pool.hasOwn && pool.count == 4)
    for (index, entry) in body.enumerated() {
      pool.resolve(entry.identity, result(5, UInt32(index)))
    }
    for (answer, results) in pool.takeFinished() { answer.resume(.success(results)) }
    #expect(told.results == [result(5, 2), result(5, 0), result(5, 3)])
    #expect(other.results == [result(5, 1)])
    #expect(pool.count == 0 && pool.takeBody(view: 2, time: now).isEmpty)
  }

  /// However many commands wait, a quarter of a block, and of what a leader is offered, is there
  /// for readings; what they leave of it is for commands again.
  @Test(arguments: [0, 3, 30]) func aFloodOfCommandsLeavesReadingsTheirPart(count: Int) {
    var pool = EntryPool()
    let commands = (1...100).map { Self.command($0) }
    let readings = (0..<count).map { Self.reading($0) }
    pool.admit(Submission(entries: commands, answer: Told().answer), view: 1)
    pool.admit(Submission(entries: readings, answer: Told().answer), view: 1)
    let part = min(count, 10)
    let wanted = commands[..<30] + readings[..<part] + commands[30..<40 - part]
    let identities = wanted.map(\.identity)
    #expect(pool.offers(for: 2, limit: 40).map(\.identity) == identities)
    #expect(pool.takeBody(view: 2, time: now, limit: 40).map(\.identity) == identities)
    let rest = pool.takeBody(view: 3, time: now)
    #expect(Set((wanted + rest).map(\.identity)).count == 100 + count)
    #expect(rest.count == 60 + count)
  }

  @Test func theSameEntryStandsOnceAndAnswersAllWhoWait() {
    var pool = EntryPool()
    let first = Told()
    let again = Told()
    pool.admit(Submission(entries: [Self.command(1)], answer: first.answer), view: 1)
    pool.admit(
      Submission(entries: [Self.command(1), Self.command(1)], answer: again.answer), view: 1)
    #expect(pool.ownWaiting == 1)
    #expect(pool.takeBody(view: 1, time: now).count == 1)
    pool.resolve(Self.command(1).identity, result(3, 0))
    for (answer, results) in pool.takeFinished() { answer.resume(.success(results)) }
    #expect(first.results == [result(3, 0)])
    #expect(again.results == [result(3, 0), result(3, 0)])
  }

  @Test func whatAnotherNodeHandedOnBecomesOwnWhenAClientBringsItToo() {
    var pool = EntryPool()
    pool.admit(
      foreign: [Self.reading(1), Self.reading(1), Self.reading(2)], from: Self.peers[0], quota: 9,
      view: 1)
    #expect(!pool.hasOwn && pool.foreignWaiting == 2)
    // Nothing of other nodes' clients is handed on again.
    #expect(pool.offers(for: 2).isEmpty)
    let told = Told()
    pool.admit(Submission(entries: [Self.reading(1)], answer: told.answer), view: 1)
    #expect(pool.ownWaiting == 1 && pool.foreignWaiting == 1 && pool.count == 2)
    #expect(pool.takeBody(view: 3, time: now).count == 2)
    #expect(!pool.hasSomething)
  }

  /// However often a step asks within one view.
  @Test func aLeaderIsOfferedNoMoreThanItsShare() {
    var pool = EntryPool()
    let entries = (1...5).map { Self.reading($0) }
    pool.admit(Submission(entries: entries, answer: Told().answer), view: 1)
    #expect(pool.offers(for: 2, limit: 2).map(\.identity) == entries[..<2].map(\.identity))
    #expect(pool.offers(for: 2, limit: 3).map(\.identity) == [entries[2].identity])
    #expect(pool.offers(for: 2, limit: 3).isEmpty)
    #expect(pool.offers(for: 3, limit: 3).count == 3)
  }

  @Test func anEntryIsOfferedOnceToEachLeaderUntilAProposalHasIt() {
    var pool = EntryPool()
    let told = Told()
    let entries = [Self.command(1), Self.reading(1)]
    pool.admit(Submission(entries: entries, answer: told.answer), view: 1)
    #expect(pool.offers(for: 2).map(\.identity) == entries.map(\.identity))
    #expect(pool.offers(for: 2).isEmpty)
    pool.admit(Submission(entries: [Self.reading(2)], answer: Told().answer), view: 1)
    #expect(pool.offers(for: 2).map(\.identity) == [Self.reading(2).identity])
    // The leader of view 2 took one of them.
    pool.mark([entries[0]], view: 2)
    #expect(
      pool.offers(for: 3).map(\.identity) == [entries[1], Self.reading(2)].map(\.identity))
    // Its view came to nothing.
    pool.reclaim(view: 4) { $0 == 2 }
    #expect(pool.offers(for: 4).count == 3)
  }

  @Test func whatStoodInALostProposalWaitsAgainInFront() {
    var pool = EntryPool()
    let entries = (1...4).map { Self.command($0) }
    pool.admit(Submission(entries: Array(entries[..<2]), answer: Told().answer), view: 1)
    #expect(pool.takeBody(view: 1, time: now).count == 2)
    pool.admit(Submission(entries: Array(entries[2...]), answer: Told().answer), view: 2)
    pool.reclaim(view: 2) { $0 == 1 }
    #expect(pool.takeBody(view: 2, time: now).map(\.identity) == entries.map(\.identity))
    // Lost twice over, nothing is there twice.
    pool.reclaim(view: 3) { $0 == 2 }
    pool.reclaim(view: 3) { $0 == 2 }
    #expect(pool.takeBody(view: 3, time: now).map(\.identity) == entries.map(\.identity))
  }

  /// A leader whose proposal is not seen here may have taken it: only a later final block settles
  /// it.
  @Test func anExpiredCommandIsAnsweredWhenNoBlockCanHaveItAnyMore() {
    var pool = EntryPool()
    let told = Told()
    pool.admit(
      Submission(entries: [Self.command(1, expires: 5), Self.command(2)], answer: told.answer),
      view: 1)
    let body = pool.takeBody(view: 1, time: now)
    #expect(body.map(\.identity) == [Self.command(2).identity])
    pool.resolve(body[0].identity, result(2, 0))
    #expect(pool.takeFinished().isEmpty)
    pool.expire(before: Timestamp(seconds: 5))
    #expect(pool.takeFinished().isEmpty)
    pool.expire(before: now)
    for (answer, results) in pool.takeFinished() { answer.resume(.success(results)) }
    #expect(told.results == [.refused(.expired), result(2, 0)])
  }

  @Test func aBlockTakesNoMoreThanItsLimitAndAPeerNoMoreThanItsShare() {
    var pool = EntryPool()
    let many = (0..<Limits.blockEntries + 10).map { Self.reading($0) }
    pool.admit(Submission(entries: many, answer: Told().answer), view: 1)
    #expect(pool.takeBody(view: 1, time: now).count == Limits.blockEntries)
    #expect(pool.takeBody(view: 2, time: now).count == 10)
    var other = EntryPool()
    let quota = PeerLimits.forwarded(validators: 4)
    for start in stride(from: 0, to: 2 * quota, by: 1024) {
      let entries = (start..<start + 1024).map { Self.reading($0) }
      other.admit(foreign: entries, from: Self.peers[0], quota: quota, view: 1)
    }
    #expect(other.count == quota && 4 * quota == Limits.foreignEntries)
    // Long after, they are forgotten.
    other.reclaim(view: 16 * 64) { _ in false }
    #expect(other.count == 0 && other.foreignWaiting == 0)
  }

  @Test func aStoppingNodeAnswersEveryCallOnce() {
    var pool = EntryPool()
    let told = [Told(), Told()]
    for (index, box) in told.enumerated() {
      pool.admit(Submission(entries: [Self.reading(index)], answer: box.answer), view: 1)
    }
    #expect(pool.takeAnswers().count == 2)
    #expect(pool.takeAnswers().isEmpty && pool.count == 0)
  }
}
