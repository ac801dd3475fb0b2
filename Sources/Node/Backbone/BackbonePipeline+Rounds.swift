import Backbone
import Domain
import Market

extension BackbonePipeline {
  /// Clears and books every round that is due.
  mutating func closeRounds() throws(InvariantViolation) -> [RoundRecord] {
    var records: [RoundRecord] = []
    while let round = core.dueRound { records.append(try close(round)) }
    return records
  }

  private mutating func close(_ round: Interval) throws(InvariantViolation) -> RoundRecord {
    let cleared: (problem: CouplingProblem, outcome: CouplingOutcome, CouplingSettlement)
    do { cleared = try clear(round) } catch {
      throw InvariantViolation("round \(round.index) cannot be cleared: \(error)")
    }
    let (problem, outcome, settlement) = cleared
    let bidders = Set(core.bids(of: round).map(\.grid))
    var shares: [RoundOutcome.Share] = []
    for (place, bid) in problem.bids.enumerated() where bidders.contains(bid.grid) {
      let share = outcome.shares[place]
      shares.append(
        RoundOutcome.Share(
          grid: bid.grid, price: share.price, bought: share.bought, sold: share.sold,
          money: settlement.positions[place].money))
    }
    var flows: [RoundOutcome.Flow] = []
    var lines: [RoundRecord.Line] = []
    for (place, line) in problem.lines.enumerated() {
      let (flow, income) = (outcome.flows[place], settlement.incomes[place])
      if flow != 0 {
        flows.append(
          RoundOutcome.Flow(line: line.id, wattHours: flow, fee: income.fee, rent: income.rent))
      }
      lines.append(
        RoundRecord.Line(
          line: line.id, forth: line.forth, back: line.back, fee: line.fee, flow: flow,
          wheeling: income.fee, rent: income.rent))
    }
    do throws(RoundRefusal) {
      try core.close(
        RoundOutcome(round: round, shares: shares, flows: flows, fund: settlement.networkFund))
    } catch { throw InvariantViolation("round \(round.index) cannot be booked: \(error)") }
    return RoundRecord(
      round: round, height: core.height,
      grids: shares.map {
        RoundRecord.Grid(
          grid: $0.grid, price: $0.price, bought: $0.bought, sold: $0.sold, money: $0.money)
      }, lines: lines, fund: settlement.networkFund, surplus: outcome.surplus(in: problem))
  }

  /// The round's problem, from what the backbone holds, its outcome, verified, and its money. A
  /// grid without a bid takes part with an empty one, so that energy can pass through it.
  private func clear(_ round: Interval) throws -> (
    CouplingProblem, CouplingOutcome, CouplingSettlement
  ) {
    var bids: [ChainID: CouplingBid] = [:]
    for bid in core.bids(of: round) {
      bids[bid.grid] = try CouplingBid(decoding: bid.steps)
    }
    let problem = try CouplingProblem(
      round: round,
      bids: core.gridRecords.map { bids[$0.grid] ?? CouplingBid(grid: $0.grid) },
      lines: core.lines.map { line in
        let (forth, back) = core.capacities(of: line)
        return CouplingLine(
          id: line.id, from: line.from, to: line.to, forth: forth, back: back, fee: line.fee)
      })
    let outcome = try Coupling.clear(problem)
    try Coupling.verify(outcome, of: problem)
    return (problem, outcome, try CouplingSettlement(outcome, of: problem))
  }
}
