import Domain
import Market

extension NaiveBook {
  mutating func auction(_ input: AuctionInput) -> AuctionOutcome {
    for order in orders.sorted(by: { $0.id < $1.id }) where order.origin != .member {
      end(order.id)
    }
    apply(input.energy)
    let reference = ReferencePrice.price(
      feedIn: input.feedIn, retail: input.retail, surplus: input.expectedSurplus,
      deficit: input.expectedDeficit)
    var outcome = AuctionOutcome(referencePrice: reference)
    var budgets = Array(repeating: Int64(0), count: balances.count)
    for budget in input.budgets { budgets[budget.account.int] = budget.held.raw }
    for line in input.overflows { reserved[line.account.int] = line.energy.raw }
    takeBack()
    exposeAll()
    wakes = []

    let unit = perWattHour(input.retail.raw)
    var putBy: [(account: Int, amount: Int64)] = []
    for line in input.shortfalls {
      let amount = min(budgets[line.account.int], (line.energy.raw + 999) / 1000 * unit)
      budgets[line.account.int] -= amount
      putBy.append((line.account.int, amount))
    }
    placeAgents(input, &budgets)
    quoteMarket(input, reference.raw, &budgets)
    for (account, amount) in putBy { budgets[account] += amount }
    addAutomatic(input, unit, budgets)
    while let crossing = ownCrossing() {
      if crossing.isAutomatic {
        orders.removeAll {
          $0.isAutomatic && $0.account == crossing.account && $0.side == crossing.side
        }
      } else {
        end(crossing.id)
        exposeAll()
        wakes = []
      }
    }
    outcome.clearingPrice = clear(reference.raw).map { Price($0) }
    (outcome.tradedSurplus, outcome.optimalSurplus) = surplus()
    let automatic = orders.filter { $0.isAutomatic && $0.executable > 0 }
    finish(input, unit, &budgets, &outcome)
    end(input, automatic, &budgets, &outcome)
    let events = takeOutcome([])
    outcome.trades = events.trades
    outcome.releases = events.releases
    return outcome
  }

  /// After the auction: expiry, wakes, and the bid in a coupling round.
  private mutating func end(
    _ input: AuctionInput, _ automatic: [Order], _ budgets: inout [Int64],
    _ outcome: inout AuctionOutcome
  ) {
    for order in orders.sorted(by: { $0.id < $1.id })
    where order.expires <= input.interval.index { end(order.id) }
    nextInterval = input.interval.index + 1
    bought = []
    sold = []
    runWakes()
    if let bidder = input.bidder {
      freeze(automatic)
      for account in balances.indices {
        budgets[account] -= frozenHold(account, automatic: true)
      }
      outcome.offer = offer(by: bidder)
    }
    for budget in input.budgets { release(budget.account.int, budgets[budget.account.int]) }
  }

  private mutating func placeAgents(_ input: AuctionInput, _ budgets: inout [Int64]) {
    for account in balances.indices {
      guard let agent = agents[account] else { continue }
      if let price = agent.sellPrice, book(account, .sell).isEmpty {
        let excess = (balances[account] - reserved[account] - agent.high.raw) / 1000
        quote(account, .sell, price.raw, excess, .agent, input, &budgets)
      }
      if let price = agent.buyPrice, book(account, .buy).isEmpty {
        let gap = (agent.low.raw - balances[account] - committed(account)) / 1000
        quote(account, .buy, price.raw, gap, .agent, input, &budgets)
      }
    }
  }

  private mutating func quoteMarket(
    _ input: AuctionInput, _ reference: Int64, _ budgets: inout [Int64]
  ) {
    let distance = (input.retail.raw - input.feedIn.raw) * spread / 1000
    let (noAsk, noBid) = (queue(.sell).isEmpty, queue(.buy).isEmpty)
    if noAsk {
      let price = min(reference + distance, input.retail.raw)
      quote(community, .sell, price, .max, .marketMaker, input, &budgets)
    }
    if noBid {
      let price = max(reference - distance, input.feedIn.raw)
      quote(community, .buy, price, .max, .marketMaker, input, &budgets)
    }
  }

  private mutating func quote(
    _ account: Int, _ side: Side, _ limit: Int64, _ wanted: Int64, _ origin: OrderOrigin,
    _ input: AuctionInput, _ budgets: inout [Int64]
  ) {
    guard limit >= 1 else { return }
    let older = book(account, side).reduce(0) { $0 + $1.remaining }
    var quantity = min(wanted, pool(account, side) - older, Limits.orderWattHours)
    if side == .buy { quantity = min(quantity, budgets[account] / perWattHour(limit)) }
    guard quantity > 0 else { return }
    if side == .buy { budgets[account] -= quantity * perWattHour(limit) }
    orders.append(
      Order(
        id: nextID, account: account, side: side, limit: limit, remaining: quantity,
        executable: quantity, expires: input.interval.index + 1, origin: origin))
    nextID += 1
  }

  private mutating func addAutomatic(_ input: AuctionInput, _ unit: Int64, _ budgets: [Int64]) {
    for line in input.overflows where line.energy.wattHours > 0 {
      orders.append(
        Order(
          id: 0, account: line.account.int, side: .sell, limit: input.feedIn.raw,
          remaining: line.energy.wattHours, executable: line.energy.wattHours, isAutomatic: true))
    }
    for line in input.shortfalls {
      var quantity = line.energy.wattHours
      if unit > 0 { quantity = min(quantity, budgets[line.account.int] / unit) }
      guard quantity > 0 else { continue }
      orders.append(
        Order(
          id: 0, account: line.account.int, side: .buy, limit: input.retail.raw,
          remaining: quantity, executable: quantity, isAutomatic: true))
    }
  }

  /// The oldest order that crosses an older one of its account; sells before buys among
  /// automatic ones, which are the youngest.
  private func ownCrossing() -> Order? {
    for account in balances.indices {
      let own = orders.filter { $0.account == account && $0.executable > 0 }
        .sorted { a, b in
          if a.isAutomatic != b.isAutomatic { return b.isAutomatic }
          return a.isAutomatic ? a.side == .sell && b.side == .buy : a.id < b.id
        }
      for (place, order) in own.enumerated()
      where own[..<place].contains(where: { $0.side != order.side && accepts(order, $0) }) {
        return order
      }
    }
    return nil
  }

  /// Tries every price; pairs the filled Wh one by one.
  private mutating func clear(_ reference: Int64) -> Int64? {
    let (buys, sells) = (queue(.buy), queue(.sell))
    guard let highest = buys.first?.limit, let lowest = sells.first?.limit, highest >= lowest
    else { return nil }
    let target = lastPrice ?? reference
    var best: (rank: [Int64], volume: Int64)?
    for price in lowest...highest {
      let demand = buys.filter { $0.limit >= price }.reduce(0) { $0 + $1.executable }
      let supply = sells.filter { $0.limit <= price }.reduce(0) { $0 + $1.executable }
      let rank = [-min(demand, supply), abs(demand - supply), abs(price - target), price]
      if best == nil || rank.lexicographicallyPrecedes(best!.rank) {
        best = (rank, min(demand, supply))
      }
    }
    guard let best, best.volume > 0 else { return nil }
    let price = best.rank[3]
    pair(buys, sells, best.volume, price)
    lastPrice = price
    return price
  }

  private mutating func pair(_ buys: [Order], _ sells: [Order], _ volume: Int64, _ price: Int64) {
    func units(_ orders: [Order]) -> [Order] {
      Array(
        orders.flatMap { Array(repeating: $0, count: Int($0.executable)) }.prefix(Int(volume)))
    }
    var last: (buy: Order, sell: Order, wattHours: Int64)?
    for (buy, sell) in zip(units(buys), units(sells)) {
      if let known = last, known.buy.isSame(buy), known.sell.isSame(sell) {
        last!.wattHours += 1
      } else {
        if let last { trade(last.buy, last.sell, last.wattHours, price) }
        last = (buy, sell, 1)
      }
    }
    if let last { trade(last.buy, last.sell, last.wattHours, price) }
  }

  private mutating func trade(_ buy: Order, _ sell: Order, _ wattHours: Int64, _ price: Int64) {
    for order in [buy, sell] {
      let place = orders.firstIndex { $0.isSame(order) }!
      orders[place].executable -= wattHours
      orders[place].remaining -= wattHours
      if orders[place].remaining + orders[place].attached == 0, !order.isAutomatic {
        orders.remove(at: place)
      }
    }
    if !buy.isAutomatic { balances[buy.account] += wattHours * 1000 }
    balances[sell.account] -= wattHours * 1000
    if sell.isAutomatic { reserved[sell.account] -= wattHours * 1000 }
    noteWake(sell.account, .buy)
    if !buy.isAutomatic { noteWake(buy.account, .sell) }
    for _ in 0..<wattHours {
      bought.append(buy.limit)
      sold.append(sell.limit)
    }
    trades.append(
      Trade(
        buyer: AccountIndex(buy.account), seller: AccountIndex(sell.account),
        buyOrder: OrderID(buy.id), sellOrder: OrderID(sell.id), wattHours: wattHours,
        price: Price(price), mechanism: .auction, taker: nil,
        released: Money(wattHours * hold(buy)), coversShortfall: buy.isAutomatic))
  }

  private func surplus() -> (Int128, Int128) {
    func units(_ side: Side) -> [Int64] {
      orders.filter { $0.side == side }
        .flatMap { Array(repeating: $0.limit, count: Int($0.executable)) }
    }
    let traded = bought.reduce(0, +) - sold.reduce(0, +)
    let bids = (bought + units(.buy)).sorted(by: >)
    let asks = (sold + units(.sell)).sorted(by: <)
    let optimal = zip(bids, asks).reduce(Int64(0)) { $0 + max($1.0 - $1.1, 0) }
    return (Int128(traded), Int128(optimal))
  }

  private mutating func finish(
    _ input: AuctionInput, _ unit: Int64, _ budgets: inout [Int64], _ outcome: inout AuctionOutcome
  ) {
    func filled(_ account: AccountIndex, _ side: Side) -> Int64 {
      trades.filter {
        side == .buy
          ? $0.buyer == account && $0.coversShortfall
          : $0.seller == account && $0.mechanism == .auction && $0.sellOrder == OrderID(0)
      }.reduce(0) { $0 + $1.wattHours }
    }
    orders.removeAll { $0.isAutomatic }
    for line in input.shortfalls {
      budgets[line.account.int] -= filled(line.account, .buy) * unit
      let rest = line.energy.raw - filled(line.account, .buy) * 1000
      if rest > 0 { outcome.unfilledShortfalls.append(AccountEnergy(line.account, Energy(rest))) }
    }
    for line in input.overflows {
      reserved[line.account.int] = 0
      let rest = line.energy.raw - filled(line.account, .sell) * 1000
      balances[line.account.int] -= rest
      if rest > 0 { outcome.unsoldOverflows.append(AccountEnergy(line.account, Energy(rest))) }
      noteWake(line.account.int, .buy)
    }
  }
}

extension NaiveBook.Order {
  /// Whether it is the same order, whatever has traded of it.
  func isSame(_ other: NaiveBook.Order) -> Bool {
    id == other.id && account == other.account && side == other.side
      && isAutomatic == other.isAutomatic
  }
}
