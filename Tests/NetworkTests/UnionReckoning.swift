import Domain
import Foundation
import ProcessSupport
import Wire

/// What the backbone says of its rounds and reserves, held against the rules and against what the
/// grids say.
struct UnionReckoning: Sendable {
  let union: Union
  let overview: Intertie_V1_OverviewResponse
  /// All that the node knows, ascending: those before it joined by a state it does not.
  let rounds: [Intertie_V1_CouplingRound]
  let withdrawals: [Intertie_V1_Withdrawal]
  /// Money that the lines' owner has on the backbone.
  let income: Int64

  /// Asks again when the backbone went on while it was asked.
  init(_ union: Union, _ services: Services) async throws {
    self.union = union
    let owner = union.owner.publicKey
    let deadline = Deadline(20)
    while true {
      let overview = try await services.overview()
      let rounds = try await services.backbone.rounds(
        .with { $0.limit = 500 }, options: services.options
      ).rounds
      let withdrawals = try await services.backbone.withdrawals(.init(), options: services.options)
        .withdrawals
      let income = try await services.backbone.account(
        .with { $0.account = owner.data }, options: services.options
      ).money
      guard try await services.overview().height == overview.height else {
        try demand(!deadline.isOver, "the backbone is never at rest")
        continue
      }
      (self.overview, self.rounds) = (overview, rounds)
      (self.withdrawals, self.income) = (withdrawals, income)
      return
    }
  }

  // MARK: Rounds

  /// How often a line carried less than it could, and how often it was full.
  struct Use: Sendable {
    var partly = 0
    var full = 0
    var wattHours: Int64 = 0
  }

  /// Throws when a round breaks a rule; how the lines were used.
  ///
  /// `intertie demo` holds its rounds against the same rules (LineUse, RoundCheck). They are
  /// written a second time here: a test of the product must not rest on the product's own checks.
  func checkRounds() throws -> Use {
    var use = Use()
    for round in rounds {
      try checkLines(of: round, &use)
      let money =
        round.grids.reduce(round.fund) { $0 + $1.money }
        + round.lines.reduce(0) { $0 + $1.wheeling + $1.rent }
      try demand(money == 0, "round \(round.round) makes \(money) µ¤ of nothing")
    }
    return use
  }

  /// Rule 8.3 on every line, and what leaves each grid is what it sold less what it bought.
  ///
  /// A grid without a bid is not in the round, and energy may pass through it: its price is not
  /// told, but there must be one with which its lines keep the rule.
  private func checkLines(of round: Intertie_V1_CouplingRound, _ use: inout Use) throws {
    let bidders = Set(round.grids.map { $0.grid })
    let prices = Dictionary(
      uniqueKeysWithValues: round.grids.compactMap { grid in
        grid.hasPrice ? (grid.grid, grid.price) : nil
      })
    var left = Dictionary(
      uniqueKeysWithValues: round.grids.map { ($0.grid, $0.soldWh - $0.boughtWh) })
    var untold: [Data: ClosedRange<Int64>] = [:]
    for (line, figures) in zip(round.lines, union.lines) {
      let (from, to) = (figures.from.data, figures.to.data)
      let text = "round \(round.round): \(line)"
      let gap = try gap(of: line, figures, text, &use)
      left[from, default: 0] -= line.flowWh
      left[to, default: 0] += line.flowWh
      let isPriceless = [from, to].contains { bidders.contains($0) && prices[$0] == nil }
      try demand(!isPriceless || line.flowWh == 0, "a flow to a grid without a price, \(text)")
      if let price = prices[from], let other = prices[to] {
        try demand(gap.contains(other - price), "prices \(price) and \(other), \(text)")
      } else if let price = prices[from], !bidders.contains(to) {
        let range = price + gap.lowerBound...price + gap.upperBound
        untold[to] = try Self.common(untold[to], range, text)
      } else if let price = prices[to], !bidders.contains(from) {
        let range = price - gap.upperBound...price - gap.lowerBound
        untold[from] = try Self.common(untold[from], range, text)
      }
    }
    try demand(
      left.values.allSatisfy { $0 == 0 }, "round \(round.round) makes energy of nothing: \(left)")
  }

  /// What the price at a line's `to` less that at its `from` may be: energy flows towards the
  /// higher price; beyond the fee the prices differ only when the line is full.
  private func gap(
    of line: Intertie_V1_RoundLine, _ figures: Interconnector, _ text: String, _ use: inout Use
  ) throws -> ClosedRange<Int64> {
    let (flow, fee, far) = (line.flowWh, line.fee, Int64.max / 4)
    let room = flow < 0 ? line.backWh : line.forthWh
    let isFull = flow != 0 && flow.magnitude == room.magnitude
    try demand(
      line.line == figures.id && fee >= 0 && room >= 0 && flow.magnitude <= room.magnitude, text)
    try demand(
      isFull ? line.rent >= 0 : line.rent == 0, "a rent without being full, or below 0: \(text)")
    use.wattHours += Int64(flow.magnitude)
    if flow == 0 { return -fee...fee }
    if isFull { use.full += 1 } else { use.partly += 1 }
    let end = isFull ? far : fee
    return flow > 0 ? fee...end : -end ... -fee
  }

  /// What is in both; throws when that is nothing.
  private static func common(
    _ one: ClosedRange<Int64>?, _ other: ClosedRange<Int64>, _ text: String
  ) throws -> ClosedRange<Int64> {
    guard let one else { return other }
    try demand(one.overlaps(other), "no price between \(one) and \(other), \(text)")
    return one.clamped(to: other)
  }

  // MARK: What is conserved

  /// All rounds, those before this node's first from one that has all. Throws when the two do not
  /// say the same of a round that both know.
  func rounds(
    completedBy others: [Intertie_V1_CouplingRound]
  ) throws -> [Intertie_V1_CouplingRound] {
    let first = rounds.first?.round ?? .max
    let known = Dictionary(uniqueKeysWithValues: others.map { ($0.round, $0) })
    for round in rounds {
      try demand(known[round.round].map { $0 == round } ?? true, "other figures: \(round)")
    }
    // Either may have been asked a round later than the other.
    let (last, ours) = (others.last?.round ?? .min, rounds.last?.round ?? .min)
    let own = Set(rounds.map(\.round))
    try demand(
      others.allSatisfy { $0.round < first || $0.round > ours || own.contains($0.round) }
        && rounds.allSatisfy { $0.round > last || known[$0.round] != nil }, "other rounds")
    return others.filter { $0.round < first } + rounds
  }

  /// Money and TSL are where they came in, less what went out; energy that left came to others.
  func checkTotals(issued: Int64, rounds: [Intertie_V1_CouplingRound]) throws {
    let reserves = overview.grids.reduce(Int64(0)) { $0 + $1.reserveMoney }
    let waiting = withdrawals.reduce(Int64(0)) { $0 + $1.amount }
    let earned = rounds.reduce(Int64(0)) { sum, round in
      sum + round.lines.reduce(0) { $0 + $1.wheeling + $1.rent }
    }
    let fund = rounds.reduce(Int64(0)) { $0 + $1.fund }
    try demand(overview.money == issued, "\(overview.money) µ¤, and \(issued) came in")
    try demand(
      reserves + waiting + income + overview.fund == issued,
      "\(reserves) reserved, \(waiting) waiting, \(income) of lines, \(overview.fund) in the fund"
    )
    try demand(income == earned && overview.fund == fund, "\(income) of lines, not \(earned)")
    let tsl = overview.grids.reduce(overview.treasury) { $0 + $1.reserveTsl }
    try demand(tsl == Limits.storageTokens, "\(tsl) micro-TSL in all")
    for grid in overview.grids {
      let sold = rounds.reduce(Int64(0)) { sum, round in
        sum
          + round.grids.filter { $0.grid == grid.grid }.reduce(0) { $0 + $1.soldWh - $1.boughtWh }
      }
      try demand(grid.exportedWh == sold, "\(grid.exportedWh) Wh exported, not \(sold)")
      try demand(!grid.hasConflict, "a grid is frozen")
    }
  }

  // MARK: A grid's own books

  /// Intervals of which the grid says the same as the backbone, and of these those with a flow.
  func compare(_ place: Int, _ services: Services) async throws -> (all: Int, flowing: Int) {
    let id = union.grids[place].chain.data
    let totals = try await services.market.intervals(
      .with { $0.limit = 500 }, options: services.options
    ).intervals
    let own = Dictionary(uniqueKeysWithValues: totals.map { ($0.interval, $0) })
    var counts = (all: 0, flowing: 0)
    for round in rounds {
      guard let share = round.grids.first(where: { $0.grid == id }),
        let interval = own[round.round]
      else { continue }
      let net = (share.soldWh - share.boughtWh) * 1000
      try demand(
        interval.tieExportMwh - interval.tieImportMwh == net,
        "grid \(place) exports \(interval.tieExportMwh) mWh and imports \(interval.tieImportMwh) "
          + "in round \(round.round), and the backbone says \(net)")
      counts.all += 1
      if net != 0 { counts.flowing += 1 }
    }
    return counts
  }
}
