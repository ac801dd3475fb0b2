import Domain
import Load
import TestSupport
import Testing
import Wire

private let chain = Digest.sha256([1])

@Suite struct LoadClockTests {
  /// Intervals of a minute at 60 times the speed: a second each.
  private let clock = LoadClock(
    intervalSeconds: 60, rate: 60, chainTime: 600_000_000, received: 1_000_000)

  @Test func chainTimeFollowsTheRate() {
    #expect(clock.time(at: 1_500_000) == 630_000_000)
    #expect(clock.intervalMicroseconds == 1_000_000)
    // Interval 9 ends at second 600 of the chain, told at 1 s; a margin keeps clear of the edge.
    #expect(clock.ended(at: 1_000_000 + LoadLimits.clockMargin) == Interval(9))
    #expect(clock.ended(at: 1_000_000 + LoadLimits.clockMargin - 1) == Interval(8))
    #expect(clock.since(Interval(9), at: 1_250_000) == 250_000)
  }

  @Test func theFasterAnswerCounts() {
    var slow = clock
    let fast = LoadClock(
      intervalSeconds: 60, rate: 60, chainTime: 660_600_000, received: 2_000_000)
    slow.refine(fast)
    #expect(slow == fast)
    slow.refine(clock)
    #expect(slow == fast)
  }
}

@Suite struct ReadingBookTests {
  private let clock = LoadClock(
    intervalSeconds: 60, rate: 60, chainTime: 600_000_000, received: 1_000_000)
  private let keys = (0..<3).map { LoadKeys.meter($0, seed: 1) }

  private func book(start: Int64) -> ReadingBook {
    ReadingBook(chain: chain, numbers: [0, 1, 2], keys: keys, clock: clock, start: start)
  }

  private func next(_ book: inout ReadingBook, at time: Int64) throws -> Reading {
    let next = book.next(at: time)
    let signed = try #require(next)
    let reading = try WireReading.parse(signed.payload)
    #expect(reading.meter.verifies(signed.signature, of: signed.payload, for: .reading))
    return reading
  }

  @Test func metersReadInTurnAndCorrectUntilTheNextInterval() throws {
    var book = book(start: 1_010_000)
    for _ in 0..<3 { _ = try next(&book, at: 1_020_000) }
    let before = book.corrections
    // Interval 10 has ended at 2 s: first readings.
    for number in 0..<3 {
      let reading = try next(&book, at: 2_010_000)
      #expect(reading.meter == keys[number].publicKey && reading.chain == chain)
      #expect(reading.interval == Interval(10) && reading.version == 1)
      #expect(reading.quality == .actual)
      #expect((reading.exported.raw > 0) == (number != 1))
      #expect((reading.imported.raw > 0) == (number == 1))
    }
    #expect(book.corrections == before)
    let again = try next(&book, at: 2_500_000)
    #expect(again.interval == Interval(10) && again.version == 2 && again.quality == .corrected)
    #expect(book.corrections == before + 1)
    _ = try next(&book, at: 2_500_000)
    _ = try next(&book, at: 2_500_000)
    #expect(try next(&book, at: 3_010_000).version == 1)
  }

  /// A later run within the same interval goes on above the versions of an earlier one.
  @Test func versionsOfAnOldIntervalFollowFromTime() throws {
    var early = book(start: 1_100_000)
    var late = book(start: 1_600_000)
    let first = try next(&early, at: 1_100_000)
    let second = try next(&late, at: 1_600_000)
    #expect(first.interval == second.interval)
    #expect(second.version > first.version + 20_000)
  }

  @Test func usedUpVersionsAreSkipped() throws {
    var book = ReadingBook(
      chain: chain, numbers: [0], keys: [keys[0]], clock: clock, start: 1_999_000)
    var count = 0
    while book.next(at: 1_999_500) != nil, count < 70_000 { count += 1 }
    #expect((1...6000).contains(count) && book.skipped == 1)
    #expect(try next(&book, at: 2_010_000).version == 1)
  }
}

@Suite struct CommandBookTests {
  private let keys = (0..<4).map { LoadKeys.member($0, seed: 1) }

  private func book(_ mix: String, numbers: [Int] = [0, 1, 2, 3]) throws -> CommandBook {
    CommandBook(
      chain: chain, numbers: numbers, keys: numbers.map { keys[$0] },
      everybody: keys.map(\.publicKey),
      abroad: [Abroad(grid: 1, chain: Digest.sha256([2]), members: [keys[3].publicKey])],
      mix: try LoadMix(mix), expires: Timestamp(seconds: 99), sequence: 1000,
      draws: LoadDraws(seed: 3))
  }

  private func parse(_ command: PreparedCommand) throws -> Command {
    let parsed = try WireCommand.parse(command.signed.payload)
    #expect(
      parsed.signer.verifies(
        command.signed.signature, of: command.signed.payload, for: .command))
    #expect(parsed.chain == chain && parsed.sequence == command.sequence)
    return parsed
  }

  /// Sequences of a member ascend without a hole, whatever it does; sellers sell, buyers buy.
  @Test func commandsAreWellFormed() throws {
    var book = try book("readings=50,orders=30,transfers=15,cross=5")
    var sequences: [PublicKey: [UInt64]] = [:]
    var kinds: Set<ItemKind> = []
    for _ in 0..<400 {
      let next = book.next(travellers: 2)
      let command = try #require(next)
      let parsed = try parse(command)
      sequences[parsed.signer, default: []].append(parsed.sequence)
      kinds.insert(command.kind)
      switch parsed.body {
      case .place(let request): #expect((request.side == .sell) == (command.member % 2 == 0))
      case .transfer(let to, .money, let amount):
        #expect(to != parsed.signer && (1...1000).contains(amount))
      case .transferAbroad(let grid, let to, .money, _, _):
        #expect(grid == Digest.sha256([2]) && to == keys[3].publicKey && command.grid == 1)
        #expect(command.member < 2)
      default: Issue.record("\(parsed.body)")
      }
      book.finish(command, Receipt())
    }
    #expect(kinds == [.order, .transfer, .cross])
    for (_, used) in sequences { #expect(used == Array(1000..<1000 + UInt64(used.count))) }
  }

  @Test func whoHasManyOrdersCancelsTheOldest() throws {
    var book = try book("orders=1", numbers: [1])
    var cancelled: [OrderID] = []
    var placed: UInt64 = 0
    for _ in 0..<40 {
      let next = book.next(travellers: 1)
      let command = try #require(next)
      switch try parse(command).body {
      case .place:
        placed += 1
        book.finish(command, Receipt(order: OrderID(placed), resting: 5))
      case .cancel(let order):
        #expect(command.isCancelling)
        cancelled.append(order)
        book.finish(command, Receipt())
      default: Issue.record("neither placed nor cancelled")
      }
    }
    #expect(placed == 24 && cancelled == (1...16).map { OrderID($0) })
  }

  /// What a member has under way is never further apart than sequences may overtake each other,
  /// whatever was answered in between.
  @Test func aMemberWaitsForItsAnswers() throws {
    var book = try book("transfers=1", numbers: [0])
    var open: [PreparedCommand] = []
    while let command = book.next(travellers: 1) { open.append(command) }
    #expect(open.count == LoadLimits.commandsOfMember)
    book.finish(open[5], nil)
    let early = book.next(travellers: 1)
    #expect(early == nil)
    book.finish(open[0], nil)
    let (next, none) = (book.next(travellers: 1), book.next(travellers: 1))
    #expect(next?.sequence == 1000 + UInt64(open.count) && none == nil)
  }

  @Test func aMemberAlonePaysTheFund() throws {
    var book = CommandBook(
      chain: chain, numbers: [0], keys: [keys[0]], everybody: [keys[0].publicKey], abroad: [],
      mix: try LoadMix("transfers=1"), expires: Timestamp(seconds: 9), sequence: 1,
      draws: LoadDraws(seed: 1))
    let next = book.next(travellers: 1)
    let command = try #require(next)
    guard case .transfer(let to, _, _) = try parse(command).body else {
      Issue.record("not a transfer")
      return
    }
    #expect(to == SystemAccount.networkFund.id)
  }
}
