import Domain
import Market
import Testing

/// Quantities in Wh, prices in µ¤ per kWh.
@Suite struct CouplingRuleTests {
  /// Grid A asks for 0.10 ¤/kWh for its 10 kWh, grid B bids 0.30 for 10 kWh, fee 0.02.
  private func golden(capacity: Int64) throws -> CouplingProblem {
    try CouplingProblem(
      [couplingBid(0, sells: [(100_000, 10_000)]), couplingBid(1, buys: [(300_000, 10_000)])],
      [couplingLine(7, 0, 1, capacity, fee: 20_000)])
  }

  @Test func goldenNarrowLine() throws {
    let problem = try golden(capacity: 4000)
    let outcome = try clearAndCheck(problem)
    #expect(outcome.flows == [4000])
    #expect(outcome.prices == [100_000, 300_000])
    #expect(outcome.sold == [4000, 0] && outcome.bought == [0, 4000])
    let settlement = try CouplingSettlement(outcome, of: problem)
    #expect(settlement.incomes.map(\.fee) == [Money(80_000)])
    #expect(settlement.incomes.map(\.rent) == [Money(720_000)])
    #expect(settlement.positions.map(\.money) == [Money(400_000), Money(-1_200_000)])
    #expect(settlement.positions.map(\.exported.wattHours) == [4000, -4000])
    #expect(settlement.networkFund == .zero)
  }

  @Test func goldenWideLine() throws {
    let problem = try golden(capacity: 20_000)
    let outcome = try clearAndCheck(problem)
    #expect(outcome.flows == [10_000])
    #expect(outcome.prices == [190_000, 210_000])
    let settlement = try CouplingSettlement(outcome, of: problem)
    #expect(settlement.incomes.map(\.fee) == [Money(200_000)])
    #expect(settlement.incomes.map(\.rent) == [.zero])
    #expect(settlement.positions.map(\.money) == [Money(1_900_000), Money(-2_100_000)])
    #expect(outcome.surplus(in: problem) == (300_000 - 100_000 - 20_000) * 10_000)
  }

  @Test(
    arguments: [
      // Nothing to trade with: the best of what there is.
      (couplingBid(0, sells: [(10, 1), (20, 1)]), [Int64?(10), 0, 0]),
      (couplingBid(0, buys: [(20, 1), (10, 1)]), [20, 0, 0]),
      (couplingBid(0), [nil, 0, 0]),
      // Between the best bid and the best ask, rounded down.
      (couplingBid(0, buys: [(10, 1)], sells: [(15, 1)]), [12, 0, 0]),
      // What crosses within a grid trades there.
      (couplingBid(0, buys: [(20, 5)], sells: [(10, 5)]), [15, 5, 5]),
      (couplingBid(0, buys: [(21, 5)], sells: [(10, 5)]), [15, 5, 5]),
      (couplingBid(0, buys: [(20, 5)], sells: [(10, 6)]), [10, 5, 5]),
      (couplingBid(0, buys: [(20, 6)], sells: [(10, 5)]), [20, 5, 5]),
      // A trade without surplus is made.
      (couplingBid(0, buys: [(10, 5)], sells: [(10, 3)]), [10, 3, 3]),
    ])
  func oneGrid(_ bid: CouplingBid, _ expected: [Int64?]) throws {
    let outcome = try clearAndCheck(CouplingProblem([bid]))
    #expect([outcome.prices[0], outcome.bought[0], outcome.sold[0]] == expected)
  }

  @Test func energyPassesThroughAGridWithoutBids() throws {
    let problem = try CouplingProblem(
      [couplingBid(0, sells: [(10, 8)]), couplingBid(1), couplingBid(2, buys: [(40, 8)])],
      [couplingLine(1, 1, 0, 9, fee: 3), couplingLine(2, 1, 2, 5, fee: 4)])
    let outcome = try clearAndCheck(problem)
    #expect(outcome.flows == [-5, 5])
    // The narrower line is full, so the grid between has the seller's price and the fee.
    #expect(outcome.prices == [10, 13, 40])
    #expect(outcome.sold == [5, 0, 0] && outcome.bought == [0, 0, 5])
  }

  @Test func aLineCarriesNothingForLessThanItsFee() throws {
    let bids = [couplingBid(0, sells: [(10, 8)]), couplingBid(1, buys: [(12, 8)])]
    let none = try clearAndCheck(CouplingProblem(bids, [couplingLine(1, 0, 1, 5, fee: 3)]))
    #expect(none.flows == [0] && none.sold == [0, 0])
    // At exactly the fee it does, although nobody gains: the volume counts.
    let some = try clearAndCheck(CouplingProblem(bids, [couplingLine(1, 0, 1, 5, fee: 2)]))
    #expect(some.flows == [5] && some.prices == [10, 12])
    let closed = try clearAndCheck(CouplingProblem(bids, [couplingLine(1, 0, 1, 0, back: 5)]))
    #expect(closed.flows == [0] && closed.bought == [0, 0])
  }

  @Test func aClosedLineLeadsToNoPrice() throws {
    let bids = [couplingBid(0, sells: [(10, 8)]), couplingBid(1)]
    let closed = try clearAndCheck(CouplingProblem(bids, [couplingLine(1, 0, 1, 0, fee: 3)]))
    #expect(closed.prices == [10, nil])
    // Whoever could only send there is offered no more than the best ask.
    let open = try clearAndCheck(
      CouplingProblem(bids, [couplingLine(1, 0, 1, 0, back: 1, fee: 3)]))
    #expect(open.prices == [10, 10])
  }

  @Test func gridsTakeTurnsInTies() throws {
    let bids = [
      couplingBid(0, sells: [(10, 5)]), couplingBid(1, sells: [(10, 5)]),
      couplingBid(2, buys: [(10, 7)]),
    ]
    let lines = [couplingLine(1, 0, 2, 9), couplingLine(2, 1, 2, 9)]
    let sold = try (0..<6).map { round in
      try clearAndCheck(CouplingProblem(bids, lines, round: round)).sold
    }
    #expect(sold[0] == [5, 2, 0] && sold[1] == [2, 5, 0] && sold[2] == [5, 2, 0])
    #expect(Array(sold[3...]) == Array(sold[..<3]))
  }

  @Test func linesTakeTurnsInTies() throws {
    let bids = [couplingBid(0, sells: [(10, 5)]), couplingBid(1, buys: [(20, 5)])]
    // Of two equal lines the later one in the turn is used first.
    let lines = [couplingLine(1, 0, 1, 4, fee: 2), couplingLine(2, 1, 0, 4, fee: 2)]
    let flows = try (0..<2).map { round in
      try clearAndCheck(CouplingProblem(bids, lines, round: round)).flows
    }
    #expect(flows == [[1, -4], [4, -1]])
  }

  @Test func nothingCirculatesWithoutAFee() throws {
    let bids = (0..<3).map { couplingBid($0, buys: [(10, 5)], sells: [(10, 5)]) }
    let lines = (0..<3).map { couplingLine(UInt64($0), $0, ($0 + 1) % 3, 100) }
    let outcome = try clearAndCheck(CouplingProblem(bids, lines))
    #expect(outcome.flows == [0, 0, 0] && outcome.sold == [5, 5, 5])
  }

  @Test func stepsAreAcceptedBestFirst() throws {
    let bid = couplingBid(0, buys: [(30, 4), (20, 4), (10, 4)], sells: [(12, 5), (20, 5)])
    let outcome = try clearAndCheck(CouplingProblem([bid]))
    #expect(outcome.prices == [20])
    let accepted = bid.accepted(outcome.shares[0])
    #expect(accepted.buys == [4, 4, 0] && accepted.sells == [5, 3])
    try bid.check(outcome.shares[0])
  }

  @Test(arguments: [
    (Int64(16_000_000), Int64(900), Int64(4000)), (4001, 900, 1), (3999, 900, 0), (0, 900, 0),
    (Int64.max, 0, 0),
  ])
  func capacityOfALineIsRoundedDown(_ milliwatts: Int64, _ seconds: Int64, _ expected: Int64)
    throws
  {
    #expect(try CouplingLine.capacity(of: Power(milliwatts), over: seconds) == expected)
  }

  @Test func capacityHasALimit() throws {
    #expect(throws: Rejection.limitExceeded) {
      try CouplingLine.capacity(of: Power(.max), over: 86_400)
    }
    #expect(throws: Rejection.malformed) { try CouplingLine.capacity(of: Power(-1), over: 900) }
  }

  /// 1 Wh at 0.000001 ¤/kWh and the like: every rounding goes to the network fund.
  @Test func roundingsGoToTheNetworkFund() throws {
    let problem = try CouplingProblem(
      [couplingBid(0, sells: [(1501, 3)]), couplingBid(1, buys: [(2703, 3)])],
      [couplingLine(1, 0, 1, 2, fee: 333)])
    let outcome = try clearAndCheck(problem)
    let settlement = try CouplingSettlement(outcome, of: problem)
    // 3.002 down, 5.406 up, 0.666 down, 1.738 down.
    #expect(settlement.positions.map(\.money) == [Money(3), Money(-6)])
    #expect(settlement.incomes.map { [$0.fee.raw, $0.rent.raw] } == [[0, 1]])
    #expect(settlement.networkFund == Money(2))
  }
}
