import Domain

/// The ledger of one microgrid: accounts, holds, arrears, and the state root over them.
///
/// Every posting moves an amount between two accounts, or between an account and a named
/// counter-account outside (`Counter`), so the sum over all of them stays zero for each asset. No
/// balance goes below zero.
///
/// `hold` works on a block's commands, `settle(_:releases:)` on its trades; an interval's close is
/// post → collect → reserve → settle(_:releases:) → settle(_:close:) → reward. A close that bids in
/// a coupling round ends with `suspend` instead, and is finished by `settleRound` later.
package struct LedgerCore: Sendable {
  /// What the genesis lays down for the ledger; it never changes.
  struct Terms: Sendable {
    let chain: ChainID
    let intervalsPerDay: Int
    let roles: Roles
    /// Of the first epoch.
    let validators: [PublicKey]
    let feePermille: Int64
    let educationGrant: StorageTokens
    /// B_max: what an account may hold.
    let maximumHeld: Energy
    /// Accounts that may exist.
    let accountLimit: Int
    let utility: AccountIndex
    /// The grid is part of a backbone, over which all money, TSL and ECT come and go.
    let hasBackbone: Bool
  }

  /// What is to be done for an account that changed.
  struct Marks: OptionSet, Sendable {
    let rawValue: UInt8
    /// Its leaf in the tree is stale.
    static let leaf = Marks(rawValue: 1)
    /// It is in `changed`.
    static let change = Marks(rawValue: 2)
    /// It is in `energyChanged`.
    static let energy = Marks(rawValue: 4)
    static let touched: Marks = [.leaf, .change]
  }

  let terms: Terms
  /// By account index.
  var accounts: ContiguousArray<Account> = []
  var marks: ContiguousArray<Marks> = []
  var indexes: [AccountID: AccountIndex] = [:]
  var arrears = Arrears()
  var totals = Totals()
  /// The newest interval whose close has begun.
  var interval: Interval
  /// Between `post` and the utility's settlement of that interval.
  var isClosing = false
  /// WATT supply when the last close, or the result of the last coupling round, was over.
  var wattAtLastClose: Int64 = 0
  /// What an open coupling round holds; nil without one.
  var escrow: Escrow?
  /// The interval that a round's result settles, while it does.
  var settling: Interval?

  // What follows is derived from the above, or handed out and forgotten.
  var tree = MerkleTree()
  var staleLeaves: ContiguousArray<AccountIndex> = []
  /// Digests of the snapshot's pages of accounts; nil for a page that changed.
  var pageDigests: [Digest?] = []
  var changed: [AccountIndex] = []
  var energyChanged: [AccountIndex] = []
  var history: [HistoryLine] = []

  static let networkFund = SystemAccount.networkFund.index
  static let educationFund = SystemAccount.educationFund.index

  /// The ledger at genesis. `maximumHeld` is B_max, 0 or more. What the genesis gives has no line
  /// in the history; all its accounts count as changed.
  ///
  /// Throws `malformed` when the genesis has faults, or gives a role, a meter or membership to an
  /// account of the system; `limitExceeded` when it makes more than `accountLimit` accounts.
  package init(
    genesis: Genesis, maximumHeld: Energy, accountLimit: Int = Limits.accounts
  ) throws(Rejection) {
    let order = genesis.accountOrder
    terms = try Terms(
      genesis: genesis, order: order, maximumHeld: maximumHeld, accountLimit: accountLimit)
    interval = genesis.calendar.firstInterval.advanced(by: -1)
    indexes.reserveCapacity(order.count)
    accounts.reserveCapacity(order.count)
    for id in order { _ = try open(id) }
    do throws(InvariantViolation) { try allocate(genesis) } catch { throw .malformed }
  }

  private mutating func allocate(_ genesis: Genesis) throws(InvariantViolation) {
    let fund = Self.educationFund.int
    accounts[fund].tsl = genesis.parameters.educationFund
    try totals.count(genesis.parameters.educationFund.raw, of: .tsl)
    try totals.count(genesis.parameters.educationFund.raw, from: .genesisTokens)
    for line in genesis.accounts {
      guard let account = index(of: line.id)?.int else {
        throw InvariantViolation("a line of the genesis without an account")
      }
      accounts[account].money += line.money
      accounts[account].tsl += line.tsl
      try totals.count(line.money.raw, of: .money)
      try totals.count(line.money.raw, from: .genesisMoney)
      try totals.count(line.tsl.raw, of: .tsl)
      try totals.count(line.tsl.raw, from: .genesisTokens)
    }
    for line in genesis.accounts where line.isMember {
      guard let account = index(of: line.id)?.int else { continue }
      accounts[account].isMember = true
      let grant = terms.educationGrant
      if accounts[fund].tsl >= grant {
        accounts[fund].tsl -= grant
        accounts[account].tsl += grant
      }
    }
    try totals.check()
  }

  package func index(of id: AccountID) -> AccountIndex? { indexes[id] }

  /// The account at an index below `accountCount`.
  package func account(_ index: AccountIndex) -> Account { accounts[index.int] }

  package var accountCount: Int { accounts.count }

  /// What an account owes, oldest first.
  package func arrears(of index: AccountIndex) -> [Arrear] { arrears.entries(of: index) }

  /// All that the accounts hold of an asset, in its smallest unit; money with its held part, WATT
  /// with what is in escrow.
  package func supply(of asset: Asset) -> Int64 { totals[asset] }

  /// What came in from a counter-account, less what went out to it.
  package func total(of counter: Counter) -> Int64 { totals[counter] }

  /// Accounts that changed since the last call, each once, in the order of their first change.
  package mutating func takeChanges() -> [AccountIndex] {
    for index in changed { marks[index.int].remove(.change) }
    defer { changed = [] }
    return changed
  }

  /// Lines of history since the last call, in order. Between the end of one close and the post of
  /// the next they sum to the changes of every account's balances, but for the money that the
  /// network fund gets from trades.
  package mutating func takeHistory() -> [HistoryLine] {
    defer { history = [] }
    return history
  }
}

extension LedgerCore.Terms {
  /// `order` is `genesis.accountOrder`.
  init(
    genesis: Genesis, order: [AccountID], maximumHeld: Energy, accountLimit: Int
  ) throws(Rejection) {
    guard genesis.faults.isEmpty, maximumHeld.raw >= 0 else { throw .malformed }
    let system = SystemAccount.allCases.map(\.id)
    guard !genesis.roles.all.contains(where: { system.contains($0) }),
      !genesis.meters.contains(where: { system.contains($0.account) }),
      !genesis.accounts.contains(where: { $0.isMember && system.contains($0.id) })
    else { throw .malformed }
    guard let place = order.firstIndex(of: genesis.roles.utility) else { throw .malformed }
    utility = AccountIndex(place)
    chain = genesis.chainID
    hasBackbone = genesis.backbone != nil
    intervalsPerDay = Int(genesis.calendar.intervalsPerDay)
    roles = genesis.roles
    validators = genesis.validators
    feePermille = genesis.parameters.feePermille
    educationGrant = genesis.parameters.educationGrant
    self.maximumHeld = maximumHeld
    self.accountLimit = accountLimit
  }
}
