import Domain

extension FeesCore {
  /// Part (6) of a close: the utility sells what is still missing at retail, rounded up, and
  /// buys what is still too much at feed-in, rounded down. Islanded nothing is paid: energy is
  /// unserved or curtailed. Lists are ascending by account; empty entries are left out.
  ///
  /// Throws for an entry below zero or out of order, for more unsold energy than the account's
  /// overflow in the assessment, and for an amount beyond 64 bits.
  package func settle(
    _ assessment: CloseAssessment, unfilled: [AccountEnergy], unsold: [AccountEnergy]
  ) throws(InvariantViolation) -> UtilitySettlement {
    try check(unsold, within: assessment.overflows)
    let isAvailable = assessment.isUtilityAvailable
    var settlement = UtilitySettlement(isAvailable: isAvailable)
    settlement.shortfalls = try postings(
      unfilled, at: isAvailable ? assessment.retail : .zero, .up)
    settlement.overflows = try postings(
      unsold, at: isAvailable ? assessment.feedIn : .zero, .down)
    return settlement
  }

  private func postings(
    _ energies: [AccountEnergy], at price: Price, _ rounding: Rounding
  ) throws(InvariantViolation) -> [UtilityPosting] {
    var postings: [UtilityPosting] = []
    postings.reserveCapacity(energies.count)
    var last: AccountIndex?
    for line in energies {
      guard line.energy.raw >= 0 else {
        throw InvariantViolation("the utility is asked for less than nothing: \(line)")
      }
      if let last, last >= line.account {
        throw InvariantViolation("the utility's lines are not ascending at \(line.account.raw)")
      }
      last = line.account
      guard line.energy.raw > 0 else { continue }
      let amount: Money
      do { amount = try price.cost(of: line.energy, rounding) } catch {
        throw InvariantViolation("the utility's amount does not fit 64 bits: \(line)")
      }
      postings.append(
        UtilityPosting(account: line.account, energy: line.energy, amount: amount))
    }
    return postings
  }

  /// Both ascending; a walk along both at once.
  private func check(
    _ unsold: [AccountEnergy], within overflows: [AccountEnergy]
  ) throws(InvariantViolation) {
    var place = 0
    for line in unsold where line.energy.raw > 0 {
      while place < overflows.count, overflows[place].account < line.account { place += 1 }
      guard place < overflows.count, overflows[place].account == line.account,
        line.energy <= overflows[place].energy
      else { throw InvariantViolation("more is unsold than overflowed: \(line)") }
    }
  }
}
