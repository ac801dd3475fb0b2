import Domain

extension CouplingOutcome {
  /// What holds for every round that was cleared, found out by other means than `Coupling.verify`:
  /// optimality by equality of the primal and the dual objective, in exact arithmetic.
  package func checkInvariants(
    _ problem: CouplingProblem, _ settlement: CouplingSettlement
  ) throws(InvariantViolation) {
    try checkBalance(problem)
    try checkPrices(problem)
    let (primal, dual) = (surplus(in: problem), dualObjective(of: problem))
    guard primal == dual else {
      throw InvariantViolation("the coupling's surplus is \(primal), its prices say \(dual)")
    }
    try checkMoney(settlement)
  }

  /// Net positions add up to zero, and no line carries more than it can.
  private func checkBalance(_ problem: CouplingProblem) throws(InvariantViolation) {
    guard shares.count == problem.bids.count, flows.count == problem.lines.count else {
      throw InvariantViolation("a coupling's outcome has another shape than its problem")
    }
    guard shares.reduce(0, { $0 + $1.exported }) == 0 else {
      throw InvariantViolation("the net positions of a coupling do not add up to zero")
    }
    for (line, flow) in zip(problem.lines, flows) where flow > line.forth || -flow > line.back {
      throw InvariantViolation("line \(line.id) carries \(flow) Wh, above its capacity")
    }
  }

  /// No grid's price lies outside its accepted steps.
  private func checkPrices(_ problem: CouplingProblem) throws(InvariantViolation) {
    for (bid, share) in zip(problem.bids, shares) {
      let accepted = bid.accepted(share)
      for (step, wattHours) in zip(bid.buys, accepted.buys) where wattHours > 0 {
        guard let price = share.price?.raw, price <= step.price else {
          throw InvariantViolation("grid \(bid.grid) buys above a limit of \(step.price)")
        }
      }
      for (step, wattHours) in zip(bid.sells, accepted.sells) where wattHours > 0 {
        guard let price = share.price?.raw, price >= step.price else {
          throw InvariantViolation("grid \(bid.grid) sells below a limit of \(step.price)")
        }
      }
    }
  }

  /// No dispatch at all has a larger surplus than this, whatever the prices are. In µ¤/kWh × Wh.
  private func dualObjective(of problem: CouplingProblem) -> Int128 {
    var objective: Int128 = 0
    let prices = shares.map { $0.price?.raw ?? 0 }
    for (bid, price) in zip(problem.bids, prices) {
      for step in bid.buys {
        objective += Int128(step.wattHours) * Int128(max(0, step.price - price))
      }
      for step in bid.sells {
        objective += Int128(step.wattHours) * Int128(max(0, price - step.price))
      }
    }
    for (line, ends) in zip(problem.lines, problem.ends) {
      let difference = prices[ends.to] - prices[ends.from]
      objective += Int128(line.forth) * Int128(max(0, difference - line.fee.raw))
      objective += Int128(line.back) * Int128(max(0, -difference - line.fee.raw))
    }
    return objective
  }

  /// No line's owner pays, and every rounding leaves less than one µ¤ to the network fund.
  private func checkMoney(_ settlement: CouplingSettlement) throws(InvariantViolation) {
    guard settlement.incomes.allSatisfy({ $0.fee.raw >= 0 && $0.rent.raw >= 0 }) else {
      throw InvariantViolation("an interconnector's owner would pay for a flow")
    }
    let roundings = settlement.positions.count + 2 * settlement.incomes.count
    guard (0...Int64(roundings)).contains(settlement.networkFund.raw) else {
      throw InvariantViolation(
        "the network fund would get \(settlement.networkFund.raw) µ¤ of a coupling's roundings")
    }
    let incomes = settlement.incomes.reduce(Int128(0)) {
      $0 + Int128($1.fee.raw) + Int128($1.rent.raw)
    }
    let positions = settlement.positions.reduce(Int128(0)) { $0 + Int128($1.money.raw) }
    guard incomes + positions + Int128(settlement.networkFund.raw) == 0 else {
      throw InvariantViolation("the money of a coupling does not add up to zero")
    }
  }
}
