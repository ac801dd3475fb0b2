import Domain

/// The reference price of an interval by the supply-demand ratio: Liu et al., "Energy-Sharing
/// Model With Price-Based Demand Response for Microgrids of Peer-to-Peer Prosumers", IEEE
/// Transactions on Power Systems 32(5), 2017.
///
/// With surplus S, deficit D, feed-in f and retail r, k = S ÷ D < 1:
/// p_s = f·r ÷ ((r − f)·k + f), p_b = p_s·k + r·(1 − k), reference = (p_s + p_b) ÷ 2.
/// Each is one exact fraction, rounded down once. Over the common denominator, with
/// M = (r − f)·S + f·D:
/// - p_s = f·r·D ÷ M,
/// - p_b = (f·r·D·S + r·(D − S)·M) ÷ (M·D),
/// - reference = r·(2·f·D² + (r − f)·S·(D − S)) ÷ (2·D·M).
///
/// Ranges: prices 0...Limits.price (40 bits), energies 0...Int64.max (63 bits), so that M has at
/// most 104 bits, every factor below fits 128 bits and every product 256.
package enum ReferencePrice {
  /// The price that a seller would get: p_s; feed-in when supply covers demand.
  package static func selling(feedIn: Price, retail: Price, surplus: Energy, deficit: Energy)
    -> Price
  {
    let terms = Terms(feedIn, retail, surplus, deficit)
    if let fixed = terms.fixed { return fixed }
    return terms.largest { price in
      Wide(price, terms.m) <= Wide(terms.f * terms.r, terms.d)
    }
  }

  /// The price that a buyer would pay: p_b.
  package static func buying(feedIn: Price, retail: Price, surplus: Energy, deficit: Energy)
    -> Price
  {
    let terms = Terms(feedIn, retail, surplus, deficit)
    if let fixed = terms.fixed { return fixed }
    let dividend =
      Wide(terms.f * terms.r, terms.d * terms.s)
      + Wide(terms.r * (terms.d - terms.s), terms.m)
    return terms.largest { price in Wide(price * terms.d, terms.m) <= dividend }
  }

  /// The mean of both, from the exact fractions: the reference price.
  package static func price(feedIn: Price, retail: Price, surplus: Energy, deficit: Energy)
    -> Price
  {
    let terms = Terms(feedIn, retail, surplus, deficit)
    if let fixed = terms.fixed { return fixed }
    let dividend =
      Wide(2 * terms.r * terms.f, terms.d * terms.d)
      + Wide(terms.r * (terms.r - terms.f), terms.s * (terms.d - terms.s))
    return terms.largest { price in Wide(2 * price * terms.d, terms.m) <= dividend }
  }

  private struct Terms {
    let f: UInt128
    let r: UInt128
    let s: UInt128
    let d: UInt128

    /// Negative amounts count as none.
    init(_ feedIn: Price, _ retail: Price, _ surplus: Energy, _ deficit: Energy) {
      f = UInt128(max(feedIn.raw, 0))
      r = UInt128(max(retail.raw, feedIn.raw, 0))
      s = UInt128(max(surplus.raw, 0))
      d = UInt128(max(deficit.raw, 0))
    }

    var m: UInt128 { (r - f) * s + f * d }

    /// The price where the formula has none: neither surplus nor deficit, the middle of the
    /// band; enough surplus, feed-in; no surplus, retail (its limit also where feed-in is zero).
    var fixed: Price? {
      if s == 0, d == 0 { return Price(Int64((f + r) / 2)) }
      if s >= d { return Price(Int64(f)) }
      if s == 0 { return Price(Int64(r)) }
      return nil
    }

    /// The largest price in 0...r for which `fits` holds; it holds for 0 and is monotonic. A
    /// division by trial, for a divisor that may exceed 128 bits.
    func largest(_ fits: (UInt128) -> Bool) -> Price {
      var low: UInt128 = 0
      var high = r
      while low < high {
        let middle = (low + high + 1) / 2
        if fits(middle) { low = middle } else { high = middle - 1 }
      }
      return Price(Int64(low))
    }
  }

  /// A product of two 128-bit factors, and sums of two such below 2^256.
  private struct Wide: Comparable {
    var high: UInt128
    var low: UInt128

    init(_ a: UInt128, _ b: UInt128) {
      (high, low) = a.multipliedFullWidth(by: b)
    }

    static func + (a: Wide, b: Wide) -> Wide {
      var sum = a
      let (low, carry) = a.low.addingReportingOverflow(b.low)
      sum.low = low
      sum.high = a.high + b.high + (carry ? 1 : 0)
      return sum
    }

    static func < (a: Wide, b: Wide) -> Bool { (a.high, a.low) < (b.high, b.low) }
  }
}
