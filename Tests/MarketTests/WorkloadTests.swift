import Domain
import Market
import TestSupport
import Testing

/// One million operations against figures on which four independent matching engines in C, C++
/// and Rust agree. SplitMix64 from state 1; a draw r for each operation: sell if r is odd, price
/// 1 + (r >> 8) mod 1000, quantity 1 + ((r >> 32) & 0xffff) mod 100. With cancels: if an order
/// was placed before and (r >> 48) mod 100 < 30, the one that was placed
/// 1 + ((r >> 8) mod 1000) mod placed orders ago is cancelled instead.
@Suite struct WorkloadTests {
  private static let pairs = 512
  private static let plenty: Int64 = 1_000_000_000_000_000

  @Test(arguments: [(false, 774_061, Int64(19_723_638)), (true, 540_392, 13_774_870)])
  func figures(_ cancels: Bool, _ fills: Int, _ wattHours: Int64) throws {
    var book = BookCore(
      calendar: testCalendar, parameters: Parameters(), maximumHeld: Energy(2 * Self.plenty),
      community: AccountIndex(0))
    // Sellers are even, buyers odd: no order meets its own account's.
    _ = book.match(
      [],
      energy: (0..<2 * Self.pairs).map {
        EnergyBalance(account: AccountIndex($0), balance: Energy(Self.plenty))
      })
    var random = SplitMix64(seed: 1)
    var owners: [AccountIndex] = []
    var block: [BookInstruction] = []
    var (foundFills, foundWattHours) = (0, Int64(0))
    for operation in 0..<1_000_000 {
      let r = random.next()
      if cancels, !owners.isEmpty, (r >> 48) % 100 < 30 {
        let number = owners.count - Int((r >> 8) % 1000) % owners.count
        block.append(
          .cancel(entry: operation, account: owners[number - 1], OrderID(UInt64(number))))
      } else {
        block.append(try place(r, operation))
        if case .place(_, let account, _, _) = block[block.count - 1] { owners.append(account) }
      }
      if block.count == 10_000 {
        let outcome = book.match(block, energy: [])
        foundFills += outcome.trades.count
        foundWattHours += outcome.trades.reduce(0) { $0 + $1.wattHours }
        block.removeAll(keepingCapacity: true)
      }
    }
    #expect(foundFills == fills)
    #expect(foundWattHours == wattHours)
    try book.checkInvariants()
  }

  private func place(_ r: UInt64, _ operation: Int) throws -> BookInstruction {
    let side: Side = r & 1 == 1 ? .sell : .buy
    let request = OrderRequest(
      side: side, wattHours: Int64(1 + ((r >> 32) & 0xffff) % 100),
      limit: Price(Int64(1 + (r >> 8) % 1000)), timeInForce: .goodTillCancelled)
    let account = AccountIndex(operation % Self.pairs * 2 + (side == .sell ? 0 : 1))
    let held =
      side == .buy
      ? try BuyHold.amount(wattHours: request.wattHours, limit: request.limit, feePermille: 0)
      : .zero
    return .place(entry: operation, account: account, request, held: held)
  }

  /// A hundred thousand dormant asks at better prices are not in the way of an arriving bid, and
  /// they wake in order of time although their accounts get energy in another order.
  @Test func aDormantCrowd() throws {
    var book = BookCore(
      calendar: testCalendar, parameters: Parameters(), maximumHeld: Energy(Self.plenty),
      community: AccountIndex(0))
    let count = 100_000
    let ask = OrderRequest(
      side: .sell, wattHours: 2, limit: Price(1000), timeInForce: .goodTillCancelled)
    var block = (1...count).map {
      BookInstruction.place(entry: $0, account: AccountIndex($0 * 7919 % 100_003), ask, held: .zero)
    }
    let dear = OrderRequest(
      side: .sell, wattHours: 10_000, limit: Price(2000), timeInForce: .goodTillCancelled)
    block.append(.place(entry: 0, account: AccountIndex(100_003), dear, held: .zero))
    let bid = OrderRequest(
      side: .buy, wattHours: 1, limit: Price(2000), timeInForce: .goodTillCancelled)
    _ = book.match(
      block,
      energy: [EnergyBalance(account: AccountIndex(100_003), balance: Energy(Self.plenty / 2))])
    let bids = (0..<10_000).map {
      BookInstruction.place(entry: $0, account: AccountIndex(100_004), bid, held: Money(2))
    }
    let outcome = book.match(bids, energy: [])
    #expect(outcome.trades.count == 10_000)
    #expect(outcome.trades.allSatisfy { $0.seller == AccountIndex(100_003) })
    var input = AuctionInput(0, retail: 3000, feedIn: 500)
    input.energy = (0..<100_003).map {
      EnergyBalance(account: AccountIndex($0), balance: Energy(wattHours: 1))
    }
    _ = try book.auction(input)
    try book.checkInvariants()
    let depth = book.depth(levels: 1)
    #expect(depth.asks[0].executable == Int64(count))
    let first = book.match(
      [.place(entry: 0, account: AccountIndex(100_004), bid, held: Money(2))], energy: [])
    #expect(first.trades.map(\.sellOrder.raw) == [1])
  }
}
