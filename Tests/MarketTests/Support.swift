import Domain
import Market

/// Interval 0 is the first that closes.
let testCalendar = Calendar(origin: 0, wallOrigin: 0)

/// A book with short words for the tables of rules. Accounts are numbers, energies Wh.
struct Bench {
  var book: BookCore
  private var entry = 0
  let parameters: Parameters

  /// B_max is 1,000 Wh unless told; the community's account is 9.
  init(maximumHeld: Int64 = 1000, parameters: Parameters = Parameters(), community: Int = 9) {
    self.parameters = parameters
    book = BookCore(
      calendar: testCalendar, parameters: parameters,
      maximumHeld: Energy(wattHours: maximumHeld), community: AccountIndex(community))
  }

  /// Sets balances, in Wh, as transfers of a block would.
  @discardableResult
  mutating func hold(_ balances: [(Int, Int64)]) -> MatchOutcome {
    book.match(
      [],
      energy: balances.map {
        EnergyBalance(account: AccountIndex($0.0), balance: Energy(wattHours: $0.1))
      })
  }

  /// What Ledger would hold for a buy.
  func needed(_ request: OrderRequest) -> Money {
    guard request.side == .buy, (1...Limits.price).contains(request.limit.raw),
      let amount = try? BuyHold.amount(
        wattHours: request.wattHours, limit: request.limit, feePermille: parameters.feePermille)
    else { return .zero }
    return amount
  }

  @discardableResult
  mutating func place(
    _ account: Int, _ side: Side, _ wattHours: Int64, at limit: Int64,
    _ timeInForce: TimeInForce = .goodTillCancelled, held: Int64? = nil
  ) -> (receipt: Receipt, outcome: MatchOutcome) {
    let request = OrderRequest(
      side: side, wattHours: wattHours, limit: Price(limit), timeInForce: timeInForce)
    return run(
      .place(
        entry: entry, account: AccountIndex(account), request,
        held: held.map { Money($0) } ?? needed(request)))
  }

  @discardableResult
  mutating func cancel(_ account: Int, _ id: UInt64) -> (receipt: Receipt, outcome: MatchOutcome) {
    run(.cancel(entry: entry, account: AccountIndex(account), OrderID(id)))
  }

  @discardableResult
  mutating func replace(
    _ account: Int, _ id: UInt64, _ wattHours: Int64, at limit: Int64, held: Int64 = 0
  ) -> (receipt: Receipt, outcome: MatchOutcome) {
    run(
      .replace(
        entry: entry, account: AccountIndex(account), OrderID(id), wattHours: wattHours,
        limit: Price(limit), held: Money(held)))
  }

  @discardableResult
  mutating func agent(
    _ account: Int, buy: Int64? = nil, sell: Int64? = nil, low: Int64 = 0, high: Int64 = 0
  ) -> Receipt {
    let settings = AgentSettings(
      buyPrice: buy.map { Price($0) }, sellPrice: sell.map { Price($0) },
      low: Energy(wattHours: low), high: Energy(wattHours: high))
    return run(.setAgent(entry: entry, account: AccountIndex(account), settings)).receipt
  }

  private mutating func run(_ instruction: BookInstruction)
    -> (receipt: Receipt, outcome: MatchOutcome)
  {
    entry += 1
    let outcome = book.match([instruction], energy: [])
    return (outcome.receipts[0].receipt, outcome)
  }

  /// Remaining and executable Wh of an order; nil when it does not rest.
  func order(_ account: Int, _ id: UInt64) -> OpenOrder? {
    book.openOrders(of: AccountIndex(account)).first { $0.id.raw == id }
  }

  func wattHours(_ account: Int) -> Int64 { book.energy(of: AccountIndex(account)).wattHours }
}

extension Trade {
  /// Buyer, seller, Wh, price.
  var brief: [Int64] { [Int64(buyer.raw), Int64(seller.raw), wattHours, price.raw] }
}

extension AuctionInput {
  /// Energies in Wh, budgets in µ¤.
  init(
    _ interval: Int64, retail: Int64 = 300_000, feedIn: Int64 = 100_000,
    energy: [(Int, Int64)] = [], shortfalls: [(Int, Int64)] = [], overflows: [(Int, Int64)] = [],
    budgets: [(Int, Int64)] = []
  ) {
    self.init(interval: Interval(interval), retail: Price(retail), feedIn: Price(feedIn))
    self.energy = energy.map {
      EnergyBalance(account: AccountIndex($0.0), balance: Energy(wattHours: $0.1))
    }
    self.shortfalls = shortfalls.map { AccountEnergy(AccountIndex($0.0), Energy(wattHours: $0.1)) }
    self.overflows = overflows.map { AccountEnergy(AccountIndex($0.0), Energy(wattHours: $0.1)) }
    self.budgets = budgets.map { Budget(account: AccountIndex($0.0), held: Money($0.1)) }
  }
}

/// Sums of releases by account.
func sums(_ releases: [Release]) -> [UInt32: Int64] {
  releases.reduce(into: [:]) { $0[$1.account.raw, default: 0] += $1.amount.raw }
}
