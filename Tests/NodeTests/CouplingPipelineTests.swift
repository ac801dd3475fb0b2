import Backbone
import Domain
import Market
import Node
import Storage
import Testing

/// The grid's side of coupling rounds, along the whole pipeline.
@Suite struct CouplingPipelineTests {
  /// Ten kilowatt-hours for sale at 0.10 in one grid, and wanted at 0.30 in another.
  @Test(arguments: [(Int64(4000), Int64(4000)), (20_000, 10_000)])
  func goldenFiguresSeenFromBothGrids(_ capacity: Int64, _ flow: Int64) async throws {
    var a = try await CoupledGrid("A")
    var b = try await CoupledGrid("B")
    try await a.place(0, .sell, 10_000, at: 100_000)
    try await b.place(0, .buy, 10_000, at: 300_000)
    #expect(try await a.close([(10_000_000, 0)]).closes.isEmpty)
    #expect(try await b.close().closes.isEmpty)
    let bids = [try #require(try a.takeBid()), try #require(try b.takeBid())]
    let problem = try CouplingProblem(
      round: try #require(a.open), bids: bids,
      lines: [
        CouplingLine(
          id: 1, from: a.genesis.chainID, to: b.genesis.chainID, forth: capacity, back: capacity,
          fee: Price(20_000))
      ])
    let outcome = try Coupling.clear(problem)
    let settlement = try CouplingSettlement(outcome, of: problem)
    var prices: [Int64] = []
    for grid in [a, b] {
      let place = try #require(problem.bids.firstIndex { $0.grid == grid.genesis.chainID })
      let share = outcome.shares[place]
      let price = try #require(share.price)
      prices.append(price.raw)
      let fill = RoundFill(
        price: price, bought: share.bought, sold: share.sold,
        money: settlement.positions[place].money)
      if grid.genesis == a.genesis { try await a.settle(fill) } else { try await b.settle(fill) }
    }
    let first = try await a.execute()
    let second = try await b.execute()
    #expect(abs(outcome.flows[0]) == flow)
    if flow < 10_000 {
      #expect(prices == [100_000, 300_000])
      #expect(settlement.incomes[0].fee.raw == 80_000 && settlement.incomes[0].rent.raw == 720_000)
      #expect(a.account(0).money.raw == 100_400_000)
      #expect(b.account(0).money.raw + b.account(0).heldMoney.raw == 98_800_000)
    } else {
      #expect(prices[1] - prices[0] == 20_000)
      #expect(settlement.incomes[0].rent.raw == 0)
    }
    #expect(a.account(0).watt.raw == 10_000_000 - flow * 1000)
    #expect(b.account(0).watt.raw == flow * 1000)
    #expect(first.closes[0].sheet.tieExport.raw == flow * 1000)
    #expect(second.closes[0].sheet.tieImport.raw == flow * 1000)
    #expect(first.records[0].couplingPrice?.raw == prices[0])
    #expect(first.records[0].couplingSold == flow && second.records[0].couplingBought == flow)
    #expect(
      first.records[0].couplingMoney + second.records[0].couplingMoney
        == -(settlement.incomes[0].fee + settlement.incomes[0].rent + settlement.networkFund))
    #expect(a.orders(0).map(\.remaining) == (flow < 10_000 ? [6000] : []))
  }

  @Test func aBidWithoutAPartInItsRoundIsReleasedWhole() async throws {
    var grid = try await CoupledGrid()
    try await grid.place(0, .sell, 5000, at: 250_000)
    try await grid.place(1, .buy, 2000, at: 150_000)
    // Home 2 lacks 1.5 kWh.
    try await grid.close([(8_000_000, 0), (0, 0), (0, 1_500_300)])
    let bid = try #require(try grid.takeBid())
    #expect(bid.sells == [PriceStep(price: 250_000, wattHours: 3500)])
    #expect(bid.buys == [PriceStep(price: 150_000, wattHours: 2000)])
    try await grid.settle(nil)
    let execution = try await grid.execute()
    let record = try #require(execution.records.first)
    #expect(record.couplingPrice == nil && record.height == grid.height)
    #expect(record.balance.tieImport.raw == 0 && record.balance.tieExport.raw == 0)
    #expect(record.balance.utilityImport.raw == 300)
    #expect(grid.account(0).watt.raw == 6_500_000)
    #expect(grid.orders(0).map(\.executable) == [3500])
    #expect(grid.orders(1).map(\.executable) == [2000])
    #expect(execution.chunks != nil && grid.open == nil)
  }

  @Test func theHoldsOfAFrozenGridEnd() async throws {
    var grid = try await CoupledGrid()
    try await grid.place(0, .sell, 5000, at: 250_000)
    try await grid.close([(8_000_000, 0), (0, 0), (0, 1_500_300)])
    #expect(try grid.takeBid() != nil && grid.account(0).watt.raw < 6_500_000)
    try await grid.freeze()
    let execution = try await grid.execute()
    #expect(execution.records.count == 1 && grid.open == nil)
    #expect(grid.account(0).watt.raw == 6_500_000 && grid.account(2).heldMoney == .zero)
    // It trades by itself from then on: nothing is in escrow, nothing is sent.
    for _ in 1...2 {
      let close = try await grid.close([(1_000_000, 0), (0, 0), (0, 500_000)])
      #expect(close.closes.count == 1 && close.packets.isEmpty && grid.open == nil)
    }
    let money = grid.account(0).money
    let abroad = CommandBody.transferAbroad(
      grid: Digest.sha256([1]), to: CoupledGrid.home(1), asset: .money, amount: 5, deadline: 100)
    #expect(try await grid.run(abroad, by: 0) == .rejected(.unknownObject))
    #expect(try await grid.run(.redeem(amount: Money(5)), by: 0) == .rejected(.unknownObject))
    #expect(grid.account(0).money == money)
    let lane = try #require(grid.pipeline.lane)
    #expect(lane.isStopped)
    #expect(try GridLane(chunk: lane.chunk) == lane)
  }

  @Test func aShortfallIsBoughtFromTheNeighboursAndTheRestFromTheUtility() async throws {
    var grid = try await CoupledGrid()
    try await grid.close([(0, 0), (0, 0), (0, 3_000_700)])
    #expect(try grid.takeBid()?.buys == [PriceStep(price: 300_000, wattHours: 3000)])
    #expect(grid.account(2).heldMoney.raw == 900_000)
    let close = try await grid.settle(try grid.fill(at: 180_000, bought: 2000))
    #expect(close.sheet.tieImport.raw == 2_000_000 && close.sheet.utilityImport.raw == 1_000_700)
    #expect(close.sheet.stored.raw == 0)
    // 2 kWh at 0.18; 1.0007 kWh at 0.30.
    #expect(grid.account(2).money.raw == 100_000_000 - 360_000 - 300_210)
    #expect(grid.account(2).heldMoney.raw == 0)
    try await grid.execute()
  }

  @Test func anOverflowIsSoldToTheNeighboursAndTheRestToTheUtility() async throws {
    var grid = try await CoupledGrid()
    // B_max is 40 kWh.
    try await grid.close([(45_000_500, 0)])
    #expect(try grid.takeBid()?.sells == [PriceStep(price: 100_000, wattHours: 5000)])
    #expect(grid.account(0).watt.raw == 40_000_000)
    let close = try await grid.settle(try grid.fill(at: 200_000, sold: 4000))
    #expect(close.sheet.tieExport.raw == 4_000_000 && close.sheet.utilityExport.raw == 1_000_500)
    #expect(close.sheet.stored.raw == 40_000_000)
    #expect(grid.account(0).money.raw == 100_000_000 + 800_000 + 100_050)
    // What left again is not clean energy stored; nobody is rewarded but by the backbone.
    #expect(grid.pipeline.fee.cleanStored.raw == 40_000_000)
    #expect(grid.account(0).ect == .zero && close.rewards.isEmpty)
    try await grid.execute()
  }

  @Test func feesAreThoseOfEveryTrade() async throws {
    var grid = try await CoupledGrid(fee: 10)
    try await grid.place(0, .sell, 1000, at: 150_000)
    try await grid.place(1, .buy, 1000, at: 120_000)
    try await grid.close([(1_000_000, 0)])
    _ = try grid.takeBid()
    // One per mille of ten: the seller of 1 kWh at 0.15 gets 0.15 less 0.0015.
    let close = try await grid.settle(try grid.fill(at: 150_000, sold: 1000))
    #expect(close.roundTrades.map(\.amount.raw) == [148_500])
    #expect(grid.account(0).money.raw == 100_148_500)
    let fund = grid.pipeline.ledger.account(SystemAccount.networkFund.index)
    #expect(fund.money.raw == 1500)
    try await grid.execute()
  }

  /// A grid whose backbone does not answer goes on alone, with the held part frozen.
  @Test func aResultMayComeAfterThreeLaterCloses() async throws {
    var grid = try await CoupledGrid()
    try await grid.place(0, .sell, 4000, at: 250_000)
    let first = grid.next
    let begun = try await grid.close([(5_000_000, 0)])
    #expect(begun.closes.isEmpty && begun.metered.map(\.interval) == [first])
    _ = try grid.takeBid()
    for step in 1...3 as ClosedRange<Int64> {
      let interval = grid.next
      let execution = try await grid.close([(1_000_000, 0), (0, 500_000)])
      #expect(execution.closes.map(\.interval) == [interval])
      #expect(execution.records.map(\.height) == [grid.height])
      #expect(execution.closes[0].sheet.isBalanced)
      // Home 1's shortfall comes from the utility: the order is frozen, its energy in escrow.
      #expect(execution.closes[0].sheet.utilityImport.raw == 500_000)
      #expect(try grid.takeBid() == nil)
      #expect(grid.open == first && grid.account(0).watt.raw == (1 + step) * 1_000_000)
      #expect(execution.closes[0].held.raw == (5 + step) * 1_000_000)
    }
    try await grid.settle(try grid.fill(at: 260_000, sold: 3000))
    let execution = try await grid.execute()
    #expect(execution.records.map(\.interval) == [first])
    #expect(execution.records[0].height == grid.height)
    #expect(execution.closes[0].sheet.stored.raw == 2_000_000)
    #expect(execution.closes[0].sheet.generation.raw == 5_000_000)
    #expect(grid.account(0).watt.raw == 5_000_000)
    #expect(grid.orders(0).map(\.remaining) == [1000])
    // It bids again from the next close on.
    try await grid.close()
    #expect(try grid.takeBid()?.sells == [PriceStep(price: 250_000, wattHours: 1000)])
  }

  @Test func aCancelledOrderStaysInItsRoundAndDoesNotComeBack() async throws {
    var grid = try await CoupledGrid()
    let sell = try #require(try await grid.place(0, .sell, 4000, at: 250_000).order)
    let buy = try #require(try await grid.place(1, .buy, 3000, at: 200_000).order)
    try await grid.close([(4_000_000, 0)])
    _ = try grid.takeBid()
    #expect(try await grid.run(.cancel(sell), by: 0).resting == 4000)
    #expect(try await grid.run(.cancel(buy), by: 1).resting == 3000)
    #expect(grid.account(1).heldMoney.raw == 600_000)
    #expect(try await grid.run(.cancel(sell), by: 0).rejection == .unknownObject)
    #expect(
      try await grid.run(.transfer(to: CoupledGrid.home(1), asset: .watt, amount: 1), by: 0)
        .rejection == .insufficientFunds)
    try await grid.settle(try grid.fill(at: 200_000, bought: 1000))
    try await grid.execute()
    #expect(grid.orders(0).isEmpty && grid.orders(1).isEmpty)
    #expect(grid.account(0).watt.raw == 4_000_000)
    #expect(grid.account(1).watt.raw == 1_000_000 && grid.account(1).heldMoney.raw == 0)
    #expect(grid.account(1).money.raw == 99_800_000)
  }

  @Test func islandedTheRestIsUnservedAndCurtailed() async throws {
    var grid = try await CoupledGrid()
    try await grid.run(.setUtility(isAvailable: false))
    try await grid.close([(50_000_000, 0), (0, 0), (0, 0)])
    _ = try grid.takeBid()
    // The utility is back, but it was away in the interval that is settled.
    try await grid.run(.setUtility(isAvailable: true))
    let close = try await grid.settle(try grid.fill(at: 150_000, sold: 4000))
    #expect(close.sheet.curtailed.raw == 6_000_000 && close.sheet.utilityExport.raw == 0)
    let record = try #require(try await grid.execute().records.first)
    #expect(!record.isUtilityAvailable)
    try await grid.run(.setUtility(isAvailable: false))
    try await grid.close([(0, 45_000_000), (0, 0), (0, 0)])
    _ = try grid.takeBid()
    let second = try await grid.settle(try grid.fill(at: 300_000, bought: 1000))
    #expect(second.sheet.tieImport.raw == 1_000_000 && second.sheet.unserved.raw == 4_000_000)
    try await grid.execute()
  }

  @Test func whatComesBackMeetsOrdersThatCameMeanwhile() async throws {
    var grid = try await CoupledGrid()
    try await grid.place(0, .sell, 4000, at: 250_000)
    try await grid.close([(4_000_000, 0)])
    _ = try grid.takeBid()
    #expect(try await grid.place(1, .buy, 1500, at: 260_000).filled == 0)
    try await grid.settle(try grid.fill(at: 250_000, sold: 3000))
    let execution = try await grid.execute()
    #expect(execution.trades.map(\.trade.wattHours) == [1000])
    #expect(execution.trades[0].trade.price == Price(260_000))
    #expect(grid.account(1).watt.raw == 1_000_000)
    // They belong to the interval that is open for trading.
    let later = try await grid.close()
    _ = try grid.takeBid()
    try await grid.settle(nil)
    let record = try #require(try await grid.execute().records.first)
    #expect(later.closes.isEmpty && record.trades == 1)
  }

  @Test func whoCatchesUpDoesNotBidInRoundsThatAreOver() async throws {
    var grid = try await CoupledGrid()
    try await grid.place(0, .sell, 4000, at: 250_000)
    let first = grid.next
    try await grid.close([(4_000_000, 0)])
    _ = try grid.takeBid()
    try await grid.settle(nil)
    let last = first.advanced(by: 4)
    let execution = try await grid.execute(at: CoupledGrid.calendar.close(of: last).seconds + 5)
    #expect(execution.metered.map(\.interval) == (1...4).map { first.advanced(by: $0) })
    #expect(execution.closes.map(\.interval) == (1...3).map { first.advanced(by: $0) } + [first])
    #expect(grid.open == last)
    #expect(try grid.takeBid() != nil)
  }

  @Test func aResultThatWasNotBidHalts() async throws {
    var grid = try await CoupledGrid()
    try await grid.place(0, .sell, 4000, at: 250_000)
    try await grid.close([(4_000_000, 0)])
    let round = try #require(grid.open)
    let fills = [
      try grid.fill(at: 250_000, sold: 4001), try grid.fill(at: 249_999, sold: 1),
      try grid.fill(at: 250_000, bought: 1),
      RoundFill(price: Price(250_000), bought: 0, sold: 1000, money: Money(249_999)),
    ]
    for fill in fills {
      var pipeline = grid.pipeline
      await #expect(throws: InvariantViolation.self) { try await pipeline.settleRound(round, fill) }
    }
    var other = grid.pipeline
    await #expect(throws: InvariantViolation.self) {
      try await other.settleRound(round.next, nil)
    }
    // A lane that no longer waits, and an interval that does, is found at the next state.
    _ = try grid.receive(.result(round: round, .notIncluded(.tooLate)))
    await #expect(throws: InvariantViolation.self) {
      try await grid.execute(at: CoupledGrid.calendar.close(of: grid.next).seconds)
    }
  }

  @Test func nothingToOfferIsFinalAtOnce() async throws {
    var grid = try await CoupledGrid()
    let execution = try await grid.close([(1_000_000, 0)])
    #expect(execution.closes.count == 1 && grid.open == nil)
    // The round need not wait for it.
    #expect(
      try grid.takeBid(of: grid.next.advanced(by: -1)) == CouplingBid(grid: grid.genesis.chainID))
    #expect(grid.pipeline.fee.cleanStored.raw == 1_000_000)
    #expect(execution.closes[0].rewards.isEmpty)
  }
}
