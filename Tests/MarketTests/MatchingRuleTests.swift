import Domain
import Market
import Testing

@Suite struct MatchingRuleTests {
  @Test func bestPriceThenOldestAtTheRestingPrice() {
    var bench = Bench()
    bench.hold([(1, 100), (2, 100), (3, 100)])
    bench.place(1, .sell, 10, at: 200_000)
    bench.place(2, .sell, 10, at: 150_000)
    bench.place(3, .sell, 10, at: 150_000)
    let (receipt, outcome) = bench.place(4, .buy, 25, at: 200_000)
    #expect(
      outcome.trades.map(\.brief) == [
        [4, 2, 10, 150_000], [4, 3, 10, 150_000], [4, 1, 5, 200_000],
      ])
    #expect(outcome.trades.map(\.sellOrder.raw) == [2, 3, 1])
    #expect(outcome.trades.allSatisfy { $0.taker == .buy && $0.mechanism == .continuous })
    // 200 µ¤ are held for each Wh and released with it, whatever the price.
    #expect(outcome.trades.map(\.released.raw) == [2000, 2000, 1000])
    #expect(receipt == Receipt(order: OrderID(4), filled: 25, resting: 0))
    #expect(bench.wattHours(4) == 25 && bench.wattHours(1) == 95 && bench.wattHours(2) == 90)
    #expect(bench.book.depth(levels: 9).lastTradePrice == Price(200_000))
  }

  @Test func aSellTakesTheHighestBidFirst() {
    var bench = Bench()
    bench.hold([(1, 100)])
    bench.place(2, .buy, 10, at: 100_000)
    bench.place(3, .buy, 10, at: 120_000)
    let (receipt, outcome) = bench.place(1, .sell, 15, at: 100_000)
    #expect(outcome.trades.map(\.brief) == [[3, 1, 10, 120_000], [2, 1, 5, 100_000]])
    #expect(outcome.trades.allSatisfy { $0.taker == .sell })
    #expect(receipt == Receipt(order: OrderID(3), filled: 15, resting: 0))
    #expect(bench.order(2, 1)?.remaining == 5)
  }

  @Test func whatDoesNotTradeRests() {
    var bench = Bench()
    bench.hold([(1, 100)])
    bench.place(1, .sell, 10, at: 100_000)
    let (receipt, outcome) = bench.place(2, .buy, 30, at: 110_000)
    #expect(receipt == Receipt(order: OrderID(2), filled: 10, resting: 20))
    #expect(outcome.releases.isEmpty)
    #expect(bench.order(2, 2)?.remaining == 20)
    #expect(bench.order(2, 2)?.executable == 20)
  }

  @Test(arguments: [
    (TimeInForce.goodTillCancelled, Int64(10), Int64(20), Int64(0)),
    (.goodTillInterval(Interval(0)), 10, 20, 0),
    (.immediateOrCancel, 10, 0, 20 * 100),
  ])
  func timesInForce(_ time: TimeInForce, _ filled: Int64, _ resting: Int64, _ released: Int64) {
    var bench = Bench()
    bench.hold([(1, 100)])
    bench.place(1, .sell, 10, at: 100_000)
    let (receipt, outcome) = bench.place(2, .buy, 30, at: 100_000, time)
    #expect(receipt == Receipt(order: OrderID(2), filled: filled, resting: resting))
    #expect(sums(outcome.releases)[2, default: 0] == released)
    #expect((bench.order(2, 2) != nil) == (resting > 0))
  }

  @Test(arguments: [
    // Supply at 100: 10 Wh of account 1, at 110: 10 Wh of account 3 and, behind it, 10 of 2.
    (Int64(20), Int64(110_000), Optional<Rejection>.none),
    (21, 110_000, .fillOrKillUnfillable),  // the next order is its own account's
    (10, 100_000, nil),
    (11, 100_000, .fillOrKillUnfillable),
    (1, 90_000, .fillOrKillUnfillable),
  ])
  func fillOrKill(_ wattHours: Int64, _ limit: Int64, _ rejection: Rejection?) {
    var bench = Bench()
    bench.hold([(1, 100), (2, 100), (3, 100)])
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(3, .sell, 10, at: 110_000)
    bench.place(2, .sell, 10, at: 110_000)
    let (receipt, outcome) = bench.place(2, .buy, wattHours, at: limit, .fillOrKill)
    #expect(receipt.rejection == rejection)
    #expect(receipt.filled == (rejection == nil ? wattHours : 0))
    let held = rejection == nil ? 0 : wattHours * limit / 1000
    #expect(sums(outcome.releases)[2, default: 0] == held)
    let fillsTwo = rejection == nil && wattHours == 20
    #expect(bench.book.restingOrders == (fillsTwo ? 1 : rejection == nil ? 2 : 3))
  }

  @Test func fillOrKillCountsItsOwnExecutablePart() {
    var bench = Bench()
    bench.place(2, .buy, 50, at: 100_000)
    bench.hold([(1, 9)])
    #expect(
      bench.place(1, .sell, 10, at: 100_000, .fillOrKill).receipt.rejection
        == .fillOrKillUnfillable)
    #expect(bench.place(1, .sell, 9, at: 100_000, .fillOrKill).receipt.filled == 9)
  }

  @Test(arguments: [
    (Int64(0), Int64(1), Rejection.malformed), (-1, 1, .malformed), (1, 0, .malformed),
    (1_000_000_001, 1, .malformed), (1, 1_000_000_000_001, .malformed),
  ])
  func outOfRange(_ wattHours: Int64, _ limit: Int64, _ rejection: Rejection) {
    var bench = Bench()
    let placed = bench.place(1, .buy, wattHours, at: limit, held: 77)
    #expect(placed.receipt == .rejected(rejection))
    #expect(sums(placed.outcome.releases) == [1: 77])
    bench.place(1, .buy, 5, at: 5000)
    let replaced = bench.replace(1, 1, wattHours, at: limit, held: 78)
    #expect(replaced.receipt == .rejected(rejection))
    #expect(sums(replaced.outcome.releases) == [1: 78])
  }

  @Test func theLargestOrderIsInRange() throws {
    var bench = Bench()
    let placed = bench.place(1, .buy, 1_000_000_000, at: 10_000_000_000)
    #expect(placed.receipt.resting == 1_000_000_000)
    #expect(sums(bench.cancel(1, 1).outcome.releases) == [1: 10_000_000_000_000_000])
  }

  @Test func tooLittleHeldIsRefusedAndTooMuchComesBack() {
    var bench = Bench()
    let short = bench.place(1, .buy, 10, at: 100_000, held: 999)
    #expect(short.receipt == .rejected(.insufficientFunds))
    #expect(sums(short.outcome.releases) == [1: 999])
    let long = bench.place(1, .buy, 10, at: 100_000, held: 1001)
    #expect(long.receipt.resting == 10)
    #expect(sums(long.outcome.releases) == [1: 1])
  }

  @Test func feesAreHeldAndReleased() {
    var parameters = Parameters()
    parameters.makerFeePermille = 5
    parameters.takerFeePermille = 20
    var bench = Bench(parameters: parameters)
    bench.hold([(1, 100)])
    bench.place(2, .buy, 10, at: 100_001)
    // ⌈100,001 ÷ 1000⌉ = 101, 20 ‰ of it rounded up 3: 104 µ¤ for each Wh.
    let (_, outcome) = bench.place(1, .sell, 4, at: 90_000)
    #expect(outcome.trades.map(\.released.raw) == [416])
    #expect(sums(bench.cancel(2, 1).outcome.releases) == [2: 624])
  }

  @Test func onlyTheOwnerCancels() {
    var bench = Bench()
    bench.place(1, .buy, 10, at: 100_000)
    #expect(bench.cancel(2, 1).receipt == .rejected(.unknownObject))
    #expect(bench.cancel(1, 2).receipt == .rejected(.unknownObject))
    let (receipt, outcome) = bench.cancel(1, 1)
    #expect(receipt == Receipt(order: OrderID(1)))
    #expect(sums(outcome.releases) == [1: 1000])
    #expect(bench.cancel(1, 1).receipt == .rejected(.unknownObject))
  }

  @Test func restingOrdersOfAnAccountAreLimited() {
    var bench = Bench()
    for _ in 0..<4096 { bench.place(1, .sell, 1, at: 100_000) }
    #expect(bench.place(1, .sell, 1, at: 100_000).receipt == .rejected(.limitExceeded))
    let buy = bench.place(1, .buy, 1, at: 1000)
    #expect(buy.receipt == .rejected(.limitExceeded))
    #expect(sums(buy.outcome.releases) == [1: 1])
    // Orders that do not rest need no room.
    #expect(bench.place(1, .buy, 1, at: 1000, .immediateOrCancel).receipt.rejection == nil)
    #expect(
      bench.place(1, .buy, 1, at: 1000, .fillOrKill).receipt
        == .rejected(.fillOrKillUnfillable))
    #expect(bench.place(2, .sell, 1, at: 100_000).receipt.resting == 1)
    bench.cancel(1, 17)
    #expect(bench.place(1, .sell, 1, at: 100_000).receipt.resting == 1)
  }

  @Test func refusedOrdersUseNoNumber() {
    var bench = Bench()
    bench.place(1, .buy, 0, at: 1)
    bench.place(1, .buy, 5, at: 1000, .fillOrKill)
    #expect(bench.place(1, .buy, 5, at: 1000).receipt.order == OrderID(1))
  }

  @Test func anOrderForAClosedIntervalIsExpired() throws {
    var bench = Bench()
    let before = Interval(-1)
    #expect(
      bench.place(1, .sell, 5, at: 1000, .goodTillInterval(before)).receipt
        == .rejected(.expired))
    _ = try bench.book.auction(AuctionInput(0))
    #expect(
      bench.place(1, .sell, 5, at: 1000, .goodTillInterval(Interval(0))).receipt
        == .rejected(.expired))
    #expect(
      bench.place(1, .sell, 5, at: 1000, .goodTillInterval(Interval(1))).receipt.resting == 5)
  }
}

@Suite struct ReplaceRuleTests {
  /// Two bids of 10 Wh at 100,000: who is first afterwards.
  @Test(arguments: [
    (Int64(9), Int64(100_000), Int64(0), true, UInt64(1)), (10, 100_000, 0, true, 1),
    (11, 100_000, 100, false, 3), (10, 99_000, 0, false, 3), (5, 101_000, 0, false, 3),
  ])
  func keepsItsPlaceOnlyWhenItLowersTheQuantity(
    _ wattHours: Int64, _ limit: Int64, _ held: Int64, _ keeps: Bool, _ id: UInt64
  ) {
    var bench = Bench()
    bench.hold([(3, 100)])
    bench.place(1, .buy, 10, at: 100_000)
    bench.place(2, .buy, 10, at: 100_000)
    let (receipt, outcome) = bench.replace(1, 1, wattHours, at: limit, held: held)
    #expect(receipt == Receipt(order: OrderID(id), resting: wattHours))
    #expect(
      sums(outcome.releases)[1, default: 0] == 1000 + held - wattHours * limit / 1000)
    let first = bench.place(3, .sell, 1, at: 1000).outcome.trades[0].buyer.raw
    #expect(first == (keeps || limit > 100_000 ? 1 : 2))
    #expect((bench.order(1, 1) != nil) == keeps)
  }

  @Test func moneyOfTheOldAndTheNewOrder() {
    var bench = Bench()
    bench.place(1, .buy, 10, at: 100_000)
    let short = bench.replace(1, 1, 20, at: 100_000, held: 999)
    #expect(short.receipt == .rejected(.insufficientFunds))
    #expect(sums(short.outcome.releases) == [1: 999])
    #expect(bench.order(1, 1)?.remaining == 10)
    let enough = bench.replace(1, 1, 20, at: 100_000, held: 1003)
    #expect(enough.receipt == Receipt(order: OrderID(2), resting: 20))
    #expect(sums(enough.outcome.releases) == [1: 3])
  }

  @Test func aReplacementArrivesAndTrades() {
    var bench = Bench()
    bench.hold([(2, 100)])
    bench.place(1, .buy, 10, at: 100_000)
    bench.place(2, .sell, 4, at: 110_000)
    let (receipt, outcome) = bench.replace(1, 1, 10, at: 110_000, held: 100)
    #expect(receipt == Receipt(order: OrderID(3), filled: 4, resting: 6))
    #expect(outcome.trades.map(\.brief) == [[1, 2, 4, 110_000]])
    #expect(outcome.trades[0].released == Money(440))
    #expect(sums(bench.cancel(1, 3).outcome.releases) == [1: 660])
  }

  @Test func unknownOrdersAndOtherPeoplesAreNotReplaced() {
    var bench = Bench()
    bench.place(1, .buy, 10, at: 100_000)
    for (account, id) in [(2, UInt64(1)), (1, 7)] {
      let (receipt, outcome) = bench.replace(account, id, 5, at: 100_000, held: 500)
      #expect(receipt == .rejected(.unknownObject))
      #expect(sums(outcome.releases) == [UInt32(account): 500])
    }
  }

  @Test func aReplacementThatCrossesItsOwnOrderChangesNothing() {
    var bench = Bench()
    bench.hold([(1, 100)])
    bench.place(1, .sell, 10, at: 120_000)
    bench.place(1, .buy, 10, at: 100_000)
    let (receipt, outcome) = bench.replace(1, 2, 10, at: 120_000, held: 200)
    #expect(receipt == .rejected(.crossesOwnOrder))
    #expect(sums(outcome.releases) == [1: 200])
    #expect(bench.order(1, 2)?.limit == Price(100_000))
  }

  @Test func timeInForceStays() throws {
    var bench = Bench()
    bench.place(1, .buy, 10, at: 100_000, .goodTillInterval(Interval(0)))
    bench.replace(1, 1, 10, at: 90_000)
    #expect(bench.order(1, 2)?.timeInForce == .goodTillInterval(Interval(0)))
    let outcome = try bench.book.auction(AuctionInput(0))
    #expect(sums(outcome.releases) == [1: 900])
  }
}
