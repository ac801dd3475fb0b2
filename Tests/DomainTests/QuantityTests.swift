import Domain
import TestSupport
import Testing

@Suite struct QuantityTests {
  /// Dividend, divisor, rounded down, rounded up.
  @Test(
    arguments: [
      (7, 2, 3, 4), (-7, 2, -4, -3), (6, 2, 3, 3), (-6, 2, -3, -3), (0, 5, 0, 0), (1, 1000, 0, 1),
      (-1, 1000, -1, 0), (Int128(Int64.max), 1, .max, .max), (Int128(Int64.min), 1, .min, .min),
      (Int128(Int64.max) * 1000 + 0, 1000, .max, .max), (Int128(Int64.min) * 7, 7, .min, .min),
      (-999, 1000, -1, 0), (999, 1000, 0, 1),
    ] as [(Int128, Int128, Int64, Int64)])
  func division(_ row: (Int128, Int128, Int64, Int64)) throws {
    #expect(try Rounding.down.divide(row.0, by: row.1) == row.2)
    #expect(try Rounding.up.divide(row.0, by: row.1) == row.3)
  }

  /// Just outside 64 bits in the direction of the rounding, and far outside.
  @Test(
    arguments: [
      (Rounding.up, Int128(Int64.max) * 2 + 1, 2), (.down, Int128(Int64.min) * 2 - 1, 2),
      (.down, Int128(Int64.max) + 1, 1), (.up, Int128(Int64.min) - 1, 1), (.down, .max, 1),
      (.up, .min, 1), (.up, .max, 1), (.down, .min, 1),
    ] as [(Rounding, Int128, Int128)])
  func divisionOverflows(_ row: (Rounding, Int128, Int128)) {
    #expect(throws: Rejection.overflow) { try row.0.divide(row.1, by: row.2) }
  }

  @Test func theOtherDirectionStillFits() throws {
    #expect(try Rounding.down.divide(Int128(Int64.max) * 2 + 1, by: 2) == .max)
    #expect(try Rounding.up.divide(Int128(Int64.min) * 2 - 1, by: 2) == .min)
  }

  /// a, b, a + b, a − b; nil is an overflow.
  @Test(
    arguments: [
      (1, 2, 3, -1), (-5, 7, 2, -12), (.max, 0, .max, .max), (.max, 1, nil, .max - 1),
      (.min, 1, .min + 1, nil), (.min, -1, nil, .min + 1), (.min, .min, nil, 0),
      (.max, .max, nil, 0), (0, .min, .min, nil), (.max, .min, -1, nil), (-1, .min, nil, .max),
    ] as [(Int64, Int64, Int64?, Int64?)])
  func sums(_ row: (Int64, Int64, Int64?, Int64?)) throws {
    if let sum = row.2 {
      #expect(try Money(row.0).plus(Money(row.1)) == Money(sum))
      #expect(Money(row.0) + Money(row.1) == Money(sum))
    } else {
      #expect(throws: Rejection.overflow) { try Money(row.0).plus(Money(row.1)) }
    }
    if let difference = row.3 {
      #expect(try Money(row.0).minus(Money(row.1)) == Money(difference))
      #expect(Money(row.0) - Money(row.1) == Money(difference))
    } else {
      #expect(throws: Rejection.overflow) { try Money(row.0).minus(Money(row.1)) }
    }
  }

  /// Amount, numerator, denominator, down, up; products go through 128 bits.
  @Test(
    arguments: [
      (10, 1, 3, 3, 4), (-10, 1, 3, -4, -3), (.max, .max, .max, .max, .max),
      (.min, .max, .max, .min, .min),
      (.max, 2, 3, 6_148_914_691_236_517_204, 6_148_914_691_236_517_205),
      (.max, 2, 1, nil, nil), (.min, -1, 1, nil, nil), (.min, 2, 2, .min, .min), (0, .max, 1, 0, 0),
    ] as [(Int64, Int64, Int64, Int64?, Int64?)])
  func scaling(_ row: (Int64, Int64, Int64, Int64?, Int64?)) throws {
    for (rounding, expected) in [(Rounding.down, row.3), (.up, row.4)] {
      if let expected {
        #expect(
          try Energy(row.0).scaled(by: row.1, over: row.2, rounding) == Energy(expected))
      } else {
        #expect(throws: Rejection.overflow) {
          try Energy(row.0).scaled(by: row.1, over: row.2, rounding)
        }
      }
    }
  }

  /// Price µ¤/kWh, energy mWh, cost µ¤ down and up.
  @Test(
    arguments: [
      (300_000, 1_000_000, 300_000, 300_000), (300_001, 1_500_000, 450_001, 450_002), (1, 1, 0, 1),
      (100_000, -1, -1, 0), (0, .max, 0, 0),
      (1_000_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000_000, 1_000_000_000_000_000_000),
      (1_000_000_000_000, .max, nil, nil), (-1_000_000_000_000, .max, nil, nil),
    ] as [(Int64, Int64, Int64?, Int64?)])
  func costs(_ row: (Int64, Int64, Int64?, Int64?)) throws {
    for (rounding, expected) in [(Rounding.down, row.2), (.up, row.3)] {
      if let expected {
        #expect(try Price(row.0).cost(of: Energy(row.1), rounding) == Money(expected))
      } else {
        #expect(throws: Rejection.overflow) {
          try Price(row.0).cost(of: Energy(row.1), rounding)
        }
      }
    }
  }

  @Test func powerOverTime() throws {
    #expect(try Power(1_000_000).energy(over: 900) == Energy(250_000))
    #expect(try Power(1).energy(over: 3599) == .zero)
    #expect(try Power(Limits.meterPower).energy(over: 3600) == Energy(4_000_000_000))
    #expect(throws: Rejection.overflow) { try Power(.max).energy(over: 3601) }
  }

  @Test func wattHours() {
    #expect(Energy(wattHours: 5) == Energy(5000))
    #expect([1999, 2000, 0, -1, -1999].map { Energy($0).wattHours } == [1, 2, 0, 0, -1])
    #expect(Energy.kilowattHour == Energy(1_000_000))
    #expect(-Energy(3) == Energy(-3))
    #expect(Energy(-1) < .zero && Energy(1) > .zero && Energy.max == Energy(.max))
  }

  /// Against multiplication: q × d ≤ n < (q + 1) × d, and the mirror image for up.
  @Test(arguments: 0..<500 as Range<UInt64>)
  func divisionIsExact(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let divisor = Int128(random.magnitude(upTo: .max)) + 1
    let dividend = Int128(random.int(.min ... .max)) * Int128(random.int(-9...9)) + 5
    let fits = { (value: Int128) in value >= Int128(Int64.min) && value <= Int128(Int64.max) }
    do {
      let quotient = Int128(try Rounding.down.divide(dividend, by: divisor))
      #expect(quotient * divisor <= dividend, "seed \(seed)")
      #expect(dividend < (quotient + 1) * divisor, "seed \(seed)")
    } catch { #expect(!fits(dividend / divisor - 1), "seed \(seed)") }
    do {
      let quotient = Int128(try Rounding.up.divide(dividend, by: divisor))
      #expect(quotient * divisor >= dividend, "seed \(seed)")
      #expect(dividend > (quotient - 1) * divisor, "seed \(seed)")
    } catch { #expect(!fits(dividend / divisor + 1), "seed \(seed)") }
  }
}

@Suite struct BuyHoldTests {
  /// Limit µ¤/kWh, fee ‰, µ¤ for each Wh.
  @Test(
    arguments: [
      (1, 0, 1), (1000, 0, 1), (1001, 0, 2), (200_000, 0, 200), (200_000, 20, 204), (1, 1, 2),
      (200_000, 1000, 400), (Limits.price, 1000, 20_000_000),
    ] as [(Int64, Int64, Int64)])
  func perWattHour(_ row: (Int64, Int64, Int64)) throws {
    #expect(try BuyHold.perWattHour(limit: Price(row.0), feePermille: row.1) == row.2)
    #expect(
      try BuyHold.amount(wattHours: 77, limit: Price(row.0), feePermille: row.1)
        == Money(77 * row.2))
  }

  @Test func theLargestOrderFitsAndMoreOverflows() throws {
    let limit = Price(Limits.price)
    #expect(
      try BuyHold.amount(wattHours: Limits.orderWattHours, limit: limit, feePermille: 1000)
        == Money(20_000_000_000_000_000))
    #expect(throws: Rejection.overflow) {
      try BuyHold.amount(wattHours: 500 * Limits.orderWattHours, limit: limit, feePermille: 1000)
    }
    #expect(throws: Rejection.overflow) {
      try BuyHold.perWattHour(limit: .max, feePermille: .max)
    }
    #expect(throws: Rejection.overflow) {
      try BuyHold.perWattHour(limit: .max, feePermille: 999_999_999_999_999)
    }
  }

  /// Any partition into parts, at any prices up to the limit, each part and its fee rounded up,
  /// costs no more than what was held for those watt-hours.
  @Test(arguments: 0..<500 as Range<UInt64>)
  func partsNeverCostMoreThanHeld(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let fee = random.below(3) == 0 ? 0 : random.int(0...1000)
    let limit = random.magnitude(upTo: Limits.price - 1) + 1
    let unit = try BuyHold.perWattHour(limit: Price(limit), feePermille: fee)
    var rest = random.magnitude(upTo: Limits.orderWattHours - 1) + 1
    var held = try BuyHold.amount(wattHours: rest, limit: Price(limit), feePermille: fee)
    for _ in 0..<40 where rest > 0 {
      let part = random.below(10) == 0 ? rest : min(rest, random.magnitude(upTo: rest) + 1)
      let price = Price(random.below(2) == 0 ? limit : random.int(0...limit))
      let value = try price.cost(of: Energy(wattHours: part), .up)
      let cost = try value.plus(value.scaled(by: random.int(0...fee), over: 1000, .up))
      #expect(cost.raw <= unit * part, "seed \(seed)")
      held -= cost
      rest -= part
      #expect(held.raw >= unit * rest, "seed \(seed)")
    }
  }
}
