import Domain
import Market
import TestSupport
import Testing

@Suite struct CouplingPropertyTests {
  /// The outcome is the best of all in surplus, then by the tie rule; so it has the largest volume;
  /// its prices are the midpoints of all optimal ones.
  @Test(arguments: 1...600) func bestOfAll(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.tiny)
    let outcome = try clearAndCheck(problem)
    let naive = NaiveCoupling(problem)
    let all = naive.candidates
    let most = try #require(all.map(naive.surplus).max())
    let optimal = all.filter { naive.surplus($0) == most }
    let best = try #require(
      optimal.max { naive.rank($0).lexicographicallyPrecedes(naive.rank($1)) })
    let comment: Comment = "seed \(seed)"
    #expect(outcome.surplus(in: problem) == Int128(most), comment)
    #expect(
      NaiveCoupling.Candidate(sold: outcome.sold, bought: outcome.bought, flows: outcome.flows)
        == best, comment)
    let volumes = optimal.map { $0.sold.reduce(0, +) }
    #expect(outcome.sold.reduce(0, +) == volumes.max(), comment)
  }

  /// A published price is the middle, rounded down, of all the optimal ones that lie between the
  /// limits that are bid for where the grid's lines lead.
  @Test(arguments: 1...600) func pricesAreMidpoints(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.tiny)
    let outcome = try Coupling.clear(problem)
    let optimal = NaiveCoupling(problem).optimalPrices
    for (place, price) in outcome.prices.enumerated() {
      let reached = Self.limits(from: place, problem)
      guard let lowest = reached.min(), let highest = reached.max() else {
        #expect(price == nil, "seed \(seed), grid \(place)")
        continue
      }
      let own = optimal.map { $0[place] }.filter { (lowest...highest).contains($0) }
      let sum = try #require(own.min()) + #require(own.max())
      #expect(price == sum / 2, "seed \(seed), grid \(place)")
    }
  }

  /// All limits of the grids that open lines lead to.
  private static func limits(from place: Int, _ problem: CouplingProblem) -> [Int64] {
    var reached = [gridID(place)]
    var next = 0
    while next < reached.count {
      for line in problem.lines where line.forth + line.back > 0 {
        let other =
          line.from == reached[next] ? line.to : line.to == reached[next] ? line.from : nil
        if let other, !reached.contains(other) { reached.append(other) }
      }
      next += 1
    }
    return problem.bids.filter { reached.contains($0.grid) }
      .flatMap { ($0.buys + $0.sells).map(\.price) }
  }

  @Test(arguments: 1...60) func orderOfArrivalDoesNotMatter(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let (bids, lines) = random.couplingParts(seed % 10 == 0 ? .large : .small)
    let round = random.int(0...100)
    let problem = try CouplingProblem(bids, lines, round: round)
    let other = try CouplingProblem(
      bids.shuffled(using: &random), lines.shuffled(using: &random), round: round)
    #expect(problem == other && problem.digest == other.digest, "seed \(seed)")
    #expect(try Coupling.clear(problem) == Coupling.clear(other), "seed \(seed)")
  }

  @Test(arguments: 1...20) func largeRoundsAreOptimalAndSettle(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.large)
    let outcome = try clearAndCheck(problem)
    for (bid, share) in zip(problem.bids, outcome.shares) {
      let accepted = bid.accepted(share)
      #expect(accepted.buys.reduce(0, +) == share.bought, "seed \(seed)")
      #expect(accepted.sells.reduce(0, +) == share.sold, "seed \(seed)")
    }
  }

  /// What a grid's buyers pay and its sellers get, each for himself, rounded up and down, is
  /// enough for what the grid pays or gets.
  @Test(arguments: 1...20) func membersCoverWhatTheirGridPays(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.large)
    let outcome = try Coupling.clear(problem)
    let settlement = try CouplingSettlement(outcome, of: problem)
    for (place, share) in outcome.shares.enumerated() {
      guard let price = share.price else { continue }
      let accepted = problem.bids[place].accepted(share)
      let paid = try accepted.buys.map { try price.cost(of: Energy(wattHours: $0), .up).raw }
      let got = try accepted.sells.map { try price.cost(of: Energy(wattHours: $0), .down).raw }
      let left = paid.reduce(0, +) - got.reduce(0, +) + settlement.positions[place].money.raw
      #expect((0...Int64(paid.count + got.count)).contains(left), "seed \(seed), grid \(place)")
    }
  }

  /// Parts of the network that no line joins do not feel each other.
  @Test(arguments: 1...100) func separateNetworksAreSeparate(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let (bids, lines) = random.couplingParts(.small)
    let stranger = couplingBid(900, buys: [(Limits.price, 7)], sells: [(0, 9)])
    let alone = try Coupling.clear(CouplingProblem(bids, lines))
    let beside = try clearAndCheck(CouplingProblem(bids + [stranger], lines))
    #expect(Array(beside.shares.dropLast()) == alone.shares, "seed \(seed)")
    #expect(beside.flows == alone.flows, "seed \(seed)")
  }

  /// The largest numbers in the largest network: nothing overflows.
  @Test(arguments: 1...3) func theLargestNumbersFit(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let bids = (0..<CouplingLimits.grids).map { place in
      let dear = random.chance(50)
      let steps = (0..<Int64(CouplingLimits.steps)).map { index in
        (
          dear ? Limits.price - index : index,
          CouplingLimits.sideWattHours / Int64(CouplingLimits.steps)
        )
      }
      return couplingBid(
        place, buys: dear ? steps : [], sells: dear ? [] : steps)
    }
    let lines = (0..<CouplingLimits.lines).map { id in
      let from = random.below(CouplingLimits.grids)
      return couplingLine(
        UInt64.max - UInt64(id), from, (from + 1) % CouplingLimits.grids,
        CouplingLimits.lineWattHours, back: random.int(0...CouplingLimits.lineWattHours),
        fee: seed == 1 ? 0 : random.int(0...Limits.price / 50))
    }
    let problem = try CouplingProblem(bids, lines, round: .max)
    let outcome = try clearAndCheck(problem)
    #expect(outcome.sold.reduce(0, +) > 0, "seed \(seed)")
    #expect(try CouplingProblem(decoding: problem.encoded) == problem, "seed \(seed)")
  }

  /// All limits equal and no fees: every quantity is a tie.
  @Test func aRoundOfTiesOnly() throws {
    var random = SplitMix64(seed: 1)
    let bids = (0..<CouplingLimits.grids).map { place in
      couplingBid(place, buys: [(10, random.int(1...9))], sells: [(10, random.int(1...9))])
    }
    let lines = (0..<CouplingLimits.lines).map { id in
      let from = random.below(CouplingLimits.grids)
      return couplingLine(UInt64(id), from, (from + 7) % CouplingLimits.grids, random.int(0...3))
    }
    _ = try clearAndCheck(CouplingProblem(bids, lines, round: 77))
  }
}
