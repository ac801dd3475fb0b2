import Domain
import Market

/// The rules of the book once more, as plainly as can be: one array, sorted whenever an order is
/// looked for, executable parts computed from scratch, auctions by trying every price and pairing
/// Wh by Wh. Slow on purpose.
struct NaiveBook {
  struct Order {
    var id: UInt64
    var account: Int
    var side: Side
    var limit: Int64
    /// Without what is in a coupling round.
    var remaining: Int64
    /// What is in one and comes back.
    var attached: Int64 = 0
    var executable: Int64 = 0
    var expires: Int64 = .max
    var origin = OrderOrigin.member
    /// An automatic order of the close.
    var isAutomatic = false
  }

  struct Wake: Hashable {
    var account: Int
    var side: Side
  }

  let fee: Int64
  let spread: Int64
  let maximumHeld: Int64
  let community: Int
  var orders: [Order] = []
  var balances: [Int64]
  var reserved: [Int64]
  /// What is in an open coupling round; see `NaiveBook+Round.swift`.
  var frozen: [Frozen] = []
  var agents: [AgentSettings?]
  var nextID: UInt64 = 1
  var nextInterval: Int64 = 0
  var lastPrice: Int64?
  var wakes: [Wake] = []
  /// One limit for every Wh that traded since the last close.
  var bought: [Int64] = []
  var sold: [Int64] = []
  var trades: [Trade] = []
  var releases: [Release] = []

  init(parameters: Parameters, maximumHeld: Int64, community: Int, accounts: Int) {
    fee = parameters.feePermille
    spread = parameters.makerSpreadPermille
    self.maximumHeld = maximumHeld
    self.community = community
    balances = Array(repeating: 0, count: accounts)
    reserved = balances
    agents = Array(repeating: nil, count: accounts)
  }

  // MARK: Executable parts

  func pool(_ account: Int, _ side: Side) -> Int64 {
    let energy =
      side == .sell
      ? balances[account] - reserved[account]
      : maximumHeld - balances[account] - committed(account)
    return energy > 0 ? energy / 1000 : 0
  }

  /// What each order of an account's side may have, oldest first.
  func entitled(_ account: Int, _ side: Side) -> [UInt64: Int64] {
    var free = pool(account, side)
    var parts: [UInt64: Int64] = [:]
    for order in book(account, side) {
      parts[order.id] = min(free, order.remaining)
      free -= min(free, order.remaining)
    }
    return parts
  }

  func book(_ account: Int, _ side: Side) -> [Order] {
    orders.filter { $0.account == account && $0.side == side && !$0.isAutomatic }
      .sorted { $0.id < $1.id }
  }

  mutating func takeBack() {
    for place in orders.indices where !orders[place].isAutomatic {
      let order = orders[place]
      let part = entitled(order.account, order.side)[order.id]!
      orders[place].executable = min(order.executable, part)
    }
  }

  mutating func exposeAll() {
    for place in orders.indices where !orders[place].isAutomatic {
      let order = orders[place]
      orders[place].executable = entitled(order.account, order.side)[order.id]!
    }
  }

  mutating func noteWake(_ account: Int, _ side: Side) {
    let own = book(account, side)
    let total = own.reduce(0) { $0 + $1.remaining }
    let executable = own.reduce(0) { $0 + $1.executable }
    let wake = Wake(account: account, side: side)
    guard executable < total, executable < pool(account, side), !wakes.contains(wake) else {
      return
    }
    wakes.append(wake)
  }

  mutating func runWakes() {
    while !wakes.isEmpty {
      let wake = wakes.removeFirst()
      while let order = book(wake.account, wake.side).first(where: {
        $0.executable < $0.remaining
      }) {
        let executable = book(wake.account, wake.side).reduce(0) { $0 + $1.executable }
        let free = pool(wake.account, wake.side) - executable
        guard free > 0 else { break }
        let woken = min(free, order.remaining - order.executable)
        let (filled, metOwn) = cross(order, woken)
        let place = orders.firstIndex { $0.id == order.id && !$0.isAutomatic }!
        orders[place].remaining -= filled
        orders[place].executable += woken - filled
        if metOwn {
          release(order.account, orders[place].remaining * hold(order))
          orders.remove(at: place)
        } else if orders[place].remaining + orders[place].attached == 0 {
          orders.remove(at: place)
        }
      }
    }
  }

  // MARK: Continuous trading

  func hold(_ order: Order) -> Int64 { order.side == .buy ? perWattHour(order.limit) : 0 }

  func perWattHour(_ limit: Int64) -> Int64 {
    let price = (limit + 999) / 1000
    return price + (price * fee + 999) / 1000
  }

  mutating func release(_ account: Int, _ amount: Int64) {
    guard amount > 0 else { return }
    releases.append(Release(account: AccountIndex(account), amount: Money(amount)))
  }

  func accepts(_ taker: Order, _ maker: Order) -> Bool {
    taker.side == .buy ? maker.limit <= taker.limit : maker.limit >= taker.limit
  }

  /// Executable orders of a side, best price first, then oldest, automatic ones last.
  func queue(_ side: Side) -> [Order] {
    orders.filter { $0.side == side && $0.executable > 0 }.sorted { a, b in
      if a.limit != b.limit { return side == .buy ? a.limit > b.limit : a.limit < b.limit }
      if a.isAutomatic != b.isAutomatic { return b.isAutomatic }
      return a.isAutomatic ? a.account < b.account : a.id < b.id
    }
  }

  mutating func cross(_ taker: Order, _ wattHours: Int64) -> (filled: Int64, metOwn: Bool) {
    var filled: Int64 = 0
    while filled < wattHours, let maker = queue(taker.side.opposite).first,
      accepts(taker, maker)
    {
      if maker.account == taker.account { return (filled, true) }
      let quantity = min(wattHours - filled, maker.executable)
      filled += quantity
      let place = orders.firstIndex { $0.id == maker.id && !$0.isAutomatic }!
      orders[place].executable -= quantity
      orders[place].remaining -= quantity
      if orders[place].remaining + orders[place].attached == 0 { orders.remove(at: place) }
      let (buy, sell) = taker.side == .buy ? (taker, maker) : (maker, taker)
      balances[buy.account] += quantity * 1000
      balances[sell.account] -= quantity * 1000
      noteWake(sell.account, .buy)
      noteWake(buy.account, .sell)
      for _ in 0..<quantity {
        bought.append(buy.limit)
        sold.append(sell.limit)
      }
      lastPrice = maker.limit
      trades.append(
        Trade(
          buyer: AccountIndex(buy.account), seller: AccountIndex(sell.account),
          buyOrder: OrderID(buy.id), sellOrder: OrderID(sell.id), wattHours: quantity,
          price: Price(maker.limit), mechanism: .continuous, taker: taker.side,
          released: Money(quantity * hold(buy))))
    }
    return (filled, false)
  }

  // MARK: Instructions

  mutating func match(_ instructions: [BookInstruction], energy: [EnergyBalance]) -> MatchOutcome {
    var receipts: [PlacedReceipt] = []
    apply(energy)
    runWakes()
    for instruction in instructions {
      switch instruction {
      case .place(let entry, let account, let request, let held):
        let receipt = place(account.int, request, held.raw)
        if receipt.rejection != nil { release(account.int, held.raw) }
        receipts.append(PlacedReceipt(entry, receipt))
      case .cancel(let entry, let account, let id):
        receipts.append(PlacedReceipt(entry, cancel(account.int, id.raw)))
      case .replace(let entry, let account, let id, let wattHours, let limit, let held):
        let receipt = replace(account.int, id.raw, wattHours, limit.raw, held.raw)
        if receipt.rejection != nil { release(account.int, held.raw) }
        receipts.append(PlacedReceipt(entry, receipt))
      case .setAgent(let entry, let account, let settings):
        agents[account.int] = settings
        receipts.append(PlacedReceipt(entry, .applied))
      }
      runWakes()
    }
    return takeOutcome(receipts)
  }

  mutating func takeOutcome(_ receipts: [PlacedReceipt]) -> MatchOutcome {
    var outcome = MatchOutcome()
    outcome.receipts = receipts
    outcome.trades = trades
    outcome.releases = releases
    trades = []
    releases = []
    return outcome
  }

  mutating func apply(_ energy: [EnergyBalance]) {
    for change in energy { balances[change.account.int] = change.balance.raw }
    takeBack()
    for change in energy {
      noteWake(change.account.int, .buy)
      noteWake(change.account.int, .sell)
    }
  }

  mutating func place(_ account: Int, _ request: OrderRequest, _ held: Int64) -> Receipt {
    var order = Order(
      id: nextID, account: account, side: request.side, limit: request.limit.raw,
      remaining: request.wattHours)
    guard order.remaining >= 1, order.limit >= 1 else { return .rejected(.malformed) }
    if case .goodTillInterval(let interval) = request.timeInForce {
      guard interval.index >= nextInterval else { return .rejected(.expired) }
      order.expires = interval.index
    }
    guard held >= hold(order) * order.remaining else { return .rejected(.insufficientFunds) }
    let older = book(account, order.side).reduce(0) { $0 + $1.remaining }
    let part = min(order.remaining, max(0, pool(account, order.side) - older))
    if request.timeInForce == .fillOrKill {
      var found: Int64 = 0
      for maker in queue(order.side.opposite) {
        guard accepts(order, maker), maker.account != account else { break }
        found += maker.executable
      }
      guard part == order.remaining, found >= order.remaining else {
        return .rejected(.fillOrKillUnfillable)
      }
    } else if part > 0, let maker = queue(order.side.opposite).first, accepts(order, maker),
      maker.account == account
    {
      return .rejected(.crossesOwnOrder)
    }
    let rests = request.timeInForce != .immediateOrCancel && request.timeInForce != .fillOrKill
    release(account, held - hold(order) * order.remaining)
    return arrive(order, part, rests: rests)
  }

  mutating func arrive(_ order: Order, _ part: Int64, rests: Bool) -> Receipt {
    var order = order
    nextID += 1
    let (filled, metOwn) = cross(order, part)
    order.remaining -= filled
    order.executable = part - filled
    if order.remaining > 0, !rests || metOwn {
      release(order.account, order.remaining * hold(order))
      order.remaining = 0
    }
    if order.remaining > 0 { orders.append(order) }
    return Receipt(order: OrderID(order.id), filled: filled, resting: order.remaining)
  }

  mutating func end(_ id: UInt64) {
    let place = orders.firstIndex { $0.id == id && !$0.isAutomatic }!
    let order = orders.remove(at: place)
    release(order.account, order.remaining * hold(order))
    noteWake(order.account, order.side)
  }

  mutating func cancel(_ account: Int, _ id: UInt64) -> Receipt {
    guard let order = orders.first(where: { $0.id == id && $0.account == account }) else {
      return .rejected(.unknownObject)
    }
    end(id)
    return Receipt(order: OrderID(id), resting: order.attached)
  }

  mutating func replace(
    _ account: Int, _ id: UInt64, _ wattHours: Int64, _ limit: Int64, _ held: Int64
  ) -> Receipt {
    guard wattHours >= 1, limit >= 1 else { return .rejected(.malformed) }
    guard let place = orders.firstIndex(where: { $0.id == id && $0.account == account }) else {
      return .rejected(.unknownObject)
    }
    let old = orders[place]
    if limit == old.limit, wattHours <= old.remaining {
      orders[place].remaining = wattHours
      orders[place].executable = min(old.executable, wattHours)
      orders[place].attached = 0
      release(account, (old.remaining - wattHours) * hold(old) + held)
      noteWake(account, old.side)
      return Receipt(order: OrderID(id), resting: wattHours)
    }
    var new = old
    new.id = nextID
    new.limit = limit
    new.remaining = wattHours
    new.executable = 0
    new.attached = 0
    let available = old.remaining * hold(old) + held
    guard available >= hold(new) * wattHours else { return .rejected(.insufficientFunds) }
    let others = book(account, old.side).reduce(0) { $0 + $1.remaining } - old.remaining
    let part = min(wattHours, max(0, pool(account, old.side) - others))
    if part > 0, let maker = queue(old.side.opposite).first, accepts(new, maker),
      maker.account == account
    {
      return .rejected(.crossesOwnOrder)
    }
    orders.remove(at: place)
    noteWake(account, old.side)
    release(account, available - hold(new) * wattHours)
    return arrive(new, part, rests: true)
  }
}
