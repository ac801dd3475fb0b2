import Domain

extension FeesCore {
  /// µECT for the clean energy of a close, mWh: to the storage owners by capacity, each share
  /// rounded down, the rest to the network fund; ascending, amounts above zero.
  ///
  /// Corrections may take more than the close brought: `stored` is then negative, and is owed.
  /// Clean energy of later closes first makes good what is owed and earns nothing for that, so
  /// that the total never falls and nothing is rewarded twice.
  /// Throws when the total leaves 64 bits.
  package mutating func reward(
    clean stored: Energy
  ) throws(InvariantViolation) -> [TokenShare] {
    let total: Energy
    let net: Energy
    do {
      net = try cleanOwed.plus(stored)
      total = try cleanStored.plus(max(net, .zero))
    } catch { throw InvariantViolation("the total of clean energy does not fit 64 bits") }
    guard net > .zero else {
      cleanOwed = net
      return []
    }
    let amount = RewardSchedule.reward(before: cleanStored, after: total).raw
    cleanOwed = .zero
    cleanStored = total
    guard amount > 0 else { return [] }
    var split = TokenSplit(total: amount)
    for owner in storage.owners {
      // The schedule ends below 2^45 µECT, so that the product stays below 2^127.
      let share = Int128(amount) * owner.capacity / storage.capacity
      split.give(Int64(share), to: owner.account)
    }
    return try split.finished()
  }
}
