import Domain

extension FeesCore {
  /// µECT for the clean energy of a close, mWh, as `countClean` counts and `share` splits it; on a
  /// grid of its own. Throws when the total leaves 64 bits.
  package mutating func reward(
    clean stored: Energy
  ) throws(InvariantViolation) -> [TokenShare] {
    let before = cleanStored
    try countClean(stored)
    return try share(RewardSchedule.reward(before: before, after: cleanStored))
  }
}
