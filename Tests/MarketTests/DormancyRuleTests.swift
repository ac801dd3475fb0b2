import Domain
import Market
import Testing

@Suite struct DormancyRuleTests {
  @Test func aSellIsExecutableAsFarAsItsAccountHasEnergy() {
    var bench = Bench()
    bench.hold([(1, 7)])
    bench.place(1, .sell, 10, at: 100_000)
    #expect(bench.order(1, 1)?.executable == 7)
    let (receipt, _) = bench.place(2, .buy, 10, at: 100_000)
    #expect(receipt == Receipt(order: OrderID(2), filled: 7, resting: 3))
    #expect(bench.order(1, 1)?.remaining == 3)
    #expect(bench.order(1, 1)?.executable == 0)
    // The book stands crossed: a dormant ask at the bid.
    let depth = bench.book.depth(levels: 1)
    #expect(depth.bids[0].price == Price(100_000) && depth.asks[0].price == Price(100_000))
    #expect(depth.bestExecutableBid == Price(100_000) && depth.bestExecutableAsk == nil)
  }

  @Test func aBuyIsExecutableAsFarAsItsAccountHasHeadroom() {
    var bench = Bench(maximumHeld: 1000)
    bench.hold([(1, 995), (2, 100)])
    bench.place(1, .buy, 10, at: 100_000)
    #expect(bench.order(1, 1)?.executable == 5)
    #expect(bench.place(2, .sell, 10, at: 100_000).receipt.filled == 5)
  }

  @Test func olderOrdersOfTheAccountComeFirst() {
    var bench = Bench()
    bench.hold([(1, 12)])
    bench.place(1, .sell, 10, at: 300_000)
    bench.place(1, .sell, 10, at: 200_000)
    bench.place(1, .sell, 10, at: 100_000)
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.executable) == [10, 2, 0])
    // The best price is dormant; the executable ones behind it trade.
    #expect(
      bench.place(2, .buy, 5, at: 300_000).outcome.trades.map(\.brief) == [
        [2, 1, 2, 200_000], [2, 1, 3, 300_000],
      ])
    bench.hold([(1, 4)])
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.executable) == [4, 0, 0])
    bench.hold([(1, 20)])
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.executable) == [7, 8, 5])
  }

  @Test func wholeWattHoursOnly() {
    var bench = Bench()
    _ = bench.book.match(
      [], energy: [EnergyBalance(account: AccountIndex(1), balance: Energy(1999))])
    bench.place(1, .sell, 10, at: 100_000)
    #expect(bench.order(1, 1)?.executable == 1)
  }

  @Test func aWakingOrderActsAsAnArrivingOneAndKeepsItsPlace() {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 100_000)
    bench.hold([(3, 50)])
    bench.place(3, .sell, 10, at: 100_000)
    bench.place(2, .buy, 5, at: 90_000)
    bench.place(4, .buy, 5, at: 120_000)
    // Account 3 sold 5 to account 4 at its own price; then account 1 wakes and takes nothing.
    #expect(bench.wattHours(4) == 5)
    let woken = bench.hold([(1, 8)])
    #expect(woken.trades.isEmpty)
    // Older than account 3's order at the same price.
    let (_, outcome) = bench.place(5, .buy, 10, at: 100_000)
    #expect(outcome.trades.map(\.brief) == [[5, 1, 8, 100_000], [5, 3, 2, 100_000]])
  }

  @Test func aWakingSellTradesAtTheBidsPrice() {
    var bench = Bench()
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .buy, 4, at: 130_000)
    bench.place(3, .buy, 4, at: 120_000)
    let outcome = bench.hold([(1, 6)])
    #expect(outcome.trades.map(\.brief) == [[2, 1, 4, 130_000], [3, 1, 2, 120_000]])
    #expect(outcome.trades.allSatisfy { $0.taker == .sell })
    #expect(bench.order(1, 1)?.remaining == 4)
  }

  @Test func aTradeWakesTheSellersBuysAndTheBuyersSells() {
    var bench = Bench(maximumHeld: 100)
    bench.hold([(1, 100), (5, 50)])
    bench.place(1, .buy, 20, at: 200_000)  // 1: dormant, no headroom
    bench.place(2, .sell, 20, at: 300_000)  // 2: dormant, no energy
    bench.place(5, .sell, 5, at: 150_000)  // 3
    bench.place(6, .buy, 5, at: 310_000)  // takes 3; 4
    bench.place(5, .sell, 5, at: 190_000)  // 5: for the bid that will wake
    bench.place(6, .buy, 10, at: 300_000)  // takes 5 at 190,000, rests with 5 Wh
    bench.place(2, .buy, 10, at: 180_000)  // 7
    let (_, outcome) = bench.place(1, .sell, 10, at: 170_000)
    // 1 sells to 6 at 300,000, then to 2 at 180,000. 1's headroom wakes its bid (nobody asks
    // up to 200,000), 2's energy wakes its ask, which meets nobody: 6 has been served.
    #expect(outcome.trades.map(\.brief) == [[6, 1, 5, 300_000], [2, 1, 5, 180_000]])
    #expect(bench.order(1, 1)?.executable == 10)
    #expect(bench.order(2, 2)?.executable == 5)
    // A new ask meets the bid that woke.
    #expect(
      bench.place(5, .sell, 3, at: 200_000).outcome.trades.map(\.brief) == [[1, 5, 3, 200_000]])
  }

  @Test func wakesChain() {
    var bench = Bench(maximumHeld: 100)
    // 2 asks for 10 at 110 without energy, 3 bids 10 at 110; 2 bids 10 at 100.
    bench.place(2, .sell, 10, at: 110_000)
    bench.place(3, .buy, 10, at: 110_000)
    bench.place(2, .buy, 10, at: 100_000)
    bench.hold([(1, 10)])
    // 1 sells to 3, who bids more; the second sale reaches 2, whose ask then wakes.
    let first = bench.place(1, .sell, 10, at: 100_000)
    #expect(first.outcome.trades.map(\.brief) == [[3, 1, 10, 110_000]])
    bench.place(3, .buy, 10, at: 110_000)
    bench.hold([(2, 4)])
    #expect(bench.wattHours(3) == 14)
    #expect(bench.wattHours(2) == 0)
    #expect(bench.order(2, 1)?.remaining == 6)
  }

  @Test func cancellingAnOlderOrderWakesTheNext() {
    var bench = Bench()
    bench.hold([(1, 10)])
    bench.place(1, .sell, 10, at: 300_000)
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .buy, 6, at: 100_000)
    let (_, outcome) = bench.cancel(1, 1)
    #expect(outcome.trades.map(\.brief) == [[2, 1, 6, 100_000]])
    #expect(bench.order(1, 2)?.remaining == 4)
  }

  @Test func loweringAnOrderWakesTheNext() {
    var bench = Bench()
    bench.hold([(1, 10)])
    bench.place(1, .sell, 10, at: 300_000)
    bench.place(1, .sell, 10, at: 200_000)
    bench.replace(1, 1, 7, at: 300_000)
    #expect(bench.book.openOrders(of: AccountIndex(1)).map(\.executable) == [7, 3])
  }

  @Test func immediateOrCancelDoesNotSleep() {
    var bench = Bench()
    bench.hold([(1, 3)])
    bench.place(2, .buy, 10, at: 100_000)
    let (receipt, _) = bench.place(1, .sell, 10, at: 100_000, .immediateOrCancel)
    #expect(receipt == Receipt(order: OrderID(2), filled: 3, resting: 0))
    #expect(bench.book.openOrders(of: AccountIndex(1)).isEmpty)
  }

  @Test func transfersCountBeforeTheBlocksOrders() {
    var bench = Bench()
    bench.hold([(1, 10)])
    bench.place(1, .sell, 10, at: 100_000)
    let request = OrderRequest(
      side: .buy, wattHours: 10, limit: Price(100_000), timeInForce: .goodTillCancelled)
    let outcome = bench.book.match(
      [.place(entry: 0, account: AccountIndex(2), request, held: Money(1000))],
      energy: [
        EnergyBalance(account: AccountIndex(3), balance: Energy(wattHours: 6)),
        EnergyBalance(account: AccountIndex(1), balance: Energy(wattHours: 4)),
      ])
    #expect(outcome.trades.map(\.brief) == [[2, 1, 4, 100_000]])
  }
}

@Suite struct OwnOrderRuleTests {
  @Test func anOrderThatMeetsItsOwnFirstIsRefused() {
    var bench = Bench()
    bench.hold([(1, 100)])
    bench.place(1, .sell, 10, at: 100_000)
    let (receipt, outcome) = bench.place(1, .buy, 10, at: 100_000)
    #expect(receipt == .rejected(.crossesOwnOrder))
    #expect(sums(outcome.releases) == [1: 1000])
    #expect(
      bench.place(1, .buy, 10, at: 100_000, .immediateOrCancel).receipt
        == .rejected(.crossesOwnOrder))
    #expect(bench.place(1, .buy, 10, at: 99_000).receipt.resting == 10)
  }

  @Test func anOrderThatMeetsItsOwnLaterLosesItsRest() {
    var bench = Bench()
    bench.hold([(1, 100), (2, 100)])
    bench.place(2, .sell, 4, at: 90_000)
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .sell, 10, at: 100_000)
    let (receipt, outcome) = bench.place(1, .buy, 10, at: 100_000)
    #expect(receipt == Receipt(order: OrderID(4), filled: 4, resting: 0))
    #expect(sums(outcome.releases) == [1: 600])
    #expect(bench.order(1, 2)?.remaining == 10)
  }

  @Test func aDormantOrderOfItsOwnIsNotInTheWay() {
    var bench = Bench()
    bench.hold([(2, 100)])
    bench.place(1, .sell, 10, at: 100_000)
    bench.place(2, .sell, 10, at: 100_000)
    #expect(
      bench.place(1, .buy, 10, at: 100_000).outcome.trades.map(\.brief) == [
        [1, 2, 10, 100_000]
      ])
    // With the energy bought, its own ask woke.
    #expect(bench.order(1, 1)?.executable == 10)
  }

  @Test func aWakingOrderThatMeetsItsOwnIsCancelledWhole() {
    var bench = Bench(maximumHeld: 100)
    bench.hold([(1, 97)])
    bench.place(1, .buy, 10, at: 100_000)  // 3 executable, 7 dormant
    bench.place(1, .sell, 5, at: 110_000)
    #expect(bench.order(1, 1)?.executable == 3)
    // A bid above the own ask, dormant behind the first one.
    bench.place(1, .buy, 4, at: 120_000)
    #expect(bench.order(1, 3)?.executable == 0)
    let outcome = bench.hold([(1, 89)])
    #expect(outcome.trades.isEmpty)
    #expect(sums(outcome.releases) == [1: 480])
    #expect(bench.order(1, 3) == nil)
    #expect(bench.order(1, 1)?.executable == 10)
  }
}
