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
  func checkRounds() throws -> Use {
    var use = Use()
    for round in rounds {
      let prices = Dictionary(
        uniqueKeysWithValues: round.grids.compactMap { grid in
          grid.hasPrice ? (grid.grid, grid.price) : nil
        })
      for (line, figures) in zip(round.lines, union.lines) {
        try check(line, figures, prices, round.round, &use)
      }
      let net = round.grids.reduce(Int64(0)) { $0 + $1.soldWh - $1.boughtWh }
      try demand(net == 0, "round \(round.round) makes \(net) Wh of nothing")
      let money =
        round.grids.reduce(round.fund) { $0 + $1.money }
        + round.lines.reduce(0) { $0 + $1.wheeling + $1.rent }
      try demand(money == 0, "round \(round.round) makes \(money) µ¤ of nothing")
    }
    return use
  }

  /// Rule 8.3: energy flows towards the higher price; beyond the fee the prices differ only when
  /// the line is full.
  private func check(
    _ line: Intertie_V1_RoundLine, _ figures: Interconnector, _ prices: [Data: Int64],
    _ round: Int64, _ use: inout Use
  ) throws {
    let flow = line.flowWh
    let room = flow < 0 ? line.backWh : line.forthWh
    let isFull = flow.magnitude == room.magnitude
    try demand(
      line.line == figures.id && flow.magnitude <= room.magnitude,
      "round \(round): line \(line.line) carries \(flow) of \(room) Wh")
    guard let from = prices[figures.from.data], let to = prices[figures.to.data] else {
      return
    }
    let gain = flow < 0 ? from - to : to - from
    let text = "round \(round): \(flow) Wh on line \(line.line) of \(room), prices \(from), \(to)"
    if flow == 0 {
      try demand((to - from).magnitude <= line.fee.magnitude, text)
    } else if isFull {
      try demand(gain >= line.fee && line.rent >= 0, text)
      use.full += 1
    } else {
      try demand(gain == line.fee && line.rent == 0, text)
      use.partly += 1
    }
    use.wattHours += Int64(flow.magnitude)
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
