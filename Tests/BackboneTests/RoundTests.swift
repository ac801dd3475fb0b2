import Domain
import Testing

@testable import Backbone

/// The calendar's first interval, which ends at second 900; its round closes at 1020 at the latest.
private let round: Int64 = 1000

private typealias Share = RoundOutcome.Share
private typealias Flow = RoundOutcome.Flow

@Suite struct RoundTests {
  /// Grid 0 offers, grid 1 asks for energy worth up to 0.9 ¤; both have bid, 2 and 3 have not.
  private func opened() throws -> Bench {
    var bench = try Bench()
    try bench.block(at: 960)
    #expect(try bench.bid(0, round) == .done)
    #expect(try bench.bid(1, round, cost: 900_000) == .done)
    try bench.block(at: 1020)
    return bench
  }

  /// The first golden figure of rules 8.5, at 1/10 of its size: 400 Wh flow over the line of 16 kW
  /// × 15 min = 4 kWh; prices 0.10 and 0.30, fee 0.02.
  private static var golden: RoundOutcome {
    RoundOutcome(
      round: Interval(round),
      shares: [
        Share(grid: gridID(0), price: Price(100_000), bought: 0, sold: 400, money: Money(40_000)),
        Share(
          grid: gridID(1), price: Price(300_000), bought: 400, sold: 0, money: Money(-120_000)),
      ],
      flows: [Flow(line: 1, wattHours: 400, fee: Money(8000), rent: Money(72_000))], fund: .zero)
  }

  @Test func booksTheMoney() throws {
    var bench = try opened()
    #expect(bench.core.dueRound == Interval(round))
    #expect(bench.grid(1).free(.money) == 100_000)
    try bench.core.close(Self.golden)
    try bench.core.checkInvariants()
    #expect(bench.grid(0).reserve.money == 1_040_000)
    #expect(bench.grid(1).reserve.money == 880_000)
    #expect(bench.grid(1).free(.money) == 880_000)
    #expect(bench.grid(0).exported == 400 && bench.grid(1).exported == -400)
    #expect(bench.core.account(Role.owner)?.money == Money(80_000))
    #expect(bench.core.outbox.map(\.destination) == [gridID(0), gridID(1)])
    #expect(
      bench.lastSent
        == .result(
          round: Interval(round),
          .cleared(price: Price(300_000), bought: 400, sold: 0, money: Money(-120_000))))
    #expect(bench.core.dueRound == nil)
    // One result a round.
    #expect(throws: RoundRefusal.notDue) { try bench.core.close(Self.golden) }
    #expect(try bench.bid(1, round) == .refused(.duplicateBid))
    // The owner spends what it got.
    #expect(
      try bench.command(Role.owner, .pay(gridID(2), to: key(9), amount: Money(80_000))) == nil)
    #expect(bench.grid(2).reserve.money == 1_080_000)
  }

  @Test func theFullLine() throws {
    var bench = try opened()
    var outcome = Self.golden
    outcome.shares[0].sold = 4000
    outcome.shares[1].bought = 4000
    outcome.flows[0].wattHours = 4000
    var beyond = outcome
    beyond.shares[0].sold = 4001
    beyond.shares[1].bought = 4001
    beyond.flows[0].wattHours = 4001
    #expect(throws: RoundRefusal.aboveCapacity) { try bench.core.close(beyond) }
    try bench.core.close(outcome)
  }

  /// What is wrong with an outcome, and why it is not booked.
  static let rows: [(String, RoundRefusal, @Sendable (inout RoundOutcome) -> Void)] = [
    ("another round", .notDue, { $0.round = Interval(round + 1) }),
    ("a share left out", .otherGrids, { $0.shares.removeLast() }),
    ("shares out of order", .otherGrids, { $0.shares.swapAt(0, 1) }),
    ("a share of a grid without a bid", .otherGrids, { $0.shares[1].grid = gridID(2) }),
    ("bought below zero", .outOfRange, { $0.shares[0].bought = -1 }),
    ("sold below zero", .outOfRange, { $0.shares[1].sold = -1 }),
    ("sold beyond all", .outOfRange, { $0.shares[0].sold = .max }),
    ("money beyond all", .outOfRange, { $0.shares[0].money = Money(.min) }),
    ("a price below zero", .outOfRange, { $0.shares[0].price = Price(-1) }),
    ("a fee below zero", .outOfRange, { $0.flows[0].fee = Money(-1) }),
    ("a rent below zero", .outOfRange, { $0.flows[0].rent = Money(-1) }),
    ("a fund below zero", .outOfRange, { $0.fund = Money(-1) }),
    ("a flow of nothing", .outOfRange, { $0.flows[0].wattHours = 0 }),
    ("a line that is not there", .otherLines, { $0.flows[0].line = 9 }),
    ("a line twice", .otherLines, { $0.flows.append($0.flows[0]) }),
    ("a line of a frozen grid", .otherLines, { $0.flows[0].line = 3 }),
    ("above the capacity back", .aboveCapacity, { $0.flows[0].wattHours = -4001 }),
    ("energy out of nothing", .unbalancedEnergy, { $0.shares[1].bought = 401 }),
    ("energy into nothing", .unbalancedEnergy, { $0.shares[0].sold = 399 }),
    ("energy to a grid without a bid", .unbalancedEnergy, { $0.flows[0].line = 2 }),
    ("against its direction", .unbalancedEnergy, { $0.flows[0].wattHours = -400 }),
    ("one µ¤ too many", .unbalancedMoney, { $0.shares[0].money = Money(40_001) }),
    ("one µ¤ lost", .unbalancedMoney, { $0.flows[0].rent = Money(71_999) }),
    ("a fund from nothing", .unbalancedMoney, { $0.fund = Money(1) }),
    (
      "more than the bid covers", .beyondCover,
      {
        $0.shares[0].money = Money(820_001)
        $0.shares[1].money = Money(-900_001)
      }
    ),
    (
      "a payment without a cover", .beyondCover,
      {
        $0.shares[0].money = Money(-1)
        $0.shares[1].money = Money(-79_999)
      }
    ),
    // The first reason in the declared order.
    (
      "two faults", .aboveCapacity,
      {
        $0.flows[0].wattHours = 4001
        $0.fund = Money(1)
      }
    ),
  ]

  @Test(arguments: rows.indices)
  func isRefused(_ row: Int) throws {
    let (name, reason, change) = Self.rows[row]
    var bench = try opened()
    try bench.core.report(grid: gridID(3), height: 3, digest(1), digest(2))
    let before = bench.core.root()
    var outcome = Self.golden
    change(&outcome)
    #expect(throws: reason, "\(name)") { try bench.core.close(outcome) }
    #expect(bench.core.root() == before, "\(name)")
    // It can still be closed as it has to be.
    try bench.core.close(Self.golden)
    try bench.core.checkInvariants()
  }

  // MARK: When a round closes

  /// Interval 1000 ends at second 900 and is closed at 960.
  @Test func noRoundClosesBeforeItsIntervalDoes() throws {
    var bench = try Bench()
    try bench.block(at: 899)
    // A clock that is behind, or a block whose time is, loses nobody a round: the bid waits.
    let bid = PacketContent.bid(round: Interval(round), steps: bidSteps(cost: 0))
    let early = bench.packet(0, bid)
    #expect(try bench.hand(early) == .refused(.intervalRuns))
    #expect(bench.grid(0).received == 0 && bench.grid(0).lastBid == nil)
    #expect(bench.core.outbox.isEmpty)
    try bench.block(at: 900)
    #expect(try bench.hand(early) == .done)
    for grid in [1, 2, 3] { #expect(try bench.bid(grid, round) == .done) }
    #expect(bench.core.dueRound == nil)
    #expect(bench.core.nextDeadline == Timestamp(seconds: origin + 960))
    try bench.block(at: 959)
    #expect(bench.core.dueRound == nil)
    try bench.block(at: 960)
    #expect(bench.core.dueRound == Interval(round))
  }

  /// A grid that bids as early as it may, every time, and one that was late once: it loses that
  /// round and no other.
  @Test func whoBidsEarlyShutsNobodyOut() throws {
    var bench = try Bench()
    for grid in [2, 3] {
      try bench.core.report(grid: gridID(grid), height: 1, digest(1), digest(2))
    }
    try bench.block(at: 900)
    #expect(try bench.bid(0, round) == .done)
    try bench.block(at: 1020)
    try close(&bench)
    #expect(bench.grid(1).hasMissed)
    #expect(try bench.bid(1, round) == .refused(.tooLate))
    for next in 1...3 as ClosedRange<Int64> {
      try bench.block(at: 900 + 900 * next)
      #expect(try bench.bid(0, round + next) == .done)
      try bench.block(at: 960 + 900 * next)
      #expect(bench.core.dueRound == nil)
      try bench.block(at: 970 + 900 * next)
      #expect(try bench.bid(1, round + next) == .done)
      try close(&bench)
    }
  }

  @Test func aFrozenGridIsTold() throws {
    var bench = try opened()
    let reserve = bench.grid(1).reserve
    try bench.core.report(grid: gridID(1), height: 5, digest(1), digest(2))
    #expect(bench.core.outbox.map(\.destination) == [gridID(1)])
    #expect(bench.lastSent == .frozen)
    #expect(bench.core.bids(of: Interval(round)).map(\.grid) == [gridID(0)])
    #expect(bench.grid(1).openRound == nil && bench.grid(1).cover == .zero)
    #expect(bench.grid(1).reserve == reserve)
    try bench.core.checkInvariants()
    // One whose bid is on its way, or that has none, is told as well.
    try bench.core.report(grid: gridID(2), height: 5, digest(1), digest(2))
    #expect(bench.core.outbox.map(\.destination) == [gridID(1), gridID(2)])
    #expect(bench.lastSent == .frozen)
  }

  @Test func waitsForAllThatAreUpOrItsTime() throws {
    var bench = try Bench()
    try bench.block(at: 961)
    for grid in [0, 1, 2] { #expect(try bench.bid(grid, round) == .done) }
    #expect(bench.core.dueRound == nil)
    #expect(try bench.bid(3, round) == .done)
    #expect(bench.core.dueRound == Interval(round))
    try close(&bench)
    // Grid 3 misses the next: its time decides.
    try bench.block(at: 1861)
    for grid in [0, 1, 2] { #expect(try bench.bid(grid, round + 1) == .done) }
    #expect(bench.core.dueRound == nil)
    try bench.block(at: 1919)
    #expect(bench.core.dueRound == nil)
    try bench.block(at: 1920)
    #expect(bench.core.dueRound == Interval(round + 1))
    try close(&bench)
    // Its late bid is answered, and nobody waits for it in the next but one.
    #expect(try bench.bid(3, round + 1) == .refused(.tooLate))
    #expect(
      bench.lastSent == .result(round: Interval(round + 1), .notIncluded(.tooLate)))
    #expect(!bench.grid(3).hasMissed)
    try bench.block(at: 2761)
    for grid in [0, 1, 2] { #expect(try bench.bid(grid, round + 2) == .done) }
    #expect(bench.core.dueRound == nil)
    try bench.block(at: 2820)
    try close(&bench)
    try bench.block(at: 3661)
    for grid in [0, 1, 2] { #expect(try bench.bid(grid, round + 3) == .done) }
    #expect(bench.core.dueRound == Interval(round + 3))
  }

  @Test func aFrozenGridIsNotWaitedFor() throws {
    var bench = try opened()
    try bench.core.report(grid: gridID(1), height: 3, digest(1), digest(2))
    try bench.core.checkInvariants()
    #expect(bench.core.bids.map(\.grid) == [gridID(0)])
    #expect(bench.grid(1).free(.money) == 1_000_000)
    let closed = bench.core.capacities(of: line(1, 0, 1))
    #expect(closed.forth == 0 && closed.back == 0)
    let open = bench.core.capacities(of: line(3, 2, 3))
    #expect(open.forth == 4000 && open.back == 4000)
    // It is told that it is frozen; the round's result goes to the other.
    try close(&bench)
    #expect(bench.core.outbox.map(\.destination) == [gridID(1), gridID(0)])
  }

  /// Closes the due round without a trade.
  private func close(_ bench: inout Bench) throws {
    let due = try #require(bench.core.dueRound)
    let shares = bench.core.bids(of: due).map {
      Share(grid: $0.grid, price: nil, bought: 0, sold: 0, money: .zero)
    }
    try bench.core.close(RoundOutcome(round: due, shares: shares, flows: [], fund: .zero))
    try bench.core.checkInvariants()
  }

  // MARK: Bids

  @Test func bidsThatAreNotTaken() throws {
    var bench = try Bench()
    try bench.block(at: 960)
    func expect(_ grid: Int, _ round: Int64, cost: Int64, _ reason: PacketReason) throws {
      #expect(try bench.bid(grid, round, cost: cost) == .refused(reason))
      #expect(bench.lastSent == .result(round: Interval(round), .notIncluded(reason)))
      #expect(bench.grid(grid).openRound == nil && bench.grid(grid).cover == .zero)
    }
    // A bid that is none does not use up the round.
    #expect(try bench.bid(0, round, cost: -1) == .refused(.malformed))
    #expect(bench.lastSent == .void(sequence: 1, .malformed))
    try expect(0, round, cost: 1_000_001, .insufficientReserve)
    try expect(1, round + 2, cost: 0, .roundInFuture)
    try expect(2, round - 1, cost: 0, .tooLate)
    try expect(2, .max, cost: 0, .roundInFuture)
    try expect(3, .min, cost: 0, .tooLate)
    // A bid that nobody can read, and one for a round that was bid in.
    let unreadable = PacketContent.bid(round: Interval(round), steps: [1])
    #expect(try bench.send(3, unreadable) == .refused(.malformed))
    #expect(bench.lastSent == .void(sequence: 2, .malformed))
    #expect(try bench.bid(1, round + 2) == .refused(.duplicateBid))
    #expect(bench.lastSent == .void(sequence: 2, .duplicateBid))
    // After its time, though nobody has closed the round.
    try bench.block(at: 1020)
    #expect(try bench.bid(3, round) == .refused(.tooLate))
  }

  @Test func oneRoundIsOpenForEachGrid() throws {
    var bench = try opened()
    try bench.block(at: 1801)
    #expect(try bench.bid(1, round + 1) == .refused(.roundOpen))
    #expect(bench.lastSent == .result(round: Interval(round + 1), .notIncluded(.roundOpen)))
    #expect(bench.grid(1).openRound == Interval(round))
    // What covers the bid does not leave.
    #expect(try bench.send(1, transfer(to: 0, 100_001)) == .refused(.insufficientReserve))
    let money = PacketContent.withdrawal(from: key(8), amount: Money(100_001))
    #expect(try bench.send(1, money) == .refused(.insufficientReserve))
    #expect(try bench.send(1, transfer(to: 0, 100_000)) == .done)
  }
}
