import Domain

/// The instructions of a block. Each is checked before it has any effect, in the order of the
/// rejections' numbers, and finished, wakes included, before the next begins.
extension BookCore {
  /// One block: first the WATT balances that its transfers changed (`energy`, final balances),
  /// then the instructions in order. Gives a receipt for every instruction.
  package mutating func match(_ instructions: [BookInstruction], energy: [EnergyBalance])
    -> MatchOutcome
  {
    var outcome = MatchOutcome()
    outcome.receipts.reserveCapacity(instructions.count)
    apply(energy)
    runWakes(into: &outcome)
    for instruction in instructions {
      switch instruction {
      case .place(let entry, let account, let request, let held):
        let receipt = place(request, of: account, held: held, into: &outcome)
        outcome.receipts.append(PlacedReceipt(entry, receipt))
      case .cancel(let entry, let account, let id):
        let receipt = cancel(id, of: account, into: &outcome)
        outcome.receipts.append(PlacedReceipt(entry, receipt))
      case .replace(let entry, let account, let id, let wattHours, let limit, let held):
        let change = Replacement(id: id, wattHours: wattHours, limit: limit.raw, held: held.raw)
        let receipt = replace(change, of: account, into: &outcome)
        outcome.receipts.append(PlacedReceipt(entry, receipt))
      case .setAgent(let entry, let account, let settings):
        outcome.receipts.append(PlacedReceipt(entry, setAgent(settings, of: account)))
      }
      if !wakes.isEmpty { runWakes(into: &outcome) }
    }
    return outcome
  }

  private mutating func place(
    _ request: OrderRequest, of account: AccountIndex, held: Money,
    into outcome: inout MatchOutcome
  ) -> Receipt {
    grow(to: account.raw)
    let checked: Arrival
    do throws(Rejection) {
      checked = try admit(request, of: account, held: held.raw)
    } catch {
      release(account.raw, held.raw, into: &outcome)
      return .rejected(error)
    }
    return arrive(checked, into: &outcome)
  }

  /// Rejections: `malformed` for a quantity or limit out of range; `expired` for an interval
  /// whose auction was held; `limitExceeded` for an order that may rest when the account or the
  /// book has no room; `insufficientFunds` when less is held than a buy needs;
  /// `crossesOwnOrder`, `fillOrKillUnfillable`; `overflow`.
  private func admit(_ request: OrderRequest, of account: AccountIndex, held: Int64)
    throws(Rejection) -> Arrival
  {
    try checkRange(request.wattHours, request.limit.raw)
    let place = place(of: account.raw, request.side)
    var expires = RestingOrder.forever
    var rests = true
    switch request.timeInForce {
    case .goodTillCancelled: break
    case .goodTillInterval(let interval):
      guard interval >= nextInterval else { throw .expired }
      guard interval.index != RestingOrder.forever else { throw .malformed }
      expires = interval.index
    case .immediateOrCancel, .fillOrKill: rests = false
    }
    if rests {
      guard sides[place & ~1].count + sides[place | 1].count < Int32(Limits.ordersPerAccount),
        orderCount < Limits.restingOrders
      else { throw .limitExceeded }
    }
    let perWattHour = try perWattHour(request.side, request.limit)
    guard held >= perWattHour * request.wattHours else { throw .insufficientFunds }
    let taker = Taker(
      id: nextOrder, account: account.raw, side: request.side, limit: request.limit.raw,
      perWattHour: perWattHour)
    let executable = executablePart(place, of: request.wattHours)
    if request.timeInForce == .fillOrKill {
      guard executable == request.wattHours, canFill(taker, request.wattHours) else {
        throw .fillOrKillUnfillable
      }
    } else if executable > 0, meetsOwn(taker) {
      throw .crossesOwnOrder
    }
    return Arrival(
      taker: taker, wattHours: request.wattHours, executable: executable, held: held,
      rests: rests, expires: expires, origin: .member)
  }

  /// Lets a checked order act: it trades, and rests or ends.
  private mutating func arrive(_ arrival: Arrival, into outcome: inout MatchOutcome) -> Receipt {
    nextOrder += 1
    let taker = arrival.taker
    let needed = taker.perWattHour * arrival.wattHours
    release(taker.account, arrival.held - needed, into: &outcome)
    let crossing = cross(taker, arrival.executable, into: &outcome)
    var receipt = Receipt(order: OrderID(taker.id), filled: crossing.filled)
    let rest = arrival.wattHours - crossing.filled
    guard rest > 0 else { return receipt }
    guard arrival.rests, !crossing.metOwn else {
      release(taker.account, rest * taker.perWattHour, into: &outcome)
      return receipt
    }
    let slot = append(
      RestingOrder(
        id: taker.id, account: taker.account, side: taker.side, remaining: rest,
        expires: arrival.expires, origin: arrival.origin),
      price: taker.limit, perWattHour: taker.perWattHour)
    expose(slot, arrival.executable - crossing.filled)
    receipt.resting = rest
    return receipt
  }

  private mutating func cancel(
    _ id: OrderID, of account: AccountIndex, into outcome: inout MatchOutcome
  ) -> Receipt {
    let slot = slot(of: id)
    guard slot != noSlot, orders[Int(slot)].account == account.raw else {
      return .rejected(.unknownObject)
    }
    let frozen = orders[Int(slot)].frozen
    end(slot, into: &outcome)
    return Receipt(order: id, resting: frozen)
  }

  /// Ends a resting order: its hold comes back, and what it had set aside may wake others. What is
  /// frozen of it ends with the round's result, and its hold with it.
  mutating func end(_ slot: Int32, into outcome: inout MatchOutcome) {
    let order = orders[Int(slot)]
    let held = order.free * levels[Int(order.level)].perWattHour
    release(order.account, held, into: &outcome)
    remove(slot)
    noteWake(place(of: order.account, order.side))
  }

  private mutating func replace(
    _ change: Replacement, of account: AccountIndex, into outcome: inout MatchOutcome
  ) -> Receipt {
    let slot: Int32
    let arrival: Arrival?
    do throws(Rejection) {
      try checkRange(change.wattHours, change.limit)
      slot = self.slot(of: change.id)
      guard slot != noSlot, orders[Int(slot)].account == account.raw else { throw .unknownObject }
      arrival = try admit(change, of: slot)
    } catch {
      release(account.raw, change.held, into: &outcome)
      return .rejected(error)
    }
    let place = place(of: account.raw, orders[Int(slot)].side)
    letGo(slot)
    guard let arrival else {
      lower(slot, to: change.wattHours, into: &outcome)
      release(account.raw, change.held, into: &outcome)
      noteWake(place)
      return Receipt(order: change.id, resting: change.wattHours)
    }
    remove(slot)
    noteWake(place)
    return arrive(arrival, into: &outcome)
  }

  /// A replacement as a new arrival; nil when the order keeps its place, that is when its limit
  /// stays and its quantity does not rise. A frozen part is not part of it any more.
  private func admit(_ change: Replacement, of slot: Int32) throws(Rejection) -> Arrival? {
    let order = orders[Int(slot)]
    let level = levels[Int(order.level)]
    guard change.limit != level.price || change.wattHours > order.free else { return nil }
    let perWattHour = try perWattHour(order.side, Price(change.limit))
    let held = order.free * level.perWattHour + change.held
    guard held >= perWattHour * change.wattHours else { throw .insufficientFunds }
    let taker = Taker(
      id: nextOrder, account: order.account, side: order.side, limit: change.limit,
      perWattHour: perWattHour)
    let place = place(of: order.account, order.side)
    let executable = executablePart(place, of: change.wattHours, leaving: order.free)
    if executable > 0, meetsOwn(taker) { throw .crossesOwnOrder }
    return Arrival(
      taker: taker, wattHours: change.wattHours, executable: executable, held: held, rests: true,
      expires: order.expires, origin: order.origin)
  }

  /// Lowers an order's quantity in its place, the dormant part first.
  private mutating func lower(
    _ slot: Int32, to wattHours: Int64, into outcome: inout MatchOutcome
  ) {
    let order = orders[Int(slot)]
    let less = order.remaining - wattHours
    release(order.account, less * levels[Int(order.level)].perWattHour, into: &outcome)
    conceal(slot, max(less - order.dormant, 0))
    shorten(slot, less)
  }

  /// Rejections: `malformed` for prices or thresholds out of range, `limitExceeded`.
  mutating func setAgent(_ settings: AgentSettings?, of account: AccountIndex) -> Receipt {
    if let settings {
      guard settings.isInRange else { return .rejected(.malformed) }
      let isNew = agent(of: account) == nil
      guard !isNew || agentCount < Limits.agents else { return .rejected(.limitExceeded) }
      grow(to: account.raw)
      if account.int >= agents.count {
        let missing = account.int + 1 - agents.count
        agents.append(contentsOf: repeatElement(nil, count: missing))
      }
      agents[account.int] = settings
      agentCount += isNew ? 1 : 0
    } else if agent(of: account) != nil {
      agents[account.int] = nil
      agentCount -= 1
    }
    return .applied
  }

  func checkRange(_ wattHours: Int64, _ limit: Int64) throws(Rejection) {
    guard (1...Limits.orderWattHours).contains(wattHours), (1...Limits.price).contains(limit)
    else { throw .malformed }
  }

  /// µ¤ that a Wh of an order at this limit holds; nothing for a sell.
  func perWattHour(_ side: Side, _ limit: Price) throws(Rejection) -> Int64 {
    guard side.isBuy else { return 0 }
    return try BuyHold.perWattHour(limit: limit, feePermille: parameters.feePermille)
  }
}

/// An order that passed its checks and is about to act.
struct Arrival: Sendable {
  var taker: Taker
  var wattHours: Int64
  /// Wh that may trade at once; the rest is dormant.
  var executable: Int64
  /// µ¤ held for it, at least what it needs.
  var held: Int64
  var rests: Bool
  var expires: Int64
  var origin: OrderOrigin
}

private struct Replacement {
  var id: OrderID
  var wattHours: Int64
  var limit: Int64
  var held: Int64
}

extension AgentSettings {
  /// Prices 1...Limits.price, thresholds 0...Limits.amount, the low one not above the high one.
  var isInRange: Bool {
    let prices = [buyPrice, sellPrice].compactMap { $0 }
    return prices.allSatisfy { (1...Limits.price).contains($0.raw) } && low.raw >= 0
      && low <= high && high.raw <= Limits.amount
  }
}
