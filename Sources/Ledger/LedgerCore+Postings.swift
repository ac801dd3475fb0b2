import Domain

extension LedgerCore {
  /// Notes that an account changed: its leaf, its page of the snapshot, and the read model.
  mutating func touch(_ index: AccountIndex) {
    let missing = Marks.touched.subtracting(marks[index.int])
    guard !missing.isEmpty else { return }
    marks[index.int].formUnion(.touched)
    if missing.contains(.leaf) {
      staleLeaves.append(index)
      pageDigests[index.int / Self.pageAccounts] = nil
    }
    if missing.contains(.change) { changed.append(index) }
  }

  /// Notes that a transfer changed an account's WATT, which the book must hear of.
  mutating func touchEnergy(_ index: AccountIndex) {
    guard !marks[index.int].contains(.energy) else { return }
    marks[index.int].insert(.energy)
    energyChanged.append(index)
  }

  /// The account of a key; it comes into being if there is none. Throws `limitExceeded` when
  /// there are as many as may be.
  mutating func open(_ id: AccountID) throws(Rejection) -> AccountIndex {
    if let index = indexes[id] { return index }
    try checkRoom(for: id)
    let index = AccountIndex(accounts.count)
    indexes[id] = index
    accounts.append(Account(id: id))
    marks.append([])
    if index.int.isMultiple(of: Self.pageAccounts) { pageDigests.append(nil) }
    // The place in the tree; `root` puts the leaf there.
    tree.append(.zero)
    touch(index)
    return index
  }

  /// Throws `limitExceeded` when the key has no account and cannot get one.
  func checkRoom(for id: AccountID) throws(Rejection) {
    guard accounts.count < terms.accountLimit || indexes[id] != nil else { throw .limitExceeded }
  }

  /// Adds to an account's free money, out of which its arrears are paid first. The other leg of
  /// the posting is the caller's.
  mutating func credit(_ amount: Money, to index: AccountIndex, entry: UInt32? = nil) {
    accounts[index.int].money += amount
    touch(index)
    if accounts[index.int].arrears.raw > 0 { payArrears(of: index, entry: entry) }
  }

  /// Pays from the debtor's free money, oldest first, and goes on with creditors that owe
  /// themselves. It ends because debts have no cycle (`Arrears`), and each turn lowers one.
  private mutating func payArrears(of first: AccountIndex, entry: UInt32?) {
    var debtors = [first]
    while let debtor = debtors.popLast() {
      while accounts[debtor.int].money.raw > 0,
        let paid = arrears.payOldest(of: debtor, upTo: accounts[debtor.int].money)
      {
        accounts[debtor.int].money -= paid.amount
        accounts[debtor.int].arrears -= paid.amount
        accounts[paid.creditor.int].money += paid.amount
        touch(debtor)
        touch(paid.creditor)
        recordArrears(paid, from: debtor, entry: entry)
        if accounts[paid.creditor.int].arrears.raw > 0 { debtors.append(paid.creditor) }
      }
    }
  }

  /// The two lines of arrears that were paid or set off. Their reference is the newest interval
  /// whose close has begun.
  mutating func recordArrears(_ paid: Arrear, from debtor: AccountIndex, entry: UInt32? = nil) {
    record(
      debtor, .arrearsPaid, reference: closeReference, entry: entry, counterparty: paid.creditor,
      money: -paid.amount)
    record(
      paid.creditor, .arrearsReceived, reference: closeReference, entry: entry,
      counterparty: debtor, money: paid.amount)
  }

  /// Adds arrears of an amount above zero. Throws when the account's total leaves 64 bits.
  mutating func owe(_ amount: Money, from debtor: AccountIndex, to creditor: AccountIndex)
    throws(InvariantViolation)
  {
    do throws(Rejection) {
      accounts[debtor.int].arrears = try accounts[debtor.int].arrears.plus(amount)
    } catch {
      throw InvariantViolation("arrears of account \(debtor.raw) overflow")
    }
    arrears.owe(amount, from: debtor, to: creditor)
    touch(debtor)
  }

  /// Adds to an account's WATT, below zero takes off it, and counts the supply. The
  /// counter-account is the caller's.
  mutating func changeWatt(of index: AccountIndex, by amount: Energy) throws(InvariantViolation) {
    let (balance, overflow) = accounts[index.int].watt.raw.addingReportingOverflow(amount.raw)
    guard !overflow, balance >= 0 else {
      throw InvariantViolation(
        "account \(index.raw) holds \(accounts[index.int].watt.raw) mWh, asked for \(amount.raw)")
    }
    accounts[index.int].watt = Energy(balance)
    try totals.count(amount.raw, of: .watt)
    touch(index)
  }

  var closeReference: UInt64 { UInt64(bitPattern: (settling ?? interval).index) }

  mutating func record(
    _ account: AccountIndex, _ kind: HistoryKind, reference: UInt64, entry: UInt32? = nil,
    counterparty: AccountIndex? = nil, watt: Energy = .zero, money: Money = .zero,
    tsl: StorageTokens = .zero, ect: RewardTokens = .zero
  ) {
    var line = HistoryLine(
      account, kind, reference: reference, entry: entry, counterparty: counterparty)
    line.watt = watt
    line.money = money
    line.tsl = tsl
    line.ect = ect
    history.append(line)
  }
}
