import Domain
import Market
import TestSupport
import Testing

@Suite struct ReferencePriceTests {
  private func prices(_ f: Int64, _ r: Int64, _ s: Int64, _ d: Int64) -> [Int64] {
    let (f, r, s, d) = (Price(f), Price(r), Energy(s), Energy(d))
    return [
      ReferencePrice.selling(feedIn: f, retail: r, surplus: s, deficit: d).raw,
      ReferencePrice.buying(feedIn: f, retail: r, surplus: s, deficit: d).raw,
      ReferencePrice.price(feedIn: f, retail: r, surplus: s, deficit: d).raw,
    ]
  }

  /// Feed-in 0.10, retail 0.30, surplus 5 kWh, deficit 10 kWh.
  @Test func golden() {
    #expect(prices(100_000, 300_000, 5_000_000, 10_000_000) == [150_000, 225_000, 187_500])
  }

  @Test(
    arguments: [
      ([100_000, 300_000, 0, 0], 200_000),  // the middle of the band
      ([100_000, 300_001, 0, 0], 200_000),
      ([100_000, 300_000, 10, 10], 100_000),  // enough surplus: feed-in
      ([100_000, 300_000, 11, 10], 100_000),
      ([100_000, 300_000, 5, 0], 100_000),
      ([100_000, 300_000, 0, 10], 300_000),  // no surplus: retail
      ([0, 300_000, 0, 10], 300_000),
      ([0, 300_000, 5, 10], 75_000),  // p_s = 0, p_b = r ÷ 2
      ([0, 0, 5, 10], 0),
      ([200_000, 200_000, 5, 10], 200_000),
      ([100_000, 300_000, -5, -10], 200_000),
    ] as [([Int64], Int64)])
  func edges(_ input: [Int64], _ expected: Int64) {
    #expect(prices(input[0], input[1], input[2], input[3])[2] == expected)
  }

  @Test func theLargestNumbersDoNotOverflow() {
    let (top, most) = (Limits.price, Int64.max)
    #expect(prices(top, top, most - 1, most) == [top, top, top])
    let found = prices(1, top, most / 2, most)
    #expect(found[0] == 1 && found[1] >= top / 2 && found[2] >= top / 4)
  }

  /// Against the formulas in exact fractions, for numbers whose products fit 128 bits.
  @Test(arguments: 1...300) func sameAsTheFormula(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    let f = random.int(1...1000)
    let r = f + random.int(0...1000)
    let d = random.int(2...1_000_000)
    let s = random.int(1...(d - 1))
    let (F, R, S, D) = (Int128(f), Int128(r), Int128(s), Int128(d))
    // p_s = N ÷ M with k = S ÷ D, both sides times D.
    let n = F * R * D
    let m = (R - F) * S + F * D
    // p_b = (N ÷ M)·(S ÷ D) + R·(1 − S ÷ D), over M·D.
    let b = n * S + R * (D - S) * m
    let mean = (n * D + b) / (2 * m * D)
    #expect(
      prices(f, r, s, d) == [Int64(n / m), Int64(b / (m * D)), Int64(mean)], "seed \(seed)")
  }
}
