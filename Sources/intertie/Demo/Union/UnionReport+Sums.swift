import Domain
import Foundation
import Node
import Wire

extension UnionReport {
  /// Sums everything up from both passes and from the audits of all their chains.
  init(
    _ plan: UnionPlan, alone: UnionDemo.Pass, audits: [AuditReport], coupled: UnionDemo.Pass,
    network found: UnionFindings, audit: NetworkReport, seconds: Double
  ) throws {
    let first = coupled.plans[0]
    self.init(
      days: first.measured.days, intervals: first.measured.intervals, seconds: seconds,
      paceAlone: alone.pace, paceCoupled: coupled.pace, rate: first.calendar.rate, network: audit)
    for place in plan.names.indices {
      let chain = "\(coupled.plans[place].genesis.chainID)"
      guard let own = audit.grids.first(where: { $0.audit.chain == chain })?.audit else {
        throw CommandFailure("the audit did not see \(plan.names[place])")
      }
      grids.append(
        Grid(
          name: plan.names[place],
          alone: DemoReport(
            plan: alone.plans[place], alone.outcomes[place], audit: audits[place]),
          coupled: DemoReport(plan: coupled.plans[place], coupled.outcomes[place], audit: own)))
    }
    lines = UnionPlan.lines.map { LineUse($0, names: plan.names) }
    for round in found.rounds { take(round, coupled.plans) }
    acts = found.acts.map { Act($0, plan) }
    faults += found.acts.compactMap { result in result.fault.map { "by hand: \($0)" } }
    addUp()
    check(found)
  }

  private mutating func take(_ round: Intertie_V1_CouplingRound, _ plans: [DemoPlan]) {
    rounds += 1
    surplus += round.surplus
    fund += round.fund
    if round.grids.count == grids.count { completeRounds += 1 }
    var prices = plans.map { _ in Int64?.none }
    for (place, plan) in plans.enumerated() {
      guard let share = round.grids.first(where: { $0.grid == plan.genesis.chainID.data }) else {
        continue
      }
      grids[place].coupledIntervals += 1
      grids[place].money += share.money
      guard share.hasPrice else { continue }
      prices[place] = share.price
      grids[place].traded += share.boughtWh + share.soldWh
      grids[place].value += share.price * (share.boughtWh + share.soldWh)
      grids[place].prices[Int(round.round - plan.first.index)] = share.price
    }
    for (place, line) in UnionPlan.lines.enumerated() {
      guard let used = round.lines.first(where: { $0.line == line.number }) else {
        faults.append("round \(round.round) does not have line \(line.number)")
        continue
      }
      lines[place].take(
        used, at: round.round, from: prices[line.from], to: prices[line.to])
    }
    faults += RoundCheck.faults(round)
  }

  // MARK: What must add up

  private mutating func check(_ found: UnionFindings) {
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
    for grid in grids {
      faults += grid.alone.faults.map { "\(grid.name), by itself: \($0)" }
      faults += grid.coupled.faults.map { "\(grid.name), coupled: \($0)" }
      let booked = grid.coupled.energy.tieExport - grid.coupled.energy.tieImport
      let net = net(of: grid, in: found)
      require(booked == net, "\(grid.name) booked \(booked) mWh on its lines, the rounds \(net)")
    }
    faults += lines.flatMap(\.faults)
    let net = grids.reduce(Int64(0)) {
      $0 + $1.coupled.energy.tieExport - $1.coupled.energy.tieImport
    }
    require(net == 0, "\(net) mWh more left grids than came to grids")
    if let fault = outside.fault(saved: totals.saved) { faults.append(fault) }
    let money = grids.reduce(totals.lines + fund) { $0 + $1.money }
    require(money == 0, "the rounds made \(money) µ¤ of nothing")
    require(
      moneyThere == moneyBrought, "\(moneyThere) µ¤ are there, and \(moneyBrought) were brought")
    require(
      network.storageTokens == Limits.storageTokens,
      "there are \(network.storageTokens) micro-TSL")
    require(network.gridsNotGiven.isEmpty && network.replicas == grids.count, "a chain is missing")
    require(grids.count == network.grids.count, "the audit saw \(network.grids.count) grids")
  }

  private func net(of grid: Grid, in found: UnionFindings) -> Int64 {
    let chain = grid.coupled.audit.chain
    return found.rounds.reduce(0) { sum, round in
      let share = round.grids.first { Hex.encode($0.grid) == chain }
      return sum + (share.map { ($0.soldWh - $0.boughtWh) * 1000 } ?? 0)
    }
  }

  /// Money in all reserves, with the lines' owner and in the network fund, by the audit.
  var moneyThere: Int64 {
    network.grids.reduce(network.wheeling + network.rent + network.fund) {
      $0 + $1.money.reserve
    }
  }

  /// What the gateway issued, less what it paid out.
  var moneyBrought: Int64 { (Int64(network.issued) ?? 0) - (Int64(network.withdrawn) ?? 0) }
}

extension UnionReport.Act {
  init(_ result: UnionActResult, _ plan: UnionPlan) {
    let act = result.act
    let week = plan.communities[0].start
    time = DemoText.moment(
      Timestamp(seconds: week + Int64(act.day) * 86_400 + Int64(act.hour) * 3600))
    func home(_ grid: Int, _ home: Int) -> String {
      "\(plan.communities[grid].homes[home].name) (\(plan.names[grid]))"
    }
    let who = home(act.grid, act.home)
    let good: String
    switch act.kind {
    case .pay(let grid, let place, let asset, let amount):
      let unit = asset == .money ? "¤" : "TSL"
      self.act = "\(who) sends \(DemoText.money(amount)) \(unit) to \(home(grid, place))"
      good = "credited there"
    case .payLate(let grid, let place, let amount):
      self.act = "\(who) sends \(DemoText.money(amount)) ¤ to \(home(grid, place)), too late"
      good = "its deadline had passed: refunded"
    case .withdraw(let amount):
      self.act = "\(who) withdraws \(DemoText.money(amount)) ¤"
      good = "paid out by the gateway"
    }
    outcome =
      result.fault ?? "\(good) after \(String(format: "%.2f", Double(result.delay) / 1e6)) s"
  }
}
