import Domain

extension BackboneCore {
  /// Takes a grid's bid for a round. The money that it may cost stays in the reserve until the
  /// result.
  mutating func enter(
    round: Interval, steps: [UInt8], cost: Money?, of place: Int
  ) throws(PacketReason) {
    guard let cost, cost >= .zero else { throw .malformed }
    let record = grids[place]
    if let last = record.lastBid, last >= round { throw .duplicateBid }
    // Whatever becomes of the bid, it is the grid's only one for this round.
    grids[place].lastBid = round
    grids[place].hasMissed = false
    guard record.openRound == nil else { throw .roundOpen }
    // A bid for the very interval that runs waits; see `admit`.
    guard round < genesis.calendar.interval(at: time) else { throw .roundInFuture }
    guard round > lastClosed, time < deadline(of: round) else { throw .tooLate }
    guard cost.raw <= record.free(.money) else { throw .insufficientReserve }
    grids[place].openRound = round
    grids[place].cover = cost
    let bid = OpenBid(round: round, grid: record.grid, cost: cost, steps: steps)
    let index = bids.firstIndex { ($0.round, $0.grid) > (round, record.grid) } ?? bids.count
    bids.insert(bid, at: index)
  }

  /// When a round closes at the latest: this chain time or the first block after it.
  private func deadline(of round: Interval) -> Timestamp {
    genesis.calendar.end(of: round).advanced(bySeconds: genesis.roundSeconds)
  }

  /// When the oldest round with a bid closes, as far as is known by now; nil without a bid.
  package var nextDeadline: Timestamp? { bids.first.map { closing(of: $0.round) } }

  /// The round that this block has to close, the oldest with a bid: its time is up, or every grid
  /// has bid that is up, and its interval's close has come, at which honest grids bid. A grid is up
  /// unless its lane is frozen or it missed the last round. `close` may leave another one due.
  package var dueRound: Interval? {
    guard let round = bids.first?.round, time >= closing(of: round) else { return nil }
    return round
  }

  /// When a round closes if no more bids come.
  private func closing(of round: Interval) -> Timestamp {
    let isAwaited = grids.indices.contains { place in
      let record = grids[place]
      guard !record.isFrozen, !record.hasMissed else { return false }
      return record.lastBid.map { $0 < round } ?? true
    }
    let deadline = deadline(of: round)
    return isAwaited ? deadline : min(genesis.calendar.close(of: round), deadline)
  }

  /// The bids of a round, by grid, ascending.
  package func bids(of round: Interval) -> [OpenBid] { bids.filter { $0.round == round } }

  /// Whole Wh that a line carries in a round, forth and back; nothing to or from a frozen grid.
  package func capacities(of line: Interconnector) -> (forth: Int64, back: Int64) {
    let ends = [line.from, line.to].compactMap { grids.place(of: $0) }
    guard ends.count == 2, !ends.contains(where: { grids[$0].isFrozen }) else { return (0, 0) }
    let seconds = genesis.calendar.intervalSeconds
    return (
      line.capacity(line.forth, over: seconds) ?? 0, line.capacity(line.back, over: seconds) ?? 0
    )
  }

  /// Closes the round that is due: books its money between the reserves, netted for each grid, the
  /// lines' owners and the fund, and sends every bidder its result. Throws before any effect.
  ///
  /// A grid without a bid gets no result: it has nothing to settle, and no energy of its own flows.
  package mutating func close(_ outcome: RoundOutcome) throws(RoundRefusal) {
    let nets = try check(outcome)
    for (place, net) in nets where net != 0 { grids[place].exported += net }
    for flow in outcome.flows {
      guard let line = line(flow.line) else { continue }
      accounts[place(ofAccount: line.owner)].money += flow.fee + flow.rent
    }
    fund += outcome.fund
    lastClosed = outcome.round
    bids.removeAll { $0.round == outcome.round }
    for share in outcome.shares {
      guard let place = grids.place(of: share.grid) else { continue }
      grids[place].openRound = nil
      grids[place].cover = .zero
      grids[place].credit(.money, share.money.raw)
      send(
        .result(
          round: outcome.round,
          .cleared(
            price: share.price, bought: share.bought, sold: share.sold, money: share.money)),
        to: place)
    }
    for place in grids.indices {
      let hasMissed = grids[place].lastBid.map { $0 < outcome.round } ?? true
      if hasMissed != grids[place].hasMissed { grids[place].hasMissed = hasMissed }
    }
  }

  /// Wh that leave each grid, less what comes, by its place.
  private func check(_ outcome: RoundOutcome) throws(RoundRefusal) -> [(Int, Int128)] {
    guard outcome.round == dueRound else { throw .notDue }
    let bids = bids(of: outcome.round)
    guard outcome.shares.map(\.grid) == bids.map(\.grid) else { throw .otherGrids }
    try checkRanges(outcome)
    let nets = try nets(of: outcome.flows)
    for (place, net) in nets.enumerated() {
      let share = outcome.shares.first { $0.grid == grids[place].grid }
      guard net == share.map({ Int128($0.sold) - Int128($0.bought) }) ?? 0 else {
        throw .unbalancedEnergy
      }
    }
    var sum = Int128(outcome.fund.raw)
    for share in outcome.shares { sum += Int128(share.money.raw) }
    for flow in outcome.flows { sum += Int128(flow.fee.raw) + Int128(flow.rent.raw) }
    guard sum == 0 else { throw .unbalancedMoney }
    for (share, bid) in zip(outcome.shares, bids) where share.money.raw < -bid.cost.raw {
      throw .beyondCover
    }
    return nets.enumerated().map { ($0, $1) }
  }

  private func checkRanges(_ outcome: RoundOutcome) throws(RoundRefusal) {
    let energy = 0...Limits.lineWattHours
    let amounts = 0...Limits.amount
    let areShares = outcome.shares.allSatisfy {
      energy.contains($0.bought) && energy.contains($0.sold)
        && (-Limits.amount...Limits.amount).contains($0.money.raw)
        && ($0.price.map { (0...Limits.price).contains($0.raw) } ?? true)
    }
    let areFlows = outcome.flows.allSatisfy {
      $0.wattHours != 0 && amounts.contains($0.fee.raw) && amounts.contains($0.rent.raw)
    }
    guard areShares, areFlows, amounts.contains(outcome.fund.raw) else { throw .outOfRange }
  }

  /// Wh out of each grid, less what comes in, by place.
  private func nets(of flows: [RoundOutcome.Flow]) throws(RoundRefusal) -> [Int128] {
    var nets = [Int128](repeating: 0, count: grids.count)
    var last: UInt64?
    for flow in flows {
      guard last.map({ $0 < flow.line }) ?? true, let line = line(flow.line),
        let from = grids.place(of: line.from), let to = grids.place(of: line.to),
        !grids[from].isFrozen, !grids[to].isFrozen
      else { throw .otherLines }
      last = flow.line
      let (forth, back) = capacities(of: line)
      guard (-back...forth).contains(flow.wattHours) else { throw .aboveCapacity }
      nets[from] += Int128(flow.wattHours)
      nets[to] -= Int128(flow.wattHours)
    }
    return nets
  }
}
