import Domain
import Market
import Testing

/// One sentence of the rules each: what is offered in a coupling round, what is frozen meanwhile,
/// and what the round's result does.
@Suite struct RoundRuleTests {
  private func close(
    _ bench: inout Bench, _ interval: Int64 = 0, energy: [(Int, Int64)] = [],
    shortfalls: [(Int, Int64)] = [], overflows: [(Int, Int64)] = [], budgets: [(Int, Int64)] = [],
    bids: Bool = true
  ) throws -> AuctionOutcome {
    var input = AuctionInput(
      interval, energy: energy, shortfalls: shortfalls, overflows: overflows, budgets: budgets)
    if bids { input.bidder = gridID(7) }
    let outcome = try bench.book.auction(input)
    try bench.book.checkInvariants()
    return outcome
  }

  private func bid(_ outcome: AuctionOutcome) throws -> CouplingBid {
    var reader = CanonicalReader(try #require(outcome.offer).bid)
    let bid = try CouplingBid(from: &reader)
    try reader.finish()
    #expect(bid.grid == gridID(7))
    return bid
  }

  private func steps(_ steps: [PriceStep]) -> [[Int64]] { steps.map { [$0.price, $0.wattHours] } }

  private func settle(
    _ bench: inout Bench, _ interval: Int64 = 0, at price: Int64? = nil, bought: Int64 = 0,
    sold: Int64 = 0
  ) throws -> RoundResult {
    let fill = price.map {
      RoundFill(price: Price($0), bought: bought, sold: sold, money: .zero)
    }
    let result = try bench.book.settleRound(Interval(interval), fill)
    try bench.book.checkInvariants()
    return result
  }

  private func brief(_ trades: [RoundTrade]) -> [[Int64]] {
    trades.map { [Int64($0.account.raw), Int64($0.order.raw), $0.wattHours, $0.released.raw] }
  }

  @Test func whatStaysExecutableIsOfferedByPrice() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    bench.place(2, .sell, 30, at: 150_000)
    bench.place(3, .sell, 5, at: 140_000)
    bench.place(4, .buy, 7, at: 120_000)
    bench.place(5, .buy, 6, at: 110_000)
    // Account 2 has energy for 20 of its 30; account 3 for none.
    let outcome = try close(&bench, energy: [(1, 50), (2, 20)])
    let bid = try bid(outcome)
    #expect(steps(bid.sells) == [[150_000, 30]])
    #expect(steps(bid.buys) == [[120_000, 7], [110_000, 6]])
    let offer = try #require(outcome.offer)
    #expect(offer.energy == [line(1, 10), line(2, 20)])
    #expect(offer.headroom == [line(4, 7), line(5, 6)])
    #expect(bench.wattHours(1) == 40 && bench.wattHours(2) == 0)
    #expect(outcome.releases.isEmpty)
  }

  private func line(_ account: Int, _ wattHours: Int64) -> AccountEnergy {
    AccountEnergy(AccountIndex(account), Energy(wattHours: wattHours))
  }

  @Test func shortfallsBidAtRetailAndOverflowsAtFeedIn() throws {
    var bench = Bench()
    bench.place(3, .sell, 4, at: 100_000)
    let outcome = try close(
      &bench, energy: [(1, 500), (3, 4)], shortfalls: [(2, 40)], overflows: [(1, 100)],
      budgets: [(2, 3000)])
    // 10 Wh are all that account 2 can pay: they are bought in the auction.
    #expect(outcome.trades.map(\.brief) == [[2, 3, 4, 200_000], [2, 1, 6, 200_000]])
    let bid = try bid(outcome)
    #expect(steps(bid.sells) == [[100_000, 94]])
    #expect(bid.buys.isEmpty)
    #expect(outcome.offer?.energy == [] && outcome.offer?.headroom == [])
    let result = try settle(&bench, at: 100_000, sold: 90)
    #expect(brief(result.trades) == [[1, 0, 90, 0]])
    #expect(result.trades.allSatisfy { $0.isAutomatic } && result.returned.isEmpty)
    #expect(bench.wattHours(1) == 400)
  }

  @Test func theMoneyOfAShortfallStaysHeldUntilTheResult() throws {
    var bench = Bench()
    let outcome = try close(&bench, shortfalls: [(2, 40)], budgets: [(2, 9100)])
    #expect(steps(try bid(outcome).buys) == [[300_000, 30]])
    // 30 Wh at 300 µ¤ a Wh stay held, the rest is free.
    #expect(sums(outcome.releases) == [2: 100])
    let result = try settle(&bench, at: 200_000, bought: 20)
    #expect(brief(result.trades) == [[2, 0, 20, 6000]])
    #expect(sums(result.releases) == [2: 3000])
  }

  @Test func nothingToOfferIsNoBid() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    let outcome = try close(&bench)
    #expect(outcome.offer == nil)
    #expect(throws: InvariantViolation.self) {
      try bench.book.settleRound(Interval(0), nil)
    }
  }

  @Test func sixtyFourPricesAreOfferedAndTheWorstStayOut() throws {
    var bench = Bench()
    for price in 1...70 as ClosedRange<Int64> {
      bench.place(1, .sell, 1, at: 200_000 + price)
      bench.place(2, .buy, 1, at: 100_000 + price)
    }
    let outcome = try close(&bench, energy: [(1, 100)])
    let bid = try bid(outcome)
    #expect(steps(bid.sells) == (1...64).map { [200_000 + $0, 1] })
    #expect(steps(bid.buys) == (7...70).reversed().map { [100_000 + $0, 1] })
    // The six worst of each side are not held: they go on trading.
    #expect(bench.wattHours(1) == 36)
    #expect(bench.book.depth(levels: 1).bestExecutableAsk == Price(200_065))
    #expect(bench.book.depth(levels: 1).bestExecutableBid == Price(100_006))
  }

  @Test func aSideIsOfferedUpToAGigawattHour() throws {
    let most = CouplingLimits.sideWattHours
    var bench = Bench(maximumHeld: 4 * most)
    bench.place(1, .sell, most - 1, at: 150_000)
    bench.place(1, .sell, 5, at: 160_000)
    bench.place(2, .sell, 5, at: 170_000)
    let outcome = try close(&bench, energy: [(1, 2 * most), (2, 5)])
    #expect(steps(try bid(outcome).sells) == [[150_000, most - 1], [160_000, 1]])
    #expect(bench.order(1, 2)?.frozen == 1)
    #expect(bench.order(1, 2)?.executable == 4)
    #expect(bench.order(2, 3)?.frozen == 0)
  }

  @Test func aFrozenOrderKeepsItsPlaceAndDoesNotTradeHere() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    bench.hold([(1, 10)])
    _ = try close(&bench)
    let order = try #require(bench.order(1, 1))
    #expect(order.remaining == 10 && order.executable == 0 && order.frozen == 10)
    let bought = bench.place(4, .buy, 10, at: 160_000)
    #expect(bought.outcome.trades.isEmpty && bought.receipt.resting == 10)
    // A younger order of the same account has energy of its own.
    bench.hold([(1, 3)])
    let sold = bench.place(1, .sell, 5, at: 155_000)
    #expect(sold.outcome.trades.map(\.brief) == [[4, 1, 3, 160_000]])
    // What was frozen comes back and meets who came meanwhile, as waking energy does.
    let result = try settle(&bench)
    #expect(result.returned == [line(1, 10)])
    #expect(result.woken.trades.map(\.brief) == [[4, 1, 7, 160_000]])
    #expect(bench.order(1, 1)?.executable == 3)
    #expect(bench.order(1, 3)?.executable == 0)
  }

  @Test func theRoundFillsByPriceThenTimeAtItsOnePrice() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    bench.place(2, .sell, 10, at: 140_000)
    bench.place(3, .sell, 10, at: 150_000)
    bench.place(3, .sell, 10, at: 170_000)
    let outcome = try close(&bench, energy: [(1, 10), (2, 10), (3, 20)])
    #expect(steps(try bid(outcome).sells) == [[140_000, 10], [150_000, 20], [170_000, 10]])
    let result = try settle(&bench, at: 150_000, sold: 23)
    #expect(brief(result.trades) == [[2, 2, 10, 0], [1, 1, 10, 0], [3, 3, 3, 0]])
    #expect(result.trades.allSatisfy { $0.price == Price(150_000) })
    #expect(result.returned == [line(3, 17)])
    #expect(bench.order(3, 3)?.remaining == 7 && bench.order(3, 3)?.executable == 7)
    #expect(bench.order(3, 4)?.executable == 10)
    #expect(bench.order(1, 1) == nil)
    #expect(bench.book.depth(levels: 1).lastTradePrice == Price(150_000))
  }

  @Test func buysGetTheirEnergyIntoTheHeadroomThatWasKept() throws {
    var bench = Bench(maximumHeld: 50)
    bench.place(4, .buy, 30, at: 160_000)
    bench.place(4, .buy, 30, at: 150_000)
    let outcome = try close(&bench)
    // Headroom for 50 of 60 Wh: the oldest first.
    #expect(steps(try bid(outcome).buys) == [[160_000, 30], [150_000, 20]])
    // None is left for a third order, nor for what is dormant of the second.
    let third = bench.place(4, .buy, 5, at: 170_000)
    #expect(third.receipt.resting == 5 && bench.order(4, 3)?.executable == 0)
    let result = try settle(&bench, at: 155_000, bought: 30)
    #expect(brief(result.trades) == [[4, 1, 30, 4800]])
    #expect(bench.wattHours(4) == 30)
    #expect(bench.order(4, 2)?.executable == 20)
    #expect(result.releases.isEmpty)
  }

  @Test func cancellingFreesTheFreePartAtOnceAndTheFrozenPartWithTheResult() throws {
    var bench = Bench(maximumHeld: 50)
    bench.place(4, .buy, 60, at: 160_000)
    _ = try close(&bench)
    #expect(bench.order(4, 1)?.frozen == 50)
    let cancelled = bench.cancel(4, 1)
    #expect(cancelled.receipt.rejection == nil && cancelled.receipt.resting == 50)
    #expect(sums(cancelled.outcome.releases) == [4: 1600])
    #expect(bench.order(4, 1) == nil)
    #expect(bench.cancel(4, 1).receipt.rejection == .unknownObject)
    // Its headroom is still taken.
    bench.place(4, .buy, 5, at: 170_000)
    #expect(bench.order(4, 2)?.executable == 0)
    let result = try settle(&bench, at: 155_000, bought: 20)
    #expect(brief(result.trades) == [[4, 1, 20, 3200]])
    #expect(sums(result.releases) == [4: 4800])
    #expect(bench.order(4, 1) == nil && bench.order(4, 2)?.executable == 5)
  }

  @Test func replacingLeavesTheFrozenPartToTheOldOrder() throws {
    for (wattHours, limit, id) in [(3, 150_000, 1), (20, 150_000, 2), (3, 155_000, 2)]
      as [(Int64, Int64, UInt64)]
    {
      var bench = Bench()
      bench.place(1, .sell, 10, at: 150_000)
      bench.hold([(1, 6)])
      _ = try close(&bench)
      let replaced = bench.replace(1, 1, wattHours, at: limit)
      #expect(replaced.receipt == Receipt(order: OrderID(id), resting: wattHours))
      #expect(bench.order(1, id)?.frozen == 0 && bench.order(1, id)?.remaining == wattHours)
      let result = try settle(&bench, at: 150_000, sold: 2)
      #expect(brief(result.trades) == [[1, 1, 2, 0]])
      #expect(result.returned == [line(1, 4)])
      // The energy is the account's again, and its orders'; the old order does not grow.
      #expect(bench.order(1, id)?.remaining == wattHours)
      #expect(bench.order(1, id)?.executable == min(wattHours, 4))
    }
  }

  @Test func aReplacementThatIsRejectedChangesNothing() throws {
    var bench = Bench()
    bench.place(4, .buy, 10, at: 150_000)
    _ = try close(&bench)
    let rejected = bench.replace(4, 1, 20, at: 150_000, held: 100)
    #expect(rejected.receipt.rejection == .insufficientFunds)
    #expect(bench.order(4, 1)?.frozen == 10)
    // A wholly frozen order has no hold left for another one.
    let replaced = bench.replace(4, 1, 20, at: 150_000, held: 3000)
    #expect(replaced.receipt.rejection == nil && replaced.outcome.releases.isEmpty)
    let result = try settle(&bench)
    #expect(sums(result.releases) == [4: 1500])
  }

  @Test func ordersOfAnIntervalEndWithItsAuctionAndFrozenPartsWithTheResult() throws {
    var bench = Bench()
    bench.place(1, .sell, 5, at: 150_000, .goodTillInterval(Interval(0)))
    bench.place(1, .sell, 5, at: 160_000, .goodTillInterval(Interval(1)))
    let outcome = try close(&bench, energy: [(1, 10)])
    #expect(steps(try bid(outcome).sells) == [[160_000, 5]])
    _ = try close(&bench, 1, bids: false)
    #expect(bench.order(1, 2) == nil)
    let result = try settle(&bench)
    #expect(result.returned == [line(1, 5)] && bench.order(1, 2) == nil)
    #expect(bench.wattHours(1) == 10)
  }

  @Test func whatAgentsAndTheMarketMakerOfferEndsWithTheResult() throws {
    var bench = Bench()
    bench.agent(1, sell: 250_000, low: 0, high: 2)
    let outcome = try close(
      &bench, energy: [(1, 12), (9, 5)], budgets: [(9, 10_000)])
    // The maker's ask is not needed beside the agent's; its bid is.
    let bid = try bid(outcome)
    #expect(steps(bid.sells) == [[250_000, 10]])
    #expect(steps(bid.buys) == [[150_000, 66]])
    #expect(bench.book.openOrders(of: AccountIndex(1)).isEmpty)
    #expect(bench.book.openOrders(of: AccountIndex(9)).isEmpty)
    let result = try settle(&bench, at: 160_000)
    #expect(result.trades.isEmpty)
    #expect(result.returned == [line(1, 10)])
    #expect(sums(result.releases) == [9: 9900])
    #expect(bench.wattHours(1) == 12)
    #expect(bench.book.restingOrders == 0)
  }

  @Test func anAgentDoesNotBuyTwiceWhatARoundMayBring() throws {
    var bench = Bench()
    bench.agent(1, buy: 250_000, low: 10, high: 20)
    let outcome = try close(&bench, budgets: [(1, 100_000)])
    #expect(steps(try bid(outcome).buys) == [[250_000, 10]])
    let second = try close(&bench, 1, budgets: [(1, 90_000)], bids: false)
    #expect(sums(second.releases) == [1: 90_000])
    #expect(bench.book.restingOrders == 0)
  }

  @Test func oneRoundIsOpenAtATime() throws {
    var bench = Bench()
    bench.place(1, .sell, 5, at: 150_000)
    _ = try close(&bench, energy: [(1, 10)])
    #expect(throws: InvariantViolation.self) { try close(&bench, 1) }
    _ = try close(&bench, 1, bids: false)
    #expect(throws: InvariantViolation.self) { try settle(&bench, 1) }
    _ = try settle(&bench, 0)
    #expect(throws: InvariantViolation.self) { try settle(&bench, 0) }
    let third = try close(&bench, 2)
    #expect(third.offer != nil)
  }

  @Test(arguments: [
    // Price, bought, sold: beyond what was bid, or beyond its limits.
    (Int64(150_000), Int64(0), Int64(11)), (149_999, 0, 1), (120_000, 8, 0), (120_001, 1, 0),
    (130_000, 0, -1), (130_000, -1, 0), (-1, 0, 0),
  ])
  func aResultThatWasNotBidHalts(_ price: Int64, _ bought: Int64, _ sold: Int64) throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    bench.place(4, .buy, 7, at: 120_000)
    _ = try close(&bench, energy: [(1, 10)])
    #expect(throws: InvariantViolation.self) {
      try settle(&bench, at: price, bought: bought, sold: sold)
    }
  }

  @Test func aBookRestoredWithinARoundGoesOnEqually() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    bench.place(1, .sell, 8, at: 160_000)
    bench.place(2, .sell, 8, at: 170_000)
    bench.agent(3, buy: 90_000, low: 10, high: 20)
    _ = try close(
      &bench, energy: [(1, 14), (2, 8), (5, 30)], shortfalls: [(6, 9)], overflows: [(5, 20)],
      budgets: [(3, 10_000), (6, 9000)])
    bench.cancel(2, 3)
    let chunks = bench.book.chunks()
    #expect(chunks.map(\.name).contains("book/round"))
    var restored = try restore(chunks)
    #expect(restored.chunks() == chunks)
    let fill = RoundFill(price: Price(165_000), bought: 0, sold: 12, money: .zero)
    let (a, b) = (
      try bench.book.settleRound(Interval(0), fill), try restored.settleRound(Interval(0), fill)
    )
    #expect(a.trades == b.trades && a.releases == b.releases && a.returned == b.returned)
    #expect(a.woken.trades == b.woken.trades)
    #expect(bench.book.chunks() == restored.chunks())
  }

  private func restore(_ chunks: [StateChunk]) throws(Rejection) -> BookCore {
    try BookCore(
      calendar: testCalendar, parameters: Parameters(), maximumHeld: Energy(wattHours: 1000),
      community: AccountIndex(9), chunks: chunks)
  }

  @Test func damagedRoundsAreRefused() throws {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 150_000)
    bench.place(2, .sell, 10, at: 150_000)
    _ = try close(&bench, energy: [(1, 10), (2, 10)])
    let chunks = bench.book.chunks()
    let place = try #require(chunks.firstIndex { $0.name == "book/round/0" })
    // The last of 30 bytes says whether the order still has its part; it may not.
    for offset in chunks[place].bytes.indices where offset % 30 != 29 {
      var damaged = chunks
      var bytes = chunks[place].bytes
      bytes[offset] ^= 1
      damaged[place] = StateChunk(name: "book/round/0", bytes: bytes)
      #expect(throws: Rejection.malformed, "byte \(offset)") { try restore(damaged) }
    }
    #expect(throws: Rejection.malformed) {
      try restore(chunks.filter { $0.name != "book/round" })
    }
    #expect(throws: Rejection.malformed) {
      try restore(chunks.filter { $0.name != "book/round/0" })
    }
  }
}
