/// ECT for clean energy stored, by the total that was stored before it.
///
/// Twenty epochs of 1 TWh each: in epoch k (from 0) there are 16 ECT for every 2^k MWh, after
/// the last one none. All in exact fractions over one denominator: 16 × 10^6 µECT for
/// 2^k × 10^9 mWh are 2^(20 − k) ÷ (125 × 2^19) µECT for 1 mWh.
package enum RewardSchedule {
  package static let epochs = 20
  /// Energy of one epoch, mWh: 1 TWh.
  package static let epochEnergy: Int64 = 1_000_000_000_000_000
  private static let denominator: Int128 = 125 << 19

  /// µECT, rounded down, that a total of clean energy has earned since the first mWh.
  /// A negative total has earned none.
  package static func earned(total: Energy) -> RewardTokens {
    var rest = total.raw
    var numerator: Int128 = 0
    for epoch in 0..<epochs where rest > 0 {
      numerator += Int128(min(rest, epochEnergy)) << Int128(epochs - epoch)
      rest -= min(rest, epochEnergy)
    }
    // At most 3.2 × 10^13 whole µECT, so that the quotient always fits.
    return RewardTokens(Int64(numerator / denominator))
  }

  /// µECT for the clean energy that takes the total from `before` to `after`.
  ///
  /// The difference of two roundings of the exact total, so that any sequence of deposits earns
  /// as much as one deposit of their sum: nothing is lost to rounding over time, and a deposit
  /// that crosses a boundary is split at it. Negative when the total falls.
  package static func reward(before: Energy, after: Energy) -> RewardTokens {
    earned(total: after) - earned(total: before)
  }
}
