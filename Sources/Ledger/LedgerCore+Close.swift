import Domain

extension LedgerCore {
  /// (1) of a close: mints what meters put in, then burns what they took out as far as WATT goes;
  /// the rest are shortfalls. Intervals come one after the other.
  package mutating func post(_ close: MeterClose) throws(InvariantViolation) -> PostedClose {
    guard !isClosing, close.interval == interval.next else {
      throw InvariantViolation(
        "interval \(close.interval.index) is posted after \(interval.index)")
    }
    interval = close.interval
    isClosing = true
    var posted = PostedClose()
    var last: AccountIndex?
    for metered in close.accounts {
      guard metered.account.int < accounts.count, metered.account > Self.educationFund,
        last.map({ $0 < metered.account }) ?? true
      else { throw InvariantViolation("metered account \(metered.account.raw) is out of place") }
      last = metered.account
      try post(metered, into: &posted)
    }
    posted.holdings = holdings(after: close)
    posted.inEscrow = escrow?.ordersEnergy ?? .zero
    try totals.check()
    return posted
  }

  private mutating func post(_ metered: MeteredAccount, into posted: inout PostedClose)
    throws(InvariantViolation)
  {
    let index = metered.account
    guard (0...Limits.amount).contains(metered.minted.raw),
      (0...Limits.amount).contains(metered.burned.raw)
    else { throw InvariantViolation("metering of account \(index.raw) is out of range") }
    guard metered.minted.raw > 0 || metered.burned.raw > 0 else { return }
    let before = accounts[index.int].watt
    try changeWatt(of: index, by: metered.minted)
    let burned = min(metered.burned, accounts[index.int].watt)
    try changeWatt(of: index, by: -burned)
    try totals.count(metered.minted.raw - burned.raw, from: .metering)
    if burned < metered.burned {
      posted.shortfalls.append(AccountEnergy(index, metered.burned - burned))
    }
    let after = accounts[index.int].watt
    if after != before {
      posted.energy.append(EnergyBalance(account: index, balance: after))
    }
    record(
      index, .metered, reference: closeReference, watt: metered.minted - metered.burned)
  }

  /// Every account with WATT, or with some in escrow, ascending, beside its net export of the
  /// interval.
  private func holdings(after close: MeterClose) -> [Holding] {
    var holdings: [Holding] = []
    var place = 0
    for position in accounts.indices {
      let index = AccountIndex(position)
      let inEscrow = escrow?[index].orders ?? .zero
      guard accounts[position].watt.raw > 0 || inEscrow.raw > 0 else { continue }
      while place < close.accounts.count, close.accounts[place].account < index { place += 1 }
      var netExport = Energy.zero
      if place < close.accounts.count, close.accounts[place].account == index {
        netExport = close.accounts[place].minted - close.accounts[place].burned
      }
      holdings.append(
        Holding(
          account: index, energy: accounts[position].watt, tsl: accounts[position].tsl,
          netExport: netExport, reserved: escrow?.reserved(by: index) ?? .zero,
          inEscrow: inEscrow))
    }
    return holdings
  }

  /// (2) Commissions, and their shares, in TSL. Throws when they do not sum to zero, or an
  /// account cannot pay.
  package mutating func collect(_ assessment: CloseAssessment) throws(InvariantViolation) {
    try checkClosing(assessment.interval)
    var sum: Int128 = 0
    for commission in assessment.commissions {
      let index = commission.account
      guard index.int < accounts.count, commission.amount.raw >= 0,
        accounts[index.int].tsl >= commission.amount
      else {
        throw InvariantViolation(
          "account \(index.raw) cannot pay a commission of \(commission.amount.raw)")
      }
      guard commission.amount.raw > 0 else { continue }
      sum += Int128(commission.amount.raw)
      accounts[index.int].tsl -= commission.amount
      touch(index)
      record(index, .commission, reference: closeReference, tsl: -commission.amount)
    }
    for share in assessment.shares {
      guard share.account.int < accounts.count, share.amount >= 0 else {
        throw InvariantViolation("account \(share.account.raw) cannot get \(share.amount) TSL")
      }
      guard share.amount > 0 else { continue }
      sum -= Int128(share.amount)
      guard sum >= 0 else { break }
      let amount = StorageTokens(share.amount)
      accounts[share.account.int].tsl += amount
      touch(share.account)
      record(share.account, .commissionShare, reference: closeReference, tsl: amount)
    }
    guard sum == 0 else {
      throw InvariantViolation("commissions and their shares differ by \(sum)")
    }
  }

  /// (3) Holds all free money of each account for the call auction; of one with arrears nothing.
  /// What the auction does not need comes back as a release. Indexes are the ledger's own.
  package mutating func reserve(_ list: [AccountIndex]) -> [Budget] {
    list.map { index in
      let account = accounts[index.int]
      guard account.arrears.raw == 0, account.money.raw > 0 else {
        return Budget(account: index, held: .zero)
      }
      hold(account.money, of: index)
      return Budget(account: index, held: account.money)
    }
  }

  /// (6) ECT for clean energy stored in an interval, minted to the accounts that share it.
  package mutating func reward(_ shares: [TokenShare], interval: Interval)
    throws(InvariantViolation)
  {
    guard interval == self.interval else {
      throw InvariantViolation("reward of \(interval.index) in close \(self.interval.index)")
    }
    for share in shares {
      guard share.account.int < accounts.count, share.amount >= 0 else {
        throw InvariantViolation("account \(share.account.raw) cannot get \(share.amount) ECT")
      }
      guard share.amount > 0 else { continue }
      try totals.count(share.amount, of: .ect)
      try totals.count(share.amount, from: .rewards)
      let amount = RewardTokens(share.amount)
      accounts[share.account.int].ect += amount
      touch(share.account)
      record(share.account, .rewarded, reference: closeReference, ect: amount)
    }
    try totals.check()
  }

  func checkClosing(_ interval: Interval) throws(InvariantViolation) {
    guard isClosing, interval == self.interval else {
      throw InvariantViolation("interval \(interval.index) is not being closed")
    }
  }
}
