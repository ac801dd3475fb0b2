import Domain
import Market
import TestSupport
import Testing

@Suite struct CouplingCodingTests {
  @Test(arguments: 1...100) func problemsAndOutcomesSurviveTheirEncoding(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.small)
    let outcome = try Coupling.clear(problem)
    #expect(try CouplingProblem(decoding: problem.encoded) == problem, "seed \(seed)")
    #expect(try CouplingOutcome(decoding: outcome.encoded) == outcome, "seed \(seed)")
  }

  /// Cut off, or with one byte changed: refused, or another value with its own encoding.
  @Test(arguments: 1...20) func noBytesHaveTwoMeanings(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let problem = try random.couplingProblem(.tiny)
    let (question, answer) = (problem.encoded, try Coupling.clear(problem).encoded)
    for length in 0..<question.count {
      #expect(throws: Rejection.self) {
        try CouplingProblem(decoding: Array(question.prefix(length)))
      }
    }
    for length in 0..<answer.count {
      #expect(throws: Rejection.self) {
        try CouplingOutcome(decoding: Array(answer.prefix(length)))
      }
    }
    for place in question.indices {
      var bytes = question
      bytes[place] ^= 1 << UInt8(random.below(8))
      guard let other = try? CouplingProblem(decoding: bytes) else { continue }
      #expect(other.encoded == bytes && other != problem, "seed \(seed), byte \(place)")
    }
    for place in answer.indices {
      var bytes = answer
      bytes[place] ^= 1 << UInt8(random.below(8))
      guard let other = try? CouplingOutcome(decoding: bytes) else { continue }
      #expect(other.encoded == bytes, "seed \(seed), byte \(place)")
      #expect(throws: CouplingRefusal.self, "seed \(seed), byte \(place)") {
        try Coupling.verify(other, of: problem)
      }
    }
  }

  @Test(
    arguments: [
      (couplingBid(0, buys: [(10, 1), (9, 1)], sells: [(9, 1), (10, 1)]), nil),
      (couplingBid(0, buys: [(Limits.price, 1), (0, 1)]), nil),
      (couplingBid(0, sells: [(0, CouplingLimits.sideWattHours)]), nil),
      (couplingBid(0, buys: [(9, 1), (10, 1)]), .malformed),
      (couplingBid(0, buys: [(10, 1), (10, 1)]), .malformed),
      (couplingBid(0, sells: [(10, 1), (9, 1)]), .malformed),
      (couplingBid(0, sells: [(10, 1), (10, 1)]), .malformed),
      (couplingBid(0, buys: [(-1, 1)]), .malformed),
      (couplingBid(0, sells: [(Limits.price + 1, 1)]), .malformed),
      (couplingBid(0, sells: [(.min, 1)]), .malformed),
      (couplingBid(0, sells: [(1, 0)]), .malformed),
      (couplingBid(0, buys: [(1, -1)]), .malformed),
      (couplingBid(0, sells: [(0, CouplingLimits.sideWattHours), (1, 1)]), .limitExceeded),
      (couplingBid(0, sells: [(0, 1), (1, .max)]), .limitExceeded),
      (couplingBid(0, sells: (0..<65).map { ($0, 1) }), .limitExceeded),
    ] as [(CouplingBid, Rejection?)])
  func bids(_ bid: CouplingBid, _ reason: Rejection?) throws {
    var found: Rejection?
    do { try bid.validate() } catch { found = error }
    #expect(found == reason)
    found = nil
    do { _ = try CouplingProblem([bid]) } catch { found = error as? Rejection }
    #expect(found == reason)
    var writer = CanonicalWriter()
    bid.encode(into: &writer)
    var reader = CanonicalReader(writer.bytes)
    found = nil
    do { _ = try CouplingBid(from: &reader) } catch { found = error }
    #expect(found == reason)
  }

  @Test(
    arguments: [
      ([couplingLine(1, 0, 1, 5), couplingLine(2, 0, 1, 5)], nil),
      ([couplingLine(1, 0, 1, CouplingLimits.lineWattHours, fee: Limits.price)], nil),
      ([couplingLine(1, 0, 1, 5), couplingLine(1, 1, 0, 5)], .duplicate),
      ([couplingLine(1, 0, 0, 5)], .malformed),
      ([couplingLine(1, 0, 1, -1, back: 1)], .malformed),
      ([couplingLine(1, 0, 1, 1, back: .min)], .malformed),
      ([couplingLine(1, 0, 1, CouplingLimits.lineWattHours + 1)], .malformed),
      ([couplingLine(1, 0, 1, 5, fee: -1)], .malformed),
      ([couplingLine(1, 0, 1, 5, fee: Limits.price + 1)], .malformed),
      ([couplingLine(1, 0, 2, 5)], .unknownObject),
      ([couplingLine(1, 2, 1, 5)], .unknownObject),
      ((0...CouplingLimits.lines).map { couplingLine(UInt64($0), 0, 1, 5) }, .limitExceeded),
    ] as [([CouplingLine], Rejection?)])
  func lines(_ lines: [CouplingLine], _ reason: Rejection?) {
    var found: Rejection?
    do { _ = try CouplingProblem([couplingBid(0), couplingBid(1)], lines) } catch {
      found = error as? Rejection
    }
    #expect(found == reason)
  }

  @Test func aGridBidsOnce() {
    #expect(throws: Rejection.duplicate) {
      try CouplingProblem([couplingBid(1), couplingBid(0), couplingBid(1, buys: [(1, 1)])])
    }
    #expect(throws: Rejection.limitExceeded) {
      try CouplingProblem((0...CouplingLimits.grids).map { couplingBid($0) })
    }
  }

  @Test func placesOfGrids() throws {
    let problem = try CouplingProblem([couplingBid(5), couplingBid(2), couplingBid(9)])
    #expect([2, 5, 9].map { problem.place(of: gridID($0)) } == [0, 1, 2])
    #expect([0, 3, 10].allSatisfy { problem.place(of: gridID($0)) == nil })
  }

  @Test func anEmptyRound() throws {
    let problem = try CouplingProblem([])
    let outcome = try clearAndCheck(problem)
    #expect(outcome.shares.isEmpty && outcome.flows.isEmpty)
  }
}
