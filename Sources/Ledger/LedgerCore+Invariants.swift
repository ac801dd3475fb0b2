import Domain

extension LedgerCore {
  /// What must hold after every step: double entry, in constant time and by adding up every
  /// account, escrow included; no balance below zero; nobody above B_max, nor WATT made or lost,
  /// outside a close;
  /// arrears as `Arrears` describes them; every key at its index; and a state root that equals
  /// one computed from all accounts.
  package func checkInvariants() throws(InvariantViolation) {
    try totals.check()
    try checkSums()
    try checkSources()
    for position in accounts.indices { try checkAccount(at: position) }
    try arrears.checkInvariants(of: accounts, utility: terms.utility)
    guard indexes.count == accounts.count, marks.count == accounts.count else {
      throw InvariantViolation("\(indexes.count) keys of \(accounts.count) accounts")
    }
    guard totals[.money] <= Limits.amount else {
      throw InvariantViolation("more money than may be issued: \(totals[.money])")
    }
    try checkEscrow()
    guard wattAtLastClose >= 0, isClosing || totals[.watt] == wattAtLastClose else {
      throw InvariantViolation("the WATT supply changed between two closes")
    }
    try checkTree()
  }

  /// Every supply equals the sum of all balances.
  private func checkSums() throws(InvariantViolation) {
    var watt = Int128(escrow?.energy.raw ?? 0)
    var money: Int128 = 0
    var tsl: Int128 = 0
    var ect: Int128 = 0
    for account in accounts {
      watt += Int128(account.watt.raw)
      money += Int128(account.money.raw) + Int128(account.heldMoney.raw)
      tsl += Int128(account.tsl.raw)
      ect += Int128(account.ect.raw)
    }
    for (asset, sum) in [(Asset.watt, watt), (.money, money), (.tsl, tsl), (.ect, ect)] {
      guard sum == Int128(totals[asset]) else {
        throw InvariantViolation("the accounts hold \(sum) of \(asset), not \(totals[asset])")
      }
    }
  }

  /// On a grid with a backbone, money, TSL and ECT come and go over it alone; on another they never
  /// do.
  private func checkSources() throws(InvariantViolation) {
    let closed: [Counter] =
      terms.hasBackbone
      ? [.genesisMoney, .genesisTokens, .gateway, .rewards]
      : [.travelledMoney, .travelledTokens, .travelledRewards]
    for counter in closed where totals[counter] != 0 {
      throw InvariantViolation("\(totals[counter]) came from \(counter), where nothing comes from")
    }
  }

  private func checkAccount(at position: Int) throws(InvariantViolation) {
    let account = accounts[position]
    func require(_ condition: Bool, _ fault: String) throws(InvariantViolation) {
      guard condition else { throw InvariantViolation("account \(position) \(fault)") }
    }
    try require(
      account.watt.raw >= 0 && account.money.raw >= 0 && account.heldMoney.raw >= 0
        && account.tsl.raw >= 0 && account.ect.raw >= 0 && account.arrears.raw >= 0,
      "has a balance below zero")
    try require(
      account.arrears.raw == 0 || account.money.raw == 0, "has free money beside arrears")
    let reserved = escrow?.reserved(by: AccountIndex(position)) ?? .zero
    try require(
      isClosing || account.watt.raw <= terms.maximumHeld.raw - reserved.raw,
      "holds more than B_max")
    try require(indexes[account.id]?.int == position, "is not where its key says")
    try require(account.window.isPossible, "has an impossible sequence window")
    if position <= Self.educationFund.int {
      try require(
        account.watt.raw == 0 && account.heldMoney.raw == 0 && account.arrears.raw == 0,
        "is the system's and holds WATT, has a hold or owes")
    }
  }

  /// The incremental tree against one built from nothing.
  private func checkTree() throws(InvariantViolation) {
    var incremental = self
    var rebuilt = MerkleTree(leaves: accounts.map { MerkleTree.leaf($0.leaf) })
    guard tree.count == accounts.count, incremental.root() == rebuilt.root() else {
      throw InvariantViolation("the state root is not that of the accounts")
    }
  }
}
