import Domain

extension Arrears {
  /// Every debt has the utility on one side, no two accounts owe each other, entries are above
  /// zero, and each account's entries sum to its total.
  func checkInvariants(
    of accounts: ContiguousArray<Account>, utility: AccountIndex
  ) throws(InvariantViolation) {
    let debtors = debtors
    for debtor in debtors {
      guard debtor.int < accounts.count else {
        throw InvariantViolation("account \(debtor.raw) owes and does not exist")
      }
      var sum: Int128 = 0
      for entry in entries(of: debtor) {
        let creditor = entry.creditor
        guard creditor.int < accounts.count, entry.amount.raw > 0 else {
          throw InvariantViolation("account \(debtor.raw) has an impossible entry of arrears")
        }
        guard creditor != debtor, debtor == utility || creditor == utility else {
          throw InvariantViolation(
            "account \(debtor.raw) owes \(creditor.raw), and neither is the utility")
        }
        guard debtor != utility || accounts[creditor.int].arrears.raw == 0 else {
          throw InvariantViolation("the utility and account \(creditor.raw) owe each other")
        }
        sum += Int128(entry.amount.raw)
      }
      let total = accounts[debtor.int].arrears.raw
      guard sum > 0, sum == Int128(total) else {
        throw InvariantViolation("account \(debtor.raw) owes \(sum), its total says \(total)")
      }
    }
    guard debtors.count == accounts.count(where: { $0.arrears.raw != 0 }) else {
      throw InvariantViolation("an account has arrears to nobody")
    }
  }
}
