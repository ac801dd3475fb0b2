import Domain
import Market
import Testing

@Suite struct AgentRuleTests {
  @Test func theExcessIsSoldAndTheGapBought() throws {
    var bench = Bench()
    bench.agent(1, buy: 120_000, sell: 150_000, low: 20, high: 50)
    bench.agent(2, buy: 120_000, sell: 150_000, low: 20, high: 50)
    bench.agent(3, buy: 120_000, sell: 150_000, low: 20, high: 50)
    let outcome = try bench.book.auction(
      AuctionInput(
        0, energy: [(1, 80), (2, 5), (3, 30)], budgets: [(1, 9000), (2, 9000), (3, 9000)]))
    #expect(outcome.trades.isEmpty)
    let sell = bench.book.openOrders(of: AccountIndex(1))
    #expect(sell.map(\.remaining) == [30] && sell[0].limit == Price(150_000))
    #expect(sell[0].side == .sell && sell[0].origin == .agent)
    #expect(sell[0].timeInForce == .goodTillInterval(Interval(1)))
    let buy = bench.book.openOrders(of: AccountIndex(2))
    #expect(buy.map(\.remaining) == [15] && buy[0].side == .buy)
    #expect(bench.book.openOrders(of: AccountIndex(3)).isEmpty)
    // 15 Wh at 120 µ¤ stay held.
    #expect(sums(outcome.releases) == [1: 9000, 2: 9000 - 1800, 3: 9000])
    // At the next close they end and are placed anew from what is held then.
    let next = try bench.book.auction(
      AuctionInput(1, energy: [(1, 60)], budgets: [(2, 9000)]))
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.remaining) == [10])
    #expect(sums(next.releases) == [2: 1800 + 9000 - 1800])
  }

  @Test func agentsTradeWithEachOther() throws {
    var bench = Bench()
    bench.agent(1, sell: 150_000, low: 0, high: 50)
    bench.agent(2, buy: 180_000, low: 20, high: 50)
    let outcome = try bench.book.auction(
      AuctionInput(0, energy: [(1, 80), (2, 5)], budgets: [(2, 9000)]))
    #expect(outcome.trades.map(\.brief) == [[2, 1, 15, 180_000]])
    #expect(bench.wattHours(2) == 20)
  }

  @Test(arguments: [(Int64(1199), Int64(9)), (1200, 10), (9000, 15), (0, 0)])
  func aBuyIsLimitedByTheBudget(_ budget: Int64, _ wattHours: Int64) throws {
    var bench = Bench()
    bench.agent(1, buy: 120_000, low: 15, high: 50)
    _ = try bench.book.auction(AuctionInput(0, budgets: [(1, budget)]))
    let open = bench.book.openOrders(of: AccountIndex(1))
    #expect(open.reduce(0) { $0 + $1.remaining } == wattHours)
  }

  @Test func aBuyIsLimitedByHeadroom() throws {
    var bench = Bench(maximumHeld: 10)
    bench.agent(1, buy: 120_000, low: 50, high: 50)
    _ = try bench.book.auction(AuctionInput(0, energy: [(1, 4)], budgets: [(1, 90_000)]))
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.remaining) == [6])
  }

  @Test func anOrderOfThatSideStandsInItsWay() throws {
    var bench = Bench()
    bench.agent(1, buy: 120_000, sell: 150_000, low: 20, high: 50)
    bench.place(1, .sell, 1, at: 400_000)
    _ = try bench.book.auction(AuctionInput(0, energy: [(1, 80)]))
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.origin) == [.member])
  }

  @Test func aShortfallIsPaidForBeforeTheAgent() throws {
    var bench = Bench()
    bench.agent(1, buy: 100_000, low: 50, high: 60)
    let outcome = try bench.book.auction(
      AuctionInput(0, shortfalls: [(1, 10)], budgets: [(1, 3700)]))
    // 10 Wh at retail hold 3,000; the agent has 700 left, 7 Wh at 100.
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.remaining) == [7])
    #expect(sums(outcome.releases) == [1: 3000])
    #expect(
      outcome.unfilledShortfalls == [AccountEnergy(AccountIndex(1), Energy(wattHours: 10))])
  }

  @Test func overflowIsNotOfferedTwice() throws {
    var bench = Bench()
    bench.agent(1, sell: 150_000, low: 0, high: 50)
    _ = try bench.book.auction(AuctionInput(0, energy: [(1, 80)], overflows: [(1, 20)]))
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.remaining) == [10])
  }

  @Test(arguments: [
    AgentSettings(buyPrice: Price(0), sellPrice: nil, low: .zero, high: .zero),
    AgentSettings(buyPrice: nil, sellPrice: Price(1_000_000_000_001), low: .zero, high: .zero),
    AgentSettings(buyPrice: nil, sellPrice: nil, low: Energy(-1), high: .zero),
    AgentSettings(buyPrice: nil, sellPrice: nil, low: Energy(2), high: Energy(1)),
    AgentSettings(buyPrice: nil, sellPrice: nil, low: .zero, high: .max),
  ])
  func settingsOutOfRangeAreMalformed(_ settings: AgentSettings) {
    var bench = Bench()
    let outcome = bench.book.match(
      [.setAgent(entry: 3, account: AccountIndex(1), settings)], energy: [])
    #expect(outcome.receipts == [PlacedReceipt(3, .rejected(.malformed))])
    #expect(bench.book.agent(of: AccountIndex(1)) == nil)
  }

  @Test func automaticAccountsAreTheAgentsAndTheCommunity() {
    for community in [0, 5, 9] {
      var bench = Bench(community: community)
      bench.agent(7, sell: 1, low: 0, high: 1)
      bench.agent(2, sell: 1, low: 0, high: 1)
      bench.agent(5, sell: 1, low: 0, high: 1)
      let expected = Set([2, 5, 7, community]).sorted()
      #expect(bench.book.automaticAccounts.map(\.int) == expected)
      _ = bench.book.match([.setAgent(entry: 0, account: AccountIndex(7), nil)], energy: [])
      let left = Set([2, 5, community]).sorted()
      #expect(bench.book.automaticAccounts.map(\.int) == left)
    }
  }
}

@Suite struct MarketMakerRuleTests {
  @Test func anEmptySideIsQuoted() throws {
    var bench = Bench(maximumHeld: 100)
    let outcome = try bench.book.auction(
      AuctionInput(0, energy: [(9, 40)], budgets: [(9, 1599)]))
    // The middle of 100,000…300,000, plus and minus a quarter of the band.
    let open = bench.book.openOrders(of: AccountIndex(9))
    #expect(open.map(\.side) == [.sell, .buy])
    #expect(open.map(\.limit.raw) == [250_000, 150_000])
    #expect(open.map(\.remaining) == [40, 10])
    #expect(open.allSatisfy { $0.origin == .marketMaker && $0.remaining == $0.executable })
    #expect(sums(outcome.releases) == [9: 99])
  }

  @Test func aSideWithExecutableOrdersIsNot() throws {
    var bench = Bench(maximumHeld: 100)
    bench.place(2, .buy, 10, at: 90_000)
    bench.place(3, .sell, 10, at: 90_000)  // dormant: no energy
    _ = try bench.book.auction(AuctionInput(0, energy: [(9, 40)], budgets: [(9, 9000)]))
    #expect(bench.book.openOrders(of: AccountIndex(9)).map(\.side) == [.sell])
  }

  @Test func quotesStayWithinTheBand() throws {
    var bench = Bench(maximumHeld: 100)
    var input = AuctionInput(0, energy: [(9, 40)], budgets: [(9, 90_000)])
    input.expectedDeficit = Energy(10)  // reference = retail
    _ = try bench.book.auction(input)
    #expect(
      bench.book.openOrders(of: AccountIndex(9)).map(\.limit.raw) == [300_000, 250_000])
    input.interval = Interval(1)
    input.expectedSurplus = Energy(10)  // reference = feed-in
    _ = try bench.book.auction(input)
    #expect(
      bench.book.openOrders(of: AccountIndex(9)).map(\.limit.raw) == [150_000, 100_000])
  }

  @Test func quotesLiveForOneInterval() throws {
    var bench = Bench(maximumHeld: 100)
    _ = try bench.book.auction(AuctionInput(0, budgets: [(9, 9000)]))
    bench.hold([(1, 50)])
    #expect(bench.place(1, .sell, 20, at: 100_000).receipt.filled == 20)
    bench.place(3, .buy, 1, at: 1000)
    let next = try bench.book.auction(AuctionInput(1))
    // 60 Wh at 150 µ¤ were held, 20 traded.
    #expect(sums(next.releases) == [9: 6000])
    #expect(bench.book.openOrders(of: AccountIndex(9)).map(\.side) == [.sell])
  }
}
