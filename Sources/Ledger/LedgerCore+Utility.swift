import Domain

extension LedgerCore {
  /// (6) What the utility buys and sells, or what is unserved and curtailed without it; then the
  /// interval's balance, whose sides come from the meters and from the ledger's own supply.
  /// Throws when they differ.
  ///
  /// What an account and the utility owe each other is set off first, then free money pays, and
  /// what lacks becomes arrears of the one who owes.
  package mutating func settle(_ utility: UtilitySettlement, close: MeterClose)
    throws(InvariantViolation) -> EnergyBalanceSheet
  {
    try checkClosing(close.interval)
    try checkOrder(utility.shortfalls)
    try checkOrder(utility.overflows)
    var sheet = EnergyBalanceSheet()
    for metered in close.accounts {
      sheet.generation = try sum(sheet.generation, metered.generation)
      sheet.consumption = try sum(sheet.consumption, metered.consumption)
    }
    for posting in utility.overflows {
      try changeWatt(of: posting.account, by: -posting.energy)
    }
    try book(utility, in: &sheet)
    sheet.stored = Energy(totals[.watt] - wattAtLastClose)
    try checkBalance(sheet, of: close.interval)
    isClosing = false
    wattAtLastClose = totals[.watt]
    try totals.check()
    return sheet
  }

  func checkBalance(
    _ sheet: EnergyBalanceSheet, of interval: Interval
  ) throws(InvariantViolation) {
    guard sheet.isBalanced else {
      throw InvariantViolation(
        "interval \(interval.index): sources \(sheet.sources.raw) mWh, "
          + "uses \(sheet.uses.raw) mWh")
    }
  }

  /// The utility's part but for what leaves the accounts' WATT, which is the caller's.
  mutating func book(
    _ utility: UtilitySettlement, in sheet: inout EnergyBalanceSheet
  ) throws(InvariantViolation) {
    let bought = try total(utility.shortfalls)
    let sold = try total(utility.overflows)
    // Bought or unserved, the energy is consumed in the same moment: two counters, no balance.
    try totals.count(-bought.raw, from: .metering)
    try totals.count(bought.raw, from: utility.isAvailable ? .utility : .unserved)
    try totals.count(-sold.raw, from: utility.isAvailable ? .utility : .curtailed)
    if utility.isAvailable {
      sheet.utilityImport = bought
      sheet.utilityExport = sold
      try pay(shortfalls: utility.shortfalls)
      try pay(overflows: utility.overflows)
    } else {
      sheet.unserved = bought
      sheet.curtailed = sold
      try recordIslanded(utility)
    }
  }

  func checkOrder(_ postings: [UtilityPosting]) throws(InvariantViolation) {
    var last = Self.educationFund
    for posting in postings {
      guard posting.account > last, posting.account.int < accounts.count else {
        throw InvariantViolation("utility's posting for \(posting.account.raw) is out of place")
      }
      guard (1...Limits.amount).contains(posting.energy.raw), posting.amount.raw >= 0 else {
        throw InvariantViolation("utility's posting for \(posting.account.raw) is out of range")
      }
      last = posting.account
    }
  }

  func total(_ postings: [UtilityPosting]) throws(InvariantViolation) -> Energy {
    var total = Energy.zero
    for posting in postings { total = try sum(total, posting.energy) }
    return total
  }

  /// Bounded, so that the few terms of a balance sheet fit together.
  private func sum(_ a: Energy, _ b: Energy) throws(InvariantViolation) -> Energy {
    let (sum, overflow) = a.raw.addingReportingOverflow(b.raw)
    guard !overflow, (-Limits.amount...Limits.amount).contains(sum) else {
      throw InvariantViolation("the energy of interval \(interval.index) is out of range")
    }
    return Energy(sum)
  }

  private mutating func recordIslanded(_ utility: UtilitySettlement) throws(InvariantViolation) {
    guard (utility.shortfalls + utility.overflows).allSatisfy({ $0.amount.raw == 0 }) else {
      throw InvariantViolation("money for energy that no utility delivered")
    }
    for posting in utility.shortfalls {
      record(posting.account, .unserved, reference: closeReference, watt: posting.energy)
    }
    for posting in utility.overflows {
      record(posting.account, .curtailed, reference: closeReference, watt: -posting.energy)
    }
  }

  // MARK: Money

  /// Accounts pay the utility. Its own shortfall costs it nothing.
  private mutating func pay(shortfalls: [UtilityPosting]) throws(InvariantViolation) {
    let utility = terms.utility
    let dues = setOffUtility(shortfalls)
    var income = Money.zero
    for posting in shortfalls {
      let index = posting.account
      guard index != utility else {
        record(index, .utilityPurchase, reference: closeReference, watt: posting.energy)
        continue
      }
      let due = dues[index] ?? posting.amount
      let paid = min(due, accounts[index.int].money)
      accounts[index.int].money -= paid
      credit(paid, to: utility)
      touch(index)
      if paid < due { try owe(due - paid, from: index, to: utility) }
      let settled = posting.amount - due + paid
      income += settled
      record(
        index, .utilityPurchase, reference: closeReference, counterparty: utility,
        watt: posting.energy, money: -settled)
    }
    if income.raw > 0 {
      record(utility, .utilityPurchase, reference: closeReference, money: income)
    }
  }

  /// Takes what the utility owes to accounts off what they are due to pay now; returns what is
  /// left of the latter, empty when the utility owes nothing.
  private mutating func setOffUtility(_ postings: [UtilityPosting]) -> [AccountIndex: Money] {
    let utility = terms.utility
    guard accounts[utility.int].arrears.raw > 0 else { return [:] }
    var dues: [AccountIndex: Money] = [:]
    for posting in postings where posting.account != utility {
      dues[posting.account] = posting.amount
    }
    for taken in arrears.setOff(debtor: utility, against: &dues) {
      accounts[utility.int].arrears -= taken.amount
      recordArrears(taken, from: utility)
    }
    touch(utility)
    return dues
  }

  /// The utility pays accounts. Its own overflow earns it nothing.
  private mutating func pay(overflows: [UtilityPosting]) throws(InvariantViolation) {
    let utility = terms.utility
    var expense = Money.zero
    for posting in overflows {
      let index = posting.account
      guard index != utility else {
        record(index, .utilitySale, reference: closeReference, watt: -posting.energy)
        continue
      }
      let setOff = setOffAccount(index, upTo: posting.amount)
      let due = posting.amount - setOff
      let paid = min(due, accounts[utility.int].money)
      accounts[utility.int].money -= paid
      credit(paid, to: index)
      if paid < due { try owe(due - paid, from: utility, to: index) }
      let settled = setOff + paid
      expense += settled
      record(
        index, .utilitySale, reference: closeReference, counterparty: utility,
        watt: -posting.energy, money: settled)
    }
    if expense.raw > 0 {
      touch(utility)
      record(utility, .utilitySale, reference: closeReference, money: -expense)
    }
  }

  /// Takes what an account owes, always to the utility, off what the utility is to pay it.
  private mutating func setOffAccount(_ index: AccountIndex, upTo limit: Money) -> Money {
    var rest = limit
    while rest.raw > 0, let taken = arrears.payOldest(of: index, upTo: rest) {
      rest -= taken.amount
      accounts[index.int].arrears -= taken.amount
      recordArrears(taken, from: index)
    }
    return limit - rest
  }
}
