import Domain
import Market
import TestSupport
import Testing

/// Random blocks and closes for a small community in which everything is scarce: energy,
/// headroom, prices and money collide all the time.
private struct Script {
  var random: SplitMix64
  let accounts: Int
  let parameters: Parameters
  let maximumHeld: Int64
  let community: Int
  /// Numbers of all orders so far, at most: cancels and replacements are drawn from them.
  var lastID: UInt64 = 0
  private var entry = 0

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    accounts = 2 + random.below(5)
    var parameters = Parameters()
    parameters.makerFeePermille = [0, 10, 1000][random.below(3)]
    parameters.takerFeePermille = [0, 25][random.below(2)]
    parameters.makerSpreadPermille = [0, 250, 500][random.below(3)]
    self.parameters = parameters
    maximumHeld = 1000 * random.int(10...60) + random.int(0...999)
    community = random.below(accounts)
  }

  /// Around a multiple of 1,000, where a buy's hold of a Wh changes.
  mutating func price() -> Int64 { random.int(990...1010) }

  mutating func account() -> AccountIndex { AccountIndex(random.below(accounts)) }

  mutating func energy() -> [EnergyBalance] {
    guard random.chance(40) else { return [] }
    return (0..<(1 + random.below(3))).map { _ in
      EnergyBalance(account: account(), balance: Energy(random.int(0...maximumHeld * 5 / 4)))
    }
  }

  mutating func instructions(_ nextInterval: Int64) throws -> [BookInstruction] {
    var block: [BookInstruction] = []
    for _ in 0..<(1 + random.below(4)) {
      entry += 1
      let account = account()
      let id = OrderID(lastID == 0 ? 1 : lastID - UInt64(random.below(Int(min(lastID, 20)))))
      switch random.below(100) {
      case 0..<12: block.append(.cancel(entry: entry, account: account, id))
      case 12..<26:
        let (wattHours, limit) = (random.int(0...15), Price(price()))
        let full = try BuyHold.amount(
          wattHours: wattHours, limit: limit, feePermille: parameters.feePermille)
        let held = [Money.zero, full, Money(full.raw / 2)][random.below(3)]
        block.append(
          .replace(
            entry: entry, account: account, id, wattHours: wattHours, limit: limit, held: held))
      case 26..<30:
        let low = random.int(0...maximumHeld / 2)
        let settings = AgentSettings(
          buyPrice: random.chance(70) ? Price(price()) : nil,
          sellPrice: random.chance(70) ? Price(price()) : nil, low: Energy(low),
          high: Energy(low + random.int(0...maximumHeld / 2)))
        block.append(
          .setAgent(entry: entry, account: account, random.chance(80) ? settings : nil))
      default:
        block.append(try place(account, nextInterval))
        lastID += 1
      }
    }
    return block
  }

  private mutating func place(_ account: AccountIndex, _ nextInterval: Int64) throws
    -> BookInstruction
  {
    let interval = Interval(nextInterval + random.int(-1...2))
    let timeInForce: TimeInForce =
      switch random.below(10) {
      case 0, 1: .goodTillInterval(interval)
      case 2: .immediateOrCancel
      case 3: .fillOrKill
      default: .goodTillCancelled
      }
    let request = OrderRequest(
      side: random.chance(50) ? .buy : .sell, wattHours: random.int(1...15),
      limit: Price(price()), timeInForce: timeInForce)
    var held = Money.zero
    if request.side == .buy {
      held = try BuyHold.amount(
        wattHours: request.wattHours, limit: request.limit, feePermille: parameters.feePermille)
    }
    return .place(entry: entry, account: account, request, held: held)
  }

  /// A result that what is frozen can make up; nil now and then.
  mutating func fill(of book: NaiveBook) -> RoundFill? {
    guard random.chance(80) else { return nil }
    let price = price()
    return RoundFill(
      price: Price(price), bought: random.int(0...book.acceptable(price, .buy)),
      sold: random.int(0...book.acceptable(price, .sell)), money: .zero)
  }

  /// A close; overflows lie within the balances `held` that the book has before it.
  mutating func close(_ interval: Int64, held: (AccountIndex) -> Energy) -> AuctionInput {
    let feedIn = price()
    var input = AuctionInput(
      interval: Interval(interval), retail: Price(feedIn + random.int(0...15)),
      feedIn: Price(feedIn))
    input.energy = energy()
    input.expectedSurplus = Energy(random.int(0...20_000))
    input.expectedDeficit = Energy(random.int(0...20_000))
    for index in 0..<accounts {
      let account = AccountIndex(index)
      let balance = input.energy.last { $0.account == account }?.balance ?? held(account)
      if random.chance(25), balance.raw > 0 {
        input.overflows.append(AccountEnergy(account, Energy(random.int(1...balance.raw))))
      }
      if random.chance(25) {
        input.shortfalls.append(AccountEnergy(account, Energy(random.int(1...15_000))))
      }
      if random.chance(70) {
        input.budgets.append(Budget(account: account, held: Money(random.int(0...60))))
      }
    }
    return input
  }
}

/// Both books, and the money that must be held for the buys.
private struct Pair {
  var book: BookCore
  var naive: NaiveBook
  var held: [UInt32: Int64] = [:]

  init(_ script: Script) {
    book = BookCore(
      calendar: testCalendar, parameters: script.parameters,
      maximumHeld: Energy(script.maximumHeld), community: AccountIndex(script.community))
    naive = NaiveBook(
      parameters: script.parameters, maximumHeld: script.maximumHeld,
      community: script.community, accounts: script.accounts)
  }

  mutating func match(_ block: [BookInstruction], _ energy: [EnergyBalance], _ comment: Comment)
    throws
  {
    for instruction in block {
      switch instruction {
      case .place(_, let account, _, let money), .replace(_, let account, _, _, _, let money):
        held[account.raw, default: 0] += money.raw
      default: break
      }
    }
    let outcome = book.match(block, energy: energy)
    let expected = naive.match(block, energy: energy)
    #expect(outcome.receipts == expected.receipts, comment)
    #expect(outcome.trades == expected.trades, comment)
    #expect(sums(outcome.releases) == sums(expected.releases), comment)
    try settle(outcome.trades, outcome.releases, comment)
  }

  mutating func auction(_ input: AuctionInput, _ comment: Comment) throws {
    for budget in input.budgets { held[budget.account.raw, default: 0] += budget.held.raw }
    let outcome = try book.auction(input)
    let expected = naive.auction(input)
    #expect(outcome.trades == expected.trades, comment)
    #expect(sums(outcome.releases) == sums(expected.releases), comment)
    #expect(outcome.clearingPrice == expected.clearingPrice, comment)
    #expect(outcome.referencePrice == expected.referencePrice, comment)
    #expect(outcome.unfilledShortfalls == expected.unfilledShortfalls, comment)
    #expect(outcome.unsoldOverflows == expected.unsoldOverflows, comment)
    #expect(outcome.tradedSurplus == expected.tradedSurplus, comment)
    #expect(outcome.optimalSurplus == expected.optimalSurplus, comment)
    #expect(outcome.offer == expected.offer, comment)
    try settle(outcome.trades, outcome.releases, comment)
  }

  mutating func settleRound(
    _ interval: Int64, _ fill: RoundFill?, _ comment: Comment
  ) throws {
    let result = try book.settleRound(Interval(interval), fill)
    let expected = naive.settleRound(fill)
    #expect(result.trades == expected.trades, comment)
    #expect(sums(result.releases) == sums(expected.releases), comment)
    #expect(result.returned == expected.returned, comment)
    #expect(result.woken.trades == expected.woken.trades, comment)
    #expect(sums(result.woken.releases) == sums(expected.woken.releases), comment)
    for trade in result.trades {
      held[trade.account.raw, default: 0] -= trade.released.raw
    }
    for (account, amount) in sums(result.releases) { held[account, default: 0] -= amount }
    try settle(result.woken.trades, result.woken.releases, comment)
  }

  mutating func restart(_ script: Script, _ comment: Comment) throws {
    let chunks = book.chunks()
    book = try BookCore(
      calendar: testCalendar, parameters: script.parameters,
      maximumHeld: Energy(script.maximumHeld), community: AccountIndex(script.community),
      chunks: chunks)
    #expect(book.chunks() == chunks, comment)
  }

  /// Books the money and compares everything that can be seen.
  private mutating func settle(_ trades: [Trade], _ releases: [Release], _ comment: Comment) throws
  {
    for trade in trades {
      held[trade.buyer.raw, default: 0] -= trade.released.raw
      #expect(trade.buyer != trade.seller && trade.wattHours > 0, comment)
    }
    for (account, amount) in sums(releases) { held[account, default: 0] -= amount }
    try book.checkInvariants()
    for account in naive.balances.indices {
      let index = AccountIndex(account)
      #expect(book.energy(of: index).raw == naive.balances[account], comment)
      let own = naive.orders.filter { $0.account == account }.sorted { $0.id < $1.id }
      #expect(book.openOrders(of: index).map(Seen.init) == own.map(Seen.init), comment)
      let needed =
        own.reduce(0) { $0 + naive.hold($1) * $1.remaining }
        + naive.frozenHold(account, automatic: false)
        + naive.frozenHold(account, automatic: true)
      #expect(held[index.raw, default: 0] == needed, comment)
    }
    let depth = book.depth(levels: Limits.bookLevels)
    #expect(depth.bids == naive.depth(.buy) && depth.asks == naive.depth(.sell), comment)
    #expect(depth.bestExecutableBid?.raw == naive.queue(.buy).first?.limit, comment)
    #expect(depth.bestExecutableAsk?.raw == naive.queue(.sell).first?.limit, comment)
    #expect(depth.lastTradePrice?.raw == naive.lastPrice, comment)
  }
}

/// What both books can say of an order.
private struct Seen: Equatable {
  var id: UInt64
  var side: Side
  var limit: Int64
  var remaining: Int64
  var executable: Int64
  var frozen: Int64
  var timeInForce: TimeInForce
  var origin: OrderOrigin

  init(_ order: OpenOrder) {
    id = order.id.raw
    side = order.side
    limit = order.limit.raw
    remaining = order.remaining
    executable = order.executable
    frozen = order.frozen
    timeInForce = order.timeInForce
    origin = order.origin
  }

  init(_ order: NaiveBook.Order) {
    id = order.id
    side = order.side
    limit = order.limit
    remaining = order.remaining + order.attached
    executable = order.executable
    frozen = order.attached
    timeInForce =
      order.expires == .max ? .goodTillCancelled : .goodTillInterval(Interval(order.expires))
    origin = order.origin
  }
}

extension NaiveBook {
  func depth(_ side: Side) -> [DepthLevel] {
    let prices = Set(orders.filter { $0.side == side }.map(\.limit))
    return prices.sorted { side == .buy ? $0 > $1 : $0 < $1 }.map { price in
      let level = orders.filter { $0.side == side && $0.limit == price }
      return DepthLevel(
        price: Price(price), wattHours: level.reduce(0) { $0 + $1.remaining + $1.attached },
        executable: level.reduce(0) { $0 + $1.executable }, orders: level.count)
    }
  }
}

@Suite struct PropertyTests {
  /// 400 seeds of 40 blocks with a close after every sixth or so: trades, receipts, releases,
  /// surplus, depth, open orders, mirrors and held money equal the naive book's after each step.
  @Test(arguments: 1...400) func sameAsNaiveBook(seed: Int) throws {
    var script = Script(seed: UInt64(seed))
    var pair = Pair(script)
    var interval: Int64 = 0
    for step in 0..<40 {
      let comment: Comment = "seed \(seed), step \(step)"
      if script.random.chance(15) {
        let book = pair.book
        try pair.auction(script.close(interval) { book.energy(of: $0) }, comment)
        interval += 1
      } else {
        let block = try script.instructions(interval)
        try pair.match(block, script.energy(), comment)
      }
    }
  }

  /// The same with coupling rounds: a close bids when no round is open, and the result comes after
  /// none, some or many steps and closes, with quantities that the bid can make up. The book goes
  /// through a snapshot now and then.
  @Test(arguments: 1...300) func sameAsNaiveBookInRounds(seed: Int) throws {
    var script = Script(seed: UInt64(seed) &+ 2_000_000)
    var pair = Pair(script)
    var interval: Int64 = 0
    var open: Int64?
    for step in 0..<60 {
      let comment: Comment = "seed \(seed), step \(step)"
      if let round = open, script.random.chance(20) {
        try pair.settleRound(round, script.fill(of: pair.naive), comment)
        open = nil
      } else if script.random.chance(25) {
        let book = pair.book
        var input = script.close(interval) { book.energy(of: $0) }
        if open == nil { input.bidder = gridID(1) }
        try pair.auction(input, comment)
        if open == nil, !pair.naive.frozen.isEmpty { open = interval }
        interval += 1
      } else {
        let block = try script.instructions(interval)
        try pair.match(block, script.energy(), comment)
      }
      if script.random.chance(10) { try pair.restart(script, comment) }
    }
  }

  /// A book restored from its snapshot gives equal outputs and equal chunks ever after.
  @Test(arguments: 1...60) func restoredBookGoesOnEqually(seed: Int) throws {
    var script = Script(seed: UInt64(seed) &+ 1_000_000)
    var book = Pair(script).book
    var interval: Int64 = 0
    var restored: BookCore?
    for step in 0..<60 {
      let comment: Comment = "seed \(seed), step \(step)"
      if step == 25 {
        restored = try BookCore(
          calendar: testCalendar, parameters: script.parameters,
          maximumHeld: Energy(script.maximumHeld), community: AccountIndex(script.community),
          chunks: book.chunks())
      }
      if script.random.chance(15) {
        let before = book
        let input = script.close(interval) { before.energy(of: $0) }
        let outcome = try book.auction(input)
        let again = try restored?.auction(input)
        if let again {
          #expect(outcome.trades == again.trades && outcome.releases == again.releases, comment)
          #expect(outcome.tradedSurplus == again.tradedSurplus, comment)
          #expect(outcome.optimalSurplus == again.optimalSurplus, comment)
        }
        interval += 1
      } else {
        let (block, energy) = (try script.instructions(interval), script.energy())
        let outcome = book.match(block, energy: energy)
        if let again = restored?.match(block, energy: energy) {
          #expect(outcome.trades == again.trades && outcome.releases == again.releases, comment)
          #expect(outcome.receipts == again.receipts, comment)
        }
      }
      if restored != nil { #expect(book.chunks() == restored?.chunks(), comment) }
    }
    #expect(restored != nil)
  }
}
