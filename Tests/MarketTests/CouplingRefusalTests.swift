import Domain
import Market
import TestSupport
import Testing

@Suite struct CouplingRefusalTests {
  /// A asks 10 for 6 and 12 for 6, B bids 30 for 8 and 20 for 2; 20 Wh fit through the line, for a
  /// fee of 2. C, behind a line of 1 Wh, bids 50 for 3 and is alone with D, which has no bids and
  /// whose line is closed.
  private static func problem() throws -> CouplingProblem {
    try CouplingProblem(
      [
        couplingBid(0, sells: [(10, 6), (12, 6)]), couplingBid(1, buys: [(30, 8), (20, 2)]),
        couplingBid(2, buys: [(50, 3)]), couplingBid(3),
      ],
      [
        couplingLine(1, 0, 1, 20, fee: 2), couplingLine(2, 2, 1, 1, fee: 2),
        couplingLine(3, 2, 3, 0, fee: 2),
      ])
  }

  /// One tampering for each reason.
  static let tamperings: [(CouplingRefusal, @Sendable (inout CouplingOutcome) -> Void)] = [
    (.otherRound, { $0.round = $0.round.next }),
    (.otherRound, { $0.shares.removeLast() }),
    (.otherRound, { $0.flows.append(0) }),
    (.notOffered, { $0.shares[0].sold = 13 }),
    (.notOffered, { $0.shares[1].bought = -1 }),
    (.notOffered, { $0.shares[3].bought = 1 }),
    (.notOffered, { $0.shares[3].sold = .min }),
    (.aboveCapacity, { $0.flows[0] = 21 }),
    (.aboveCapacity, { $0.flows[1] = -2 }),
    (.aboveCapacity, { $0.flows[2] = .min }),
    (.unbalanced, { $0.flows[0] -= 1 }),
    (.unbalanced, { $0.shares[1].bought -= 1 }),
    (.priceMisplaced, { $0.shares[0].price = nil }),
    (.priceMisplaced, { $0.shares[3].price = Price(12) }),
    (.priceOutOfRange, { $0.shares[2].price = Price(51) }),
    (.priceOutOfRange, { $0.shares[0].price = Price(.min) }),
    (.sellBeyondLimit, { $0.shares[0].price = Price(11) }),
    (.buyBeyondLimit, { $0.shares[1].price = Price(21) }),
    (
      .sellLeftOut,
      {
        $0.shares[0].price = Price(13)
        $0.shares[1].price = Price(15)
      }
    ),
    (
      .buyLeftOut,
      {
        $0.shares[1].bought = 7
        $0.shares[0].sold = 8
        $0.flows[0] = 8
      }
    ),
    (.flowAgainstPrices, { $0.shares[1].price = Price(13) }),
    (.lineNotFull, { $0.shares[1].price = Price(15) }),
    (
      .notMidpoint,
      {
        // Better for A than the middle, and optimal just as well: see `wide`.
        for place in 0..<2 { $0.shares[place].price?.raw += 1 }
      }
    ),
  ]

  @Test(arguments: tamperings.indices) func everyReasonIsGiven(_ index: Int) throws {
    let (reason, tamper) = Self.tamperings[index]
    let problem = reason == .notMidpoint ? try Self.wide() : try Self.problem()
    var outcome = try clearAndCheck(problem)
    tamper(&outcome)
    #expect(throws: reason) { try Coupling.verify(outcome, of: problem) }
  }

  @Test func theRoundBeforeItIsTamperedWith() throws {
    let outcome = try clearAndCheck(Self.problem())
    #expect(outcome.prices == [12, 14, 50, nil])
    #expect(outcome.sold == [11, 0, 0, 0] && outcome.bought == [0, 10, 1, 0])
    #expect(outcome.flows == [11, -1, 0])
  }

  /// Prices may lie between 10 and 28 in A, 2 above in B.
  private static func wide() throws -> CouplingProblem {
    try CouplingProblem(
      [couplingBid(0, sells: [(10, 6)]), couplingBid(1, buys: [(30, 6)])],
      [couplingLine(1, 0, 1, 20, fee: 2)])
  }

  @Test func anotherChoiceAmongTiesIsRefused() throws {
    let problem = try CouplingProblem(
      [
        couplingBid(0, sells: [(10, 5)]), couplingBid(1, sells: [(10, 5)]),
        couplingBid(2, buys: [(10, 7)]),
      ], [couplingLine(1, 0, 2, 9), couplingLine(2, 1, 2, 9), couplingLine(3, 1, 2, 9)])
    let right = try clearAndCheck(problem)
    #expect(right.flows == [5, 0, 2])
    var sold = right
    (sold.shares[0].sold, sold.shares[1].sold, sold.flows) = (4, 3, [4, 0, 3])
    var volume = right
    (volume.shares[1].sold, volume.shares[2].bought, volume.flows) = (1, 6, [5, 0, 1])
    var flows = right
    flows.flows = [5, 2, 0]
    for wrong in [sold, volume, flows] {
      #expect(throws: CouplingRefusal.tieBroken) { try Coupling.verify(wrong, of: problem) }
    }
  }

  @Test func everyReasonHasATampering() {
    let shown = Set(Self.tamperings.map(\.0)).union([.tieBroken])
    #expect(shown == Set(CouplingRefusal.allCases))
  }

  /// Of all that can be made of a tiny round with any optimal prices, one outcome is accepted.
  @Test(arguments: 1...200) func oneOutcomeIsAccepted(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.tiny)
    let right = try Coupling.clear(problem)
    let naive = NaiveCoupling(problem)
    let all = naive.candidates
    let most = try #require(all.map(naive.surplus).max())
    for candidate in all where naive.surplus(candidate) == most || random.chance(2) {
      var outcome = right
      outcome.flows = candidate.flows
      for place in outcome.shares.indices {
        outcome.shares[place].sold = candidate.sold[place]
        outcome.shares[place].bought = candidate.bought[place]
      }
      if outcome != right { Self.expectRefusal(outcome, problem, "seed \(seed)") }
    }
    for prices in naive.optimalPrices {
      var outcome = right
      for (place, price) in prices.enumerated() where outcome.shares[place].price != nil {
        outcome.shares[place].price = Price(price)
      }
      if outcome != right { Self.expectRefusal(outcome, problem, "seed \(seed), prices") }
    }
  }

  private static func expectRefusal(
    _ outcome: CouplingOutcome, _ problem: CouplingProblem, _ comment: Comment
  ) {
    #expect(throws: CouplingRefusal.self, comment) { try Coupling.verify(outcome, of: problem) }
  }

  /// Every field of a round, moved by one or thrown about, is refused; nothing traps.
  @Test(arguments: 1...40) func noFieldCanBeChanged(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.small)
    let right = try clearAndCheck(problem)
    let comment: Comment = "seed \(seed)"
    func refuse(_ change: (inout CouplingOutcome) -> Void) {
      var outcome = right
      change(&outcome)
      if outcome != right { Self.expectRefusal(outcome, problem, comment) }
    }
    for delta in [-1, 1, Int64.max, .min, random.int(-1000...1000)] {
      for place in right.shares.indices {
        refuse { $0.shares[place].sold &+= delta }
        refuse { $0.shares[place].bought &+= delta }
        refuse { $0.shares[place].price?.raw &+= delta }
        refuse {
          $0.shares[place].sold &+= delta
          $0.shares[place].bought &+= delta
        }
      }
      for line in right.flows.indices { refuse { $0.flows[line] &+= delta } }
      refuse { $0.round.index &+= delta }
    }
    for place in right.shares.indices {
      refuse { $0.shares[place].price = $0.shares[place].price == nil ? .zero : nil }
      refuse { $0.shares.swapAt(place, 0) }
    }
    for line in right.flows.indices {
      refuse { $0.flows[line] = -$0.flows[line] }
      refuse { $0.flows.swapAt(line, 0) }
    }
    refuse { $0.shares.removeLast() }
    refuse { $0.flows.append(0) }
  }
}
