import Domain
import Market
import TestSupport
import Testing

@Suite struct SnapshotTests {
  private func restore(_ chunks: [StateChunk]) throws(Rejection) -> BookCore {
    try BookCore(
      calendar: testCalendar, parameters: Parameters(), maximumHeld: Energy(wattHours: 1000),
      community: AccountIndex(9), chunks: chunks)
  }

  /// A book with everything in it: trades of the interval, dormant parts, an agent, orders for
  /// an interval, more than one page of orders.
  private static let full = Result {
    var bench = Bench()
    bench.hold([(1, 30), (2, 500), (3, 10)])
    bench.agent(1, buy: 5, sell: 9, low: 1, high: 2)
    bench.agent(40_000, sell: 9, low: 1, high: 2)
    bench.place(1, .sell, 40, at: 120_000)
    bench.place(1, .sell, 4, at: 100_000, .goodTillInterval(Interval(3)))
    bench.place(2, .buy, 30, at: 130_000)
    for _ in 0..<17_000 { bench.place(3, .sell, 1, at: 100, .immediateOrCancel) }
    bench.place(3, .sell, 20, at: 140_000)
    _ = try bench.book.auction(
      AuctionInput(0, energy: [(5, 100)], budgets: [(1, 1000), (9, 2000)]))
    bench.place(5, .buy, 3, at: 140_000)
    return bench.book
  }

  private func fullBook() throws -> BookCore { try Self.full.get() }

  @Test func anEmptyBook() throws {
    var book = Bench().book
    let chunks = book.chunks()
    #expect(chunks.map(\.name) == ["book/state"])
    var again = try restore(chunks)
    #expect(again.chunks() == chunks)
  }

  @Test func aFullBook() throws {
    var book = try fullBook()
    let chunks = book.chunks()
    #expect(
      chunks.map(\.name) == [
        "book/state", "book/energy/0", "book/agents/0", "book/agents/2", "book/orders/0",
        "book/orders/1",
      ])
    var again = try restore(chunks)
    #expect(again.chunks() == chunks)
    try again.checkInvariants()
    for account in 0..<10 {
      let index = AccountIndex(account)
      #expect(again.openOrders(of: index) == book.openOrders(of: index))
      #expect(again.energy(of: index) == book.energy(of: index))
      #expect(again.agent(of: index) == book.agent(of: index))
    }
    #expect(again.depth(levels: 50) == book.depth(levels: 50))
    #expect(again.automaticAccounts == book.automaticAccounts)
  }

  @Test func missingRepeatedAndStrangeChunksAreMalformed() throws {
    var book = try fullBook()
    let chunks = book.chunks()
    #expect(throws: Rejection.malformed) { try restore([]) }
    #expect(throws: Rejection.malformed) { try restore(Array(chunks.dropFirst())) }
    #expect(throws: Rejection.malformed) { try restore(chunks + [chunks[1]]) }
    #expect(throws: Rejection.malformed) { try restore(chunks + [chunks[4]]) }
    #expect(throws: Rejection.malformed) { try restore(Array(chunks.reversed())) }
    #expect(throws: Rejection.malformed) {
      try restore(chunks + [StateChunk(name: "book/other", bytes: [])])
    }
    #expect(throws: Rejection.malformed) {
      try restore(chunks + [StateChunk(name: "book/orders/2", bytes: [])])
    }
  }

  /// Cut or changed anywhere: refused, or a book that gives the very same chunks; never a trap.
  @Test(arguments: 1...400) func damagedChunks(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    var book = try fullBook()
    var chunks = book.chunks()
    let place = random.below(chunks.count)
    var bytes = chunks[place].bytes
    if random.chance(20) {
      bytes.removeLast(1 + random.below(bytes.count))
    } else {
      for _ in 0..<(1 + random.below(3)) {
        bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8))
      }
    }
    chunks[place] = StateChunk(name: chunks[place].name, bytes: bytes)
    do {
      var restored = try restore(chunks)
      #expect(restored.chunks() == chunks, "seed \(seed)")
      try restored.checkInvariants()
    } catch {
      #expect(error as? Rejection == .malformed, "seed \(seed)")
    }
  }
}
