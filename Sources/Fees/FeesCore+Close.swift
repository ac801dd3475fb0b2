import Domain

extension FeesCore {
  /// Part (2) of a close: overflow, commission and its shares. `holdings` are ascending by
  /// account; what is assessed, and in which order, is told at `CloseWork`. `inEscrow`, what
  /// all of them have in escrow for a coupling round, takes room in the community's storage.
  ///
  /// Throws when the interval is not the next one, or the holdings or the results break a rule.
  package mutating func assess(
    close interval: Interval, holdings: [Holding], inEscrow: Energy = .zero
  ) throws(InvariantViolation) -> CloseAssessment {
    guard interval == nextClose else {
      throw InvariantViolation(
        "fees assess interval \(interval.index) where \(nextClose.index) comes next")
    }
    let prices = tariff(at: interval)
    var assessment = CloseAssessment(
      interval: interval, retail: prices.retail, feedIn: prices.feedIn,
      isUtilityAvailable: isUtilityAvailable)
    var work = try CloseWork(
      holdings: holdings, maximumHeld: maximumHeld,
      capacity: max(0, storage.capacity - Int128(inEscrow.raw)),
      rate: parameters.commission)
    work.limitAccounts()
    try work.limitCommunity()
    assessment.commissions = try work.commission()
    assessment.overflows = try work.overflows()
    assessment.shares = try shares(of: work.collected)
    nextClose = interval.next
    tariffs.forget(before: nextClose)
    return assessment
  }

  /// Splits a close's commission: the owners' part by capacity, each share rounded down once
  /// from the whole; the education fund's, rounded down; the rest, all rounding included, to the
  /// network fund, and with no owner also the owners' part. Ascending, amounts above zero.
  package func shares(of total: StorageTokens) throws(InvariantViolation) -> [TokenShare] {
    guard total.raw <= Limits.storageTokens else {
      throw InvariantViolation("a commission of more TSL than exist: \(total.raw)")
    }
    let part = Int128(total.raw) * Int128(parameters.ownersPercent)
    let education = Int64(Int128(total.raw) * Int128(parameters.educationPercent) / 100)
    var split = TokenSplit(total: total.raw)
    split.give(education, to: SystemAccount.educationFund.index)
    for owner in storage.owners {
      // Capacities are at most 2^16 × 10^15, so that the product stays below 2^127.
      let share = part * owner.capacity / (100 * storage.capacity)
      split.give(Int64(share), to: owner.account)
    }
    return try split.finished()
  }
}

/// Token amounts by account, taken from a total whose rest goes to the network fund.
struct TokenSplit {
  private var shares: [TokenShare] = []
  private var rest: Int64

  init(total: Int64) { rest = total }

  /// Accounts come in ascending order, the network fund's never.
  mutating func give(_ amount: Int64, to account: AccountIndex) {
    guard amount > 0 else { return }
    rest -= amount
    shares.append(TokenShare(account: account, amount: amount))
  }

  func finished() throws(InvariantViolation) -> [TokenShare] {
    guard rest >= 0 else { throw InvariantViolation("shares exceed their total by \(-rest)") }
    let fund = SystemAccount.networkFund.index
    return rest > 0 ? [TokenShare(account: fund, amount: rest)] + shares : shares
  }
}

/// The energy of one close, account by account, as parts of it become overflow. In this order:
/// 1. what is above B_max, less the part of it that a coupling round has reserved;
/// 2. what the community holds above its capacity, shared by net export (`ExcessSharing`);
/// 3. what its holder lacks TSL for, when the commission on the rest is taken.
struct CloseWork {
  private let holdings: [Holding]
  private let maximumHeld: Int64
  private let capacity: Int128
  private let rate: Int64
  /// What each holding still keeps in storage, mWh, 0...energy.
  private var kept: ContiguousArray<Int64> = []
  /// All commissions of the close.
  private(set) var collected: StorageTokens = .zero

  init(
    holdings: [Holding], maximumHeld: Energy, capacity: Int128, rate: StorageTokens
  ) throws(InvariantViolation) {
    self.holdings = holdings
    self.maximumHeld = maximumHeld.raw
    self.capacity = capacity
    self.rate = rate.raw
    kept.reserveCapacity(holdings.count)
    var last: AccountIndex?
    for holding in holdings {
      guard holding.energy.raw >= 0, holding.tsl.raw >= 0,
        (0...max(0, self.maximumHeld)).contains(holding.reserved.raw),
        (0...holding.reserved.raw).contains(holding.inEscrow.raw)
      else {
        throw InvariantViolation("a holding below zero: \(holding)")
      }
      if let last, last >= holding.account {
        throw InvariantViolation("holdings are not ascending at account \(holding.account.raw)")
      }
      last = holding.account
      kept.append(holding.energy.raw)
    }
  }

  /// Nobody keeps more than B_max.
  mutating func limitAccounts() {
    for place in kept.indices {
      kept[place] = min(kept[place], maximumHeld - holdings[place].reserved.raw)
    }
  }

  /// All together keep no more than the community's capacity.
  mutating func limitCommunity() throws(InvariantViolation) {
    let excess = try total() - capacity
    guard excess > 0 else { return }
    ExcessSharing.take(Int64(excess), from: &kept) { holdings[$0].netExport.raw }
    guard try total() == capacity else {
      throw InvariantViolation("\(excess) mWh above capacity were not shared out exactly")
    }
  }

  private func total() throws(InvariantViolation) -> Int128 {
    var sum: Int128 = 0
    for energy in kept { sum += Int128(energy) }
    guard sum <= Int128(Int64.max) else {
      throw InvariantViolation("more WATT than the ledger can hold: \(sum) mWh")
    }
    return sum
  }

  /// The commission on what is kept and on what waits in escrow, rounded up for its payer. Who has
  /// too few TSL keeps, and pays for, the most energy that they are enough for. What is in escrow
  /// is promised to the round, and never overflow: it is paid for first, as far as the tokens go.
  /// The system's accounts pay nothing.
  mutating func commission() throws(InvariantViolation) -> [Commission] {
    var commissions: [Commission] = []
    guard rate > 0 else { return commissions }
    commissions.reserveCapacity(kept.count)
    let systemAccounts = SystemAccount.allCases.count
    var sum: Int128 = 0
    for place in kept.indices
    where holdings[place].account.int >= systemAccounts {
      let (tokens, inEscrow) = (holdings[place].tsl.raw, holdings[place].inEscrow.raw)
      var due = ceilingPerKilowattHour(kept[place] + inEscrow)
      if due > Int128(tokens) {
        // ⌈rate × e ÷ 10^6⌉ ≤ tokens exactly when e ≤ tokens × 10^6 ÷ rate; below what is stored.
        let affordable = Int64(Int128(tokens) * 1_000_000 / Int128(rate))
        kept[place] = max(0, affordable - inEscrow)
        due = min(ceilingPerKilowattHour(kept[place] + inEscrow), Int128(tokens))
      }
      guard due > 0 else { continue }
      sum += due
      commissions.append(
        Commission(account: holdings[place].account, amount: StorageTokens(Int64(due))))
    }
    guard let narrow = Int64(exactly: sum) else {
      throw InvariantViolation("a commission of more TSL than exist: \(sum)")
    }
    collected = StorageTokens(narrow)
    return commissions
  }

  /// rate × energy ÷ 1 kWh, rounded up; both are 0 or more.
  private func ceilingPerKilowattHour(_ energy: Int64) -> Int128 {
    let (product, overflow) = rate.multipliedReportingOverflow(by: energy)
    if overflow { return (Int128(rate) * Int128(energy) + 999_999) / 1_000_000 }
    return Int128(product / 1_000_000 + (product % 1_000_000 > 0 ? 1 : 0))
  }

  /// What is no longer kept, of all three kinds, ascending by account.
  func overflows() throws(InvariantViolation) -> [AccountEnergy] {
    var overflows: [AccountEnergy] = []
    for (place, holding) in holdings.enumerated() where kept[place] != holding.energy.raw {
      let energy = holding.energy.raw - kept[place]
      guard energy > 0, kept[place] >= 0 else {
        throw InvariantViolation("an overflow of \(energy) mWh of \(holding)")
      }
      overflows.append(AccountEnergy(holding.account, Energy(energy)))
    }
    return overflows
  }
}
