import Domain
import Market
import Testing

@Suite struct AuctionRuleTests {
  @Test func whatCrossesClearsAtOnePrice() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .sell, 10, at: 120_000)
    bench.place(3, .sell, 10, at: 150_000)
    bench.place(4, .buy, 15, at: 160_000)
    bench.place(5, .buy, 10, at: 120_000)
    let outcome = try bench.book.auction(
      AuctionInput(0, energy: [(1, 50), (2, 50), (3, 50)]))
    // At 120,000: demand 25, supply 20. At 120,001…149,999: 15 against 20. At 150,000: 15
    // against 30.
    #expect(outcome.clearingPrice == Price(120_000))
    #expect(
      outcome.trades.map(\.brief) == [
        [4, 1, 10, 120_000], [4, 2, 5, 120_000], [5, 2, 5, 120_000],
      ])
    #expect(outcome.trades.allSatisfy { $0.mechanism == .auction && $0.taker == nil })
    #expect(outcome.trades.map(\.released.raw) == [1600, 800, 600])
    #expect(bench.order(5, 5)?.remaining == 5)
    #expect(bench.order(3, 3)?.executable == 10)
    // Bought 15 at 160,000 and 5 at 120,000; sold 10 at 100,000 and 10 at 120,000.
    #expect(outcome.tradedSurplus == 15 * 160_000 + 5 * 120_000 - 10 * 100_000 - 10 * 120_000)
    #expect(outcome.optimalSurplus == outcome.tradedSurplus)
    #expect(bench.book.depth(levels: 1).lastTradePrice == Price(120_000))
  }

  @Test(arguments: [
    // Last trade's price, expected price: one bid of 10 at 160,000, one ask of 10 at 100,000.
    (Int64(130_000), Int64(130_000)), (90_000, 100_000), (170_000, 160_000),
  ])
  func tiesGoToThePriceNearestTheLastTrade(_ last: Int64, _ expected: Int64) throws {
    var bench = Bench()
    bench.hold([(7, 1)])
    bench.place(7, .sell, 1, at: last)
    bench.place(8, .buy, 1, at: last)
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .buy, 10, at: 160_000)
    let outcome = try bench.book.auction(AuctionInput(0, energy: [(1, 10)]))
    #expect(outcome.clearingPrice == Price(expected))
  }

  @Test func withoutATradeTheReferencePriceIsTheTarget() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .buy, 10, at: 160_000)
    var input = AuctionInput(0, energy: [(1, 10)])
    input.retail = Price(200_000)
    input.expectedSurplus = Energy(1)
    input.expectedDeficit = Energy(1)
    input.feedIn = Price(144_321)
    let outcome = try bench.book.auction(input)
    #expect(outcome.referencePrice == Price(144_321))
    #expect(outcome.clearingPrice == Price(144_321))
  }

  @Test func smallerImbalanceBeatsNearness() {
    // 10 Wh trade at 100…200; up to 150 there are 5 more Wh of demand than of supply.
    let clearing = CallAuction.clear(
      bids: [PriceStep(price: 200, wattHours: 10), PriceStep(price: 150, wattHours: 5)],
      asks: [PriceStep(price: 100, wattHours: 10)], target: 100)
    #expect(clearing?.price == 151)
    #expect(clearing?.wattHours == 10)
  }

  @Test func thePriceMayLieBetweenTheLimits() {
    // At 100: demand 20, supply 10. At 101…199: 10 and 10. At 200: 10 and 20.
    let clearing = CallAuction.clear(
      bids: [PriceStep(price: 200, wattHours: 10), PriceStep(price: 100, wattHours: 10)],
      asks: [PriceStep(price: 100, wattHours: 10), PriceStep(price: 200, wattHours: 10)],
      target: 150)
    #expect(clearing?.price == 150)
    #expect(clearing?.wattHours == 10)
  }

  @Test func goodTillIntervalTakesPartAndThenEnds() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 100_000, .goodTillInterval(Interval(0)))
    bench.place(1, .sell, 5, at: 110_000, .goodTillInterval(Interval(1)))
    bench.place(2, .buy, 4, at: 100_000, .goodTillInterval(Interval(0)))
    bench.place(3, .buy, 4, at: 90_000, .goodTillInterval(Interval(0)))
    let outcome = try bench.book.auction(AuctionInput(0, energy: [(1, 12)]))
    #expect(outcome.trades.map(\.brief) == [[2, 1, 4, 100_000]])
    #expect(sums(outcome.releases) == [3: 360])
    #expect(bench.book.restingOrders == 1)
    // What its ended order had set aside went to the younger one.
    #expect(bench.order(1, 2)?.executable == 5)
  }

  @Test func ownOrdersThatCrossLoseTheYounger() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 100_000)
    bench.hold([(2, 20)])
    bench.place(1, .buy, 10, at: 120_000)
    bench.place(2, .sell, 6, at: 130_000)
    bench.place(3, .buy, 10, at: 110_000)
    let outcome = try bench.book.auction(AuctionInput(0, energy: [(1, 10)]))
    // Account 1's bid is younger than its ask: it ends, its hold comes back.
    #expect(sums(outcome.releases) == [1: 1200])
    #expect(outcome.trades.map(\.brief) == [[3, 1, 10, 110_000]])
  }

  @Test func theOldestOfSeveralStays() throws {
    var bench = Bench(maximumHeld: 100)
    bench.hold([(1, 100)])
    bench.place(1, .buy, 10, at: 150_000)  // 1, dormant: full
    bench.hold([(1, 0)])
    #expect(bench.order(1, 1)?.executable == 10)
    bench.place(1, .sell, 10, at: 140_000)  // 2, dormant: no energy
    bench.place(1, .buy, 10, at: 145_000)  // 3: crosses only 2, which ends first
    let outcome = try bench.book.auction(AuctionInput(0, energy: [(1, 20)]))
    #expect(outcome.trades.isEmpty)
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.id.raw) == [1, 3])
  }

  @Test func wakesFollowTheAuctionAndCountForTheNextInterval() throws {
    var bench = Bench(maximumHeld: 100)
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .buy, 10, at: 100_000)
    bench.place(2, .sell, 10, at: 105_000)  // dormant until 2 has bought
    bench.place(3, .buy, 4, at: 99_000)
    bench.place(4, .buy, 4, at: 106_000, .goodTillInterval(Interval(1)))
    bench.cancel(4, 5)
    let first = try bench.book.auction(AuctionInput(0, energy: [(1, 10)]))
    #expect(first.trades.map(\.brief) == [[2, 1, 10, 100_000]])
    #expect(first.tradedSurplus == 0)
    #expect(bench.order(2, 3)?.executable == 10)
    #expect(bench.place(4, .buy, 4, at: 106_000).receipt.filled == 4)
    let second = try bench.book.auction(AuctionInput(1))
    #expect(second.tradedSurplus == 4 * 1000)
  }

  @Test func theAuctionOfAnotherIntervalIsABrokenInvariant() {
    var bench = Bench()
    #expect(throws: InvariantViolation.self) { _ = try bench.book.auction(AuctionInput(1)) }
    #expect(throws: InvariantViolation.self) {
      _ = try bench.book.auction(AuctionInput(0, retail: 1, feedIn: 2))
    }
    #expect(throws: InvariantViolation.self) {
      _ = try bench.book.auction(AuctionInput(0, overflows: [(1, 5)]))
    }
    #expect(throws: InvariantViolation.self) {
      _ = try bench.book.auction(AuctionInput(0, budgets: [(1, 5), (1, 5)]))
    }
    #expect(throws: InvariantViolation.self) {
      _ = try bench.book.auction(AuctionInput(0, shortfalls: [(2, 5), (1, 5)]))
    }
  }
}

/// Shortfalls at retail, overflows at feed-in.
@Suite struct AutomaticOrderRuleTests {
  @Test func overflowMeetsShortfall() throws {
    var bench = Bench(maximumHeld: 10)
    var input = AuctionInput(
      0, energy: [(1, 25)], shortfalls: [(2, 8), (3, 4)], overflows: [(1, 15)],
      budgets: [(2, 5000), (3, 600)])
    input.shortfalls[0].energy = Energy(8_500)
    input.overflows[0].energy = Energy(15_250)
    let outcome = try bench.book.auction(input)
    // 3 can hold 600 µ¤: two Wh at 300. Supply 15, demand 10 at any price; the target is the
    // middle of the band.
    #expect(outcome.referencePrice == Price(200_000))
    #expect(outcome.trades.map(\.brief) == [[2, 1, 8, 200_000], [3, 1, 2, 200_000]])
    #expect(outcome.trades.allSatisfy { $0.coversShortfall && $0.buyOrder == OrderID(0) })
    #expect(outcome.trades.allSatisfy { $0.sellOrder == OrderID(0) })
    #expect(outcome.trades.map(\.released.raw) == [2400, 600])
    #expect(sums(outcome.releases) == [2: 2600])
    #expect(
      outcome.unfilledShortfalls == [
        AccountEnergy(AccountIndex(2), Energy(500)), AccountEnergy(AccountIndex(3), Energy(2_000)),
      ])
    #expect(outcome.unsoldOverflows == [AccountEnergy(AccountIndex(1), Energy(5_250))])
    // 25 Wh less 10 sold, less 5.25 that leave. The buyers burned what they bought.
    #expect(bench.book.energy(of: AccountIndex(1)) == Energy(9_750))
    #expect(bench.wattHours(2) == 0 && bench.wattHours(3) == 0)
  }

  @Test func automaticOrdersAreTheYoungestAtTheirPrice() throws {
    var bench = Bench()
    bench.place(5, .sell, 4, at: 100_000)
    bench.place(6, .buy, 6, at: 300_000)
    let outcome = try bench.book.auction(
      AuctionInput(
        0, energy: [(1, 10), (5, 4)], shortfalls: [(2, 8)], overflows: [(1, 10)],
        budgets: [(2, 10_000)]))
    #expect(
      outcome.trades.map(\.brief) == [
        [6, 5, 4, 200_000], [6, 1, 2, 200_000], [2, 1, 8, 200_000],
      ])
    #expect(outcome.trades.map(\.coversShortfall) == [false, false, true])
    #expect(bench.wattHours(6) == 6)
  }

  @Test func overflowIsSetAsideBeforeOtherSells() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 90_000)
    bench.place(2, .buy, 20, at: 250_000)
    let outcome = try bench.book.auction(
      AuctionInput(0, energy: [(1, 12)], overflows: [(1, 5)]))
    // 12 Wh: 5 are overflow, 7 remain for the order of 10.
    #expect(outcome.trades.map { $0.sellOrder.raw } == [1, 0])
    #expect(outcome.trades.map(\.wattHours) == [7, 5])
    #expect(bench.wattHours(1) == 0)
    #expect(bench.order(1, 1)?.remaining == 3)
  }

  @Test func anOverflowDoesNotMeetItsOwnersBid() throws {
    var bench = Bench()
    bench.place(1, .buy, 10, at: 150_000)
    let outcome = try bench.book.auction(
      AuctionInput(0, energy: [(1, 12)], overflows: [(1, 5)]))
    #expect(outcome.trades.isEmpty)
    #expect(outcome.unsoldOverflows == [AccountEnergy(AccountIndex(1), Energy(wattHours: 5))])
    #expect(bench.order(1, 1)?.remaining == 10)
    #expect(bench.wattHours(1) == 7)
  }

  @Test func theSurplusCountsWhatStayedUnsold() throws {
    var bench = Bench()
    bench.place(2, .buy, 10, at: 250_000)
    bench.hold([(3, 100)])
    // Between closes 3 sells dear to 2; the overflow at the close would have been cheaper.
    bench.place(3, .sell, 10, at: 240_000)
    let outcome = try bench.book.auction(
      AuctionInput(0, energy: [(1, 10)], overflows: [(1, 10)]))
    #expect(outcome.trades.isEmpty)
    #expect(outcome.tradedSurplus == 10 * 10_000)
    #expect(outcome.optimalSurplus == 10 * 150_000)
  }

  @Test func aTariffOfZero() throws {
    var bench = Bench()
    let outcome = try bench.book.auction(
      AuctionInput(
        0, retail: 0, feedIn: 0, energy: [(1, 10)], shortfalls: [(2, 4)], overflows: [(1, 10)]))
    #expect(outcome.trades.map(\.brief) == [[2, 1, 4, 0]])
    #expect(outcome.clearingPrice == Price(0))
    #expect(outcome.releases.isEmpty)
  }
}
