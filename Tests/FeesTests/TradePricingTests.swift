import Domain
import TestSupport
import Testing

@testable import Fees

@Suite struct TradePricingTests {
  private func core(maker: Int64, taker: Int64) -> FeesCore {
    var parameters = Parameters()
    parameters.makerFeePermille = maker
    parameters.takerFeePermille = taker
    return FeesTests.core(parameters: parameters)
  }

  struct Row: Sendable {
    var wattHours: Int64
    var price: Int64
    var taker: Side?
    var pays: Int64
    var gets: Int64
    var network: Int64
  }

  /// Maker 5 ‰, taker 20 ‰.
  @Test(arguments: [
    Row(wattHours: 1000, price: 200_000, taker: .buy, pays: 204_000, gets: 199_000, network: 5000),
    Row(wattHours: 1000, price: 200_000, taker: .sell, pays: 201_000, gets: 196_000, network: 5000),
    Row(wattHours: 1000, price: 200_000, taker: nil, pays: 201_000, gets: 199_000, network: 2000),
    Row(wattHours: 1, price: 1, taker: .buy, pays: 2, gets: 0, network: 2),
    Row(wattHours: 1, price: 1001, taker: .sell, pays: 3, gets: 0, network: 3),
    Row(wattHours: 3, price: 150_001, taker: nil, pays: 454, gets: 447, network: 7),
    Row(wattHours: 5, price: 0, taker: nil, pays: 0, gets: 0, network: 0),
    Row(
      wattHours: 1_000_000_000, price: 1_000_000_000_000, taker: .buy,
      pays: 1_020_000_000_000_000_000, gets: 995_000_000_000_000_000,
      network: 25_000_000_000_000_000),
  ])
  func amounts(_ row: Row) throws {
    let trade = trade(wattHours: row.wattHours, price: row.price, taker: row.taker)
    let priced = try core(maker: 5, taker: 20).assess([trade])
    #expect(
      priced == [
        PricedTrade(
          trade: trade, buyerPays: Money(row.pays), sellerGets: Money(row.gets),
          networkGets: Money(row.network))
      ])
  }

  @Test func withoutFeesOnlyRoundingIsLeft() throws {
    let priced = try core(maker: 0, taker: 0).assess([
      trade(wattHours: 1000, price: 187_500, taker: .buy),
      trade(wattHours: 7, price: 187_503, taker: .sell, mechanism: .auction),
    ])
    #expect(priced.map(\.buyerPays.raw) == [187_500, 1313])
    #expect(priced.map(\.sellerGets.raw) == [187_500, 1312])
    #expect(priced.map(\.networkGets.raw) == [0, 1])
  }

  @Test func aSellerNeverPays() throws {
    let priced = try core(maker: 1000, taker: 1000).assess([
      trade(wattHours: 1, price: 1999, taker: .sell), trade(wattHours: 1, price: 1),
    ])
    #expect(priced.map(\.sellerGets.raw) == [0, 0])
    #expect(priced.map(\.buyerPays.raw) == [4, 2])
  }

  @Test(arguments: [
    trade(wattHours: 0, price: 1), trade(wattHours: -1, price: 1), trade(wattHours: 1, price: -1),
    trade(wattHours: 1000, price: 200_000, taker: .buy, released: 203_999),
    trade(wattHours: .max, price: .max), trade(wattHours: 1 << 31, price: (1 << 42) - 1),
  ])
  func whatTheBookCannotMakeHalts(_ trade: Trade) {
    #expect(throws: InvariantViolation.self) { try core(maker: 5, taker: 20).assess([trade]) }
  }

  /// A buy order filled in random parts, at random prices up to its limit, in random roles: each
  /// part costs no more than it released, and every amount is that of exact fractions.
  @Test(arguments: 0..<500 as Range<UInt64>)
  func aHoldAlwaysSuffices(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let fees = (0..<2).map { _ in random.chance(30) ? 0 : random.int(0...1000) }
    let core = core(maker: fees[0], taker: fees[1])
    let limit = random.magnitude(upTo: Limits.price - 1) + 1
    let unit = try BuyHold.perWattHour(
      limit: Price(limit), feePermille: core.parameters.feePermille)
    var rest = random.magnitude(upTo: Limits.orderWattHours - 1) + 1
    var held = try BuyHold.amount(
      wattHours: rest, limit: Price(limit), feePermille: core.parameters.feePermille
    ).raw
    for part in 0..<20 where rest > 0 {
      let wattHours = part == 19 ? rest : min(rest, random.magnitude(upTo: rest) + 1)
      let price = random.chance(50) ? limit : random.int(0...limit)
      let taker: Side? = [nil, .buy, .sell][Int(random.int(0...2))]
      let trade = trade(
        wattHours: wattHours, price: price, taker: taker, released: unit * wattHours)
      let priced = try core.assess([trade])[0]
      let value = Int128(price) * Int128(wattHours)
      let up = (value + 999) / 1000
      let buyerFee = (up * Int128(fees[taker == .buy ? 1 : 0]) + 999) / 1000
      let sellerFee = (value / 1000 * Int128(fees[taker == .sell ? 1 : 0]) + 999) / 1000
      #expect(Int128(priced.buyerPays.raw) == up + buyerFee, "seed \(seed)")
      #expect(Int128(priced.sellerGets.raw) == max(0, value / 1000 - sellerFee), "seed \(seed)")
      #expect(priced.buyerPays == priced.sellerGets + priced.networkGets, "seed \(seed)")
      #expect(priced.networkGets >= .zero && priced.sellerGets >= .zero, "seed \(seed)")
      held -= priced.buyerPays.raw
      rest -= wattHours
      #expect(held >= unit * rest, "seed \(seed)")
    }
  }
}
