import Domain

/// The order book of a microgrid: limit orders for stored energy, price then time, with an
/// executable and a dormant part each; call auctions, agents and the market maker at the closes.
///
/// Between two stages, always:
/// - an account's energy is set aside for its sells, and its headroom for its buys, in whole Wh,
///   oldest order first, as far as it goes (`AccountSide`);
/// - the best executable bid lies below the best executable ask;
/// - no wake is waiting;
/// - what is in an open coupling round (`OpenRound`) is frozen: it is nobody's to trade, its energy
///   is not in the mirror, and the headroom that it may need is set aside.
package struct BookCore: Sendable {
  let calendar: Calendar
  let parameters: Parameters
  /// B_max, mWh.
  let maximumHeld: Int64
  let community: AccountIndex

  /// Slots of orders; the free ones are linked from `freeOrder`.
  var orders: ContiguousArray<RestingOrder> = []
  var freeOrder = noSlot
  var orderCount = 0
  /// Orders that end at a close: good till an interval, agents' and the market maker's.
  var timedCount = 0
  var table = OrderTable()
  var nextOrder: UInt64 = 1

  var levels: ContiguousArray<PriceLevel> = []
  var freeLevel = noSlot
  /// By `Side.index`.
  var ladders: ContiguousArray<Ladder> = [Ladder(), Ladder()]

  /// By account: the mirror of its WATT balance, mWh.
  var balances: ContiguousArray<Int64> = []
  /// By account: the part of its balance that is overflow and set aside for its automatic
  /// order, mWh. Zero outside an auction.
  var reserved: ContiguousArray<Int64> = []
  /// By account: headroom that an open coupling round takes, mWh: for what may come back to the
  /// account, or be bought for it.
  var committed: ContiguousArray<Int64> = []
  /// The coupling round whose result has not come; at most one.
  var round: OpenRound?
  /// Two for each account: at 2 × index its buys, behind them its sells.
  var sides: ContiguousArray<AccountSide> = []
  /// By account, as far as there are agents.
  var agents: ContiguousArray<AgentSettings?> = []
  var agentCount = 0

  /// Places in `sides` whose dormant orders may wake, in order of the causes; those before
  /// `firstWake` are done.
  var wakes: ContiguousArray<Int> = []
  var firstWake = 0

  /// The first interval whose auction has not been held.
  var nextInterval: Interval
  /// Of the last trade, whatever its mechanism.
  var lastPrice: Int64?
  /// Wh by the limit of the order that traded them, since the last close, by `Side.index`.
  var traded: ContiguousArray<PriceTally> = [PriceTally(), PriceTally()]

  /// An empty book. `maximumHeld` is B_max, the most energy that an account may hold;
  /// `community` is the account that makes the market.
  package init(
    calendar: Calendar, parameters: Parameters, maximumHeld: Energy, community: AccountIndex
  ) {
    self.calendar = calendar
    self.parameters = parameters
    self.maximumHeld = max(maximumHeld.raw, 0)
    self.community = community
    nextInterval = calendar.firstInterval
  }

  /// Agents' accounts and the community's, ascending: those that need a budget at a close.
  package var automaticAccounts: [AccountIndex] {
    var accounts: [AccountIndex] = []
    accounts.reserveCapacity(agentCount + 1)
    for index in agents.indices
    where agents[index] != nil || index == community.int {
      accounts.append(AccountIndex(index))
    }
    if community.int >= agents.count { accounts.append(community) }
    return accounts
  }

  /// The book's mirror of an account's WATT balance.
  package func energy(of account: AccountIndex) -> Energy {
    account.int < balances.count ? Energy(balances[account.int]) : .zero
  }

  /// Orders that rest, all accounts together.
  package var restingOrders: Int { orderCount }

  /// The settings of an account's agent; nil without one.
  package func agent(of account: AccountIndex) -> AgentSettings? {
    account.int < agents.count ? agents[account.int] : nil
  }

  /// Place of an account's side in `sides`.
  func place(of account: UInt32, _ side: Side) -> Int { Int(account) << 1 | side.index }

  /// Wh that the account behind a place in `sides` has for its orders of that side: free energy
  /// for sells, headroom for buys.
  func pool(_ place: Int) -> Int64 {
    let account = place >> 1
    let energy =
      place & 1 == 1
      ? balances[account] - reserved[account]
      : maximumHeld - balances[account] - committed[account]
    return max(energy, 0) / 1000
  }

  /// Accounts come into being as they are named.
  mutating func grow(to account: UInt32) {
    guard Int(account) >= balances.count else { return }
    let missing = Int(account) + 1 - balances.count
    balances.append(contentsOf: repeatElement(0, count: missing))
    reserved.append(contentsOf: repeatElement(0, count: missing))
    committed.append(contentsOf: repeatElement(0, count: missing))
    sides.append(contentsOf: repeatElement(AccountSide(), count: 2 * missing))
  }
}
