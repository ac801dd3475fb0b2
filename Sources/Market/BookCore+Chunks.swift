import Domain

/// The book's state in canonical bytes. What follows from the rest is not written: executable
/// parts, totals and lists come from balances and orders.
///
/// - `book/state`: next order number (8), next interval (8), whether there was a trade (1) and
///   its price (8), then for buys and for sells of the current tally a count (4) and, by price,
///   price (8) and Wh (8).
/// - `book/energy/n`: accounts n × 16,384 on: for each balance that is not zero, by account,
///   index (4) and mWh (8).
/// - `book/agents/n`: the same accounts: index (4), for buy and sell price whether there is one
///   (1) and the price (8), low (8), high (8).
/// - `book/round`, while a coupling round is open: its interval (8); then `book/round/n`, 16,384
///   parts each in the order in which they are filled: account (4), side (1), limit (8), Wh (8),
///   order's number or 0 (8), whether the order still has this part (1).
/// - `book/orders/n`: numbers n × 16,384 on: by number, number (8), account (4), side (1),
///   origin (1), limit (8), remaining Wh (8), last interval or Int64.max (8).
///
/// Chunks come in this order, each kind by ascending n, and none is empty but the first.
extension BookCore {
  private static let pageShift: UInt64 = 14

  package mutating func chunks() -> [StateChunk] { encodedChunks }

  private var encodedChunks: [StateChunk] {
    [StateChunk(name: "book/state", bytes: encodedState)] + energyChunks + agentChunks
      + roundChunks + orderChunks
  }

  private var encodedState: [UInt8] {
    var writer = CanonicalWriter()
    writer.write(nextOrder)
    writer.write(nextInterval)
    writer.write(lastPrice != nil)
    writer.write(lastPrice ?? 0)
    for tally in traded {
      let steps = tally.steps
      writer.write(UInt32(steps.count))
      for step in steps {
        writer.write(step.price)
        writer.write(step.wattHours)
      }
    }
    return writer.bytes
  }

  private var energyChunks: [StateChunk] {
    var pages = Pages(prefix: "book/energy/")
    for (account, balance) in balances.enumerated() where balance != 0 {
      pages.turn(to: UInt64(account) >> Self.pageShift)
      pages.writer.write(UInt32(account))
      pages.writer.write(balance)
    }
    return pages.finished
  }

  private var agentChunks: [StateChunk] {
    var pages = Pages(prefix: "book/agents/")
    for (account, settings) in agents.enumerated() {
      guard let settings else { continue }
      pages.turn(to: UInt64(account) >> Self.pageShift)
      pages.writer.write(UInt32(account))
      for price in [settings.buyPrice, settings.sellPrice] {
        pages.writer.write(price != nil)
        pages.writer.write(price ?? .zero)
      }
      pages.writer.write(settings.low)
      pages.writer.write(settings.high)
    }
    return pages.finished
  }

  private var orderChunks: [StateChunk] {
    var living: [(id: UInt64, slot: Int)] = []
    living.reserveCapacity(orderCount)
    for (slot, order) in orders.enumerated() where order.remaining > 0 {
      living.append((order.id, slot))
    }
    living.sort { $0.id < $1.id }
    var pages = Pages(prefix: "book/orders/")
    for (id, slot) in living {
      let order = orders[slot]
      pages.turn(to: id >> Self.pageShift)
      pages.writer.write(id)
      pages.writer.write(order.account)
      pages.writer.write(order.side.rawValue)
      pages.writer.write(order.origin.rawValue)
      pages.writer.write(levels[Int(order.level)].price)
      pages.writer.write(order.remaining)
      pages.writer.write(order.expires)
    }
    return pages.finished
  }

  private var roundChunks: [StateChunk] {
    guard let round else { return [] }
    var writer = CanonicalWriter()
    writer.write(round.interval)
    var pages = Pages(prefix: "book/round/")
    for (place, item) in round.items.enumerated() {
      pages.turn(to: UInt64(place) >> Self.pageShift)
      pages.writer.write(item.account)
      pages.writer.write(item.side.rawValue)
      pages.writer.write(item.limit)
      pages.writer.write(item.wattHours)
      pages.writer.write(item.order)
      let slot = item.isAutomatic ? noSlot : slot(of: OrderID(item.order))
      pages.writer.write(slot != noSlot && orders[Int(slot)].frozen > 0)
    }
    return [StateChunk(name: "book/round", bytes: writer.bytes)] + pages.finished
  }

  /// The book that gave these chunks. Throws `malformed` for anything that `chunks()` would not
  /// give: the restored book must give the same chunks again.
  package init(
    calendar: Calendar, parameters: Parameters, maximumHeld: Energy, community: AccountIndex,
    chunks: [StateChunk]
  ) throws(Rejection) {
    self.init(
      calendar: calendar, parameters: parameters, maximumHeld: maximumHeld, community: community)
    guard let first = chunks.first, first.name == "book/state" else { throw .malformed }
    try restoreState(first.bytes)
    var frozen: [UInt64: Int64] = [:]
    for chunk in chunks.dropFirst() {
      if chunk.name.hasPrefix("book/energy/") {
        try restoreEnergy(chunk.bytes)
      } else if chunk.name.hasPrefix("book/agents/") {
        try restoreAgents(chunk.bytes)
      } else if chunk.name == "book/round" {
        try restoreRound(chunk.bytes)
      } else if chunk.name.hasPrefix("book/round/") {
        try restoreItems(chunk.bytes, &frozen)
      } else if chunk.name.hasPrefix("book/orders/") {
        try restoreOrders(chunk.bytes, frozen)
      } else {
        throw .malformed
      }
    }
    guard encodedChunks == chunks else { throw .malformed }
    do { try checkInvariants() } catch { throw .malformed }
  }

  private mutating func restoreState(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    nextOrder = try reader.read(UInt64.self)
    nextInterval = try reader.readInterval()
    let hasTraded = try reader.readBool()
    let price = try reader.read(Int64.self)
    lastPrice = hasTraded ? price : nil
    guard (1...UInt64(Limits.amount)).contains(nextOrder), nextInterval.index <= Limits.amount,
      (0...Limits.price).contains(price)
    else { throw .malformed }
    for side in traded.indices {
      var last: Int64 = -1
      for _ in 0..<(try reader.readCount(elementSize: 16)) {
        let price = try reader.read(Int64.self)
        let wattHours = try reader.read(Int64.self)
        guard price > last, price <= Limits.price, (1...Limits.amount).contains(wattHours) else {
          throw .malformed
        }
        last = price
        traded[side].add(wattHours, at: price)
      }
    }
    try reader.finish()
  }

  private mutating func restoreEnergy(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    while reader.remaining > 0 {
      let account = try readAccount(&reader)
      let balance = try reader.read(Int64.self)
      guard (1...Limits.amount).contains(balance) else { throw .malformed }
      grow(to: account.raw)
      balances[account.int] = balance
    }
  }

  private mutating func restoreAgents(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    while reader.remaining > 0 {
      let account = try readAccount(&reader)
      var prices: [Price?] = []
      for _ in 0..<2 {
        let hasPrice = try reader.readBool()
        let price = try reader.read(Price.self)
        prices.append(hasPrice ? price : nil)
      }
      let settings = AgentSettings(
        buyPrice: prices[0], sellPrice: prices[1], low: try reader.read(Energy.self),
        high: try reader.read(Energy.self))
      guard setAgent(settings, of: account).rejection == nil else { throw .malformed }
    }
  }

  private mutating func restoreRound(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    round = OpenRound(interval: try reader.readInterval())
    try reader.finish()
    guard let round, round.interval < nextInterval else { throw .malformed }
  }

  /// Parts that their orders still have are put into `frozen`, by number, for the orders to come.
  private mutating func restoreItems(
    _ bytes: [UInt8], _ frozen: inout [UInt64: Int64]
  ) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    while reader.remaining > 0 {
      let account = try readAccount(&reader)
      guard let side = Side(rawValue: try reader.read(UInt8.self)) else { throw .malformed }
      let limit = try reader.read(Int64.self)
      let wattHours = try reader.read(Int64.self)
      let order = try reader.read(UInt64.self)
      let isAttached = try reader.readBool()
      guard ((order == 0 ? 0 : 1)...Limits.price).contains(limit),
        (1...Limits.orderWattHours).contains(wattHours), !isAttached || order > 0
      else { throw .malformed }
      let item = RoundItem(
        account: account.raw, side: side, limit: limit,
        perWattHour: try perWattHour(side, Price(limit)), wattHours: wattHours, order: order)
      round?.items.append(item)
      grow(to: account.raw)
      if !item.isAutomatic {
        let (sum, overflow) = committed[account.int].addingReportingOverflow(wattHours * 1000)
        guard !overflow else { throw .malformed }
        committed[account.int] = sum
      }
      if isAttached {
        guard frozen.updateValue(wattHours, forKey: order) == nil else { throw .malformed }
      }
    }
  }

  /// Orders come in order of time, so each takes what its older ones left.
  private mutating func restoreOrders(
    _ bytes: [UInt8], _ frozen: [UInt64: Int64]
  ) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    while reader.remaining > 0 {
      let id = try reader.read(UInt64.self)
      let account = try readAccount(&reader)
      guard let side = Side(rawValue: try reader.read(UInt8.self)),
        let origin = OrderOrigin(rawValue: try reader.read(UInt8.self))
      else { throw .malformed }
      let limit = try reader.read(Int64.self)
      let remaining = try reader.read(Int64.self)
      let expires = try reader.read(Int64.self)
      try checkRange(remaining, limit)
      grow(to: account.raw)
      guard id >= 1, id < nextOrder, slot(of: OrderID(id)) == noSlot,
        expires >= nextInterval.index, origin == .member || expires == nextInterval.index,
        orderCount < Limits.restingOrders
      else { throw .malformed }
      let place = place(of: account.raw, side)
      guard sides[place & ~1].count + sides[place | 1].count < Int32(Limits.ordersPerAccount)
      else { throw .malformed }
      var order = RestingOrder(
        id: id, account: account.raw, side: side, remaining: remaining, expires: expires,
        origin: origin)
      order.frozen = frozen[id] ?? 0
      guard order.free >= 0 else { throw .malformed }
      let executable = executablePart(place, of: order.free)
      let slot = append(
        order, price: limit, perWattHour: try perWattHour(side, Price(limit)))
      expose(slot, executable)
    }
  }

  private func readAccount(_ reader: inout CanonicalReader) throws(Rejection) -> AccountIndex {
    let account = try reader.readAccount()
    guard account.int < Limits.accounts else { throw .malformed }
    return account
  }
}

/// Chunks of one kind, a page of numbers each.
private struct Pages {
  let prefix: String
  var writer = CanonicalWriter()
  private var page: UInt64?
  private var chunks: [StateChunk] = []

  init(prefix: String) { self.prefix = prefix }

  /// What is written next belongs to `page`, which is not below the last one.
  mutating func turn(to page: UInt64) {
    if let last = self.page, last != page { close(last) }
    self.page = page
  }

  var finished: [StateChunk] {
    var copy = self
    if let page { copy.close(page) }
    return copy.chunks
  }

  private mutating func close(_ page: UInt64) {
    chunks.append(StateChunk(name: "\(prefix)\(page)", bytes: writer.bytes))
    writer = CanonicalWriter()
  }
}
