import Domain

extension FeesCore {
  /// Counts the clean energy of a close, mWh; `cleanStored` is what has counted so far.
  ///
  /// Corrections may take more than the close brought: `stored` is then negative, and is owed.
  /// Clean energy of later closes first makes good what is owed and does not count for that, so
  /// that the total never falls and nothing counts twice.
  /// Throws when the total leaves 64 bits.
  package mutating func countClean(_ stored: Energy) throws(InvariantViolation) {
    let net: Energy
    do {
      net = try cleanOwed.plus(stored)
      cleanStored = try cleanStored.plus(max(net, .zero))
    } catch { throw InvariantViolation("the total of clean energy does not fit 64 bits") }
    cleanOwed = min(net, .zero)
  }

  /// A reward in µECT to the storage owners by capacity, each share rounded down, the rest to the
  /// network fund; ascending, amounts above zero. Throws for an amount that no clean energy earns.
  package func share(_ amount: RewardTokens) throws(InvariantViolation) -> [TokenShare] {
    // All that the schedule gives is below 2^45 µECT, so that the product stays below 2^127.
    guard (.zero...RewardSchedule.earned(total: .max)).contains(amount) else {
      throw InvariantViolation("no clean energy earns \(amount.raw) µECT")
    }
    guard amount > .zero else { return [] }
    var split = TokenSplit(total: amount.raw)
    for owner in storage.owners {
      let share = Int128(amount.raw) * owner.capacity / storage.capacity
      split.give(Int64(share), to: owner.account)
    }
    return try split.finished()
  }
}
