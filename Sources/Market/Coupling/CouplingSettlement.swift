import Domain

/// The money of a round: what each grid's reserve gets or pays, and what becomes of the
/// difference (rules 8.5). All of it sums to zero.
package struct CouplingSettlement: Hashable, Sendable {
  package struct Position: Hashable, Sendable {
    /// What leaves the grid; below zero what enters it.
    package var exported: Energy
    /// What the grid gets; below zero what it pays. An importer pays its price × energy, rounded
    /// up; an exporter gets it, rounded down.
    ///
    /// It is never more than the grid's own members pay each other's rounded amounts: buyers pay
    /// at least, and sellers get at most, what their shares of the exact amount are.
    package var money: Money
  }

  package struct Income: Hashable, Sendable {
    /// The wheeling fee of what flowed, rounded down.
    package var fee: Money
    /// Congestion rent: what the prices differ by beyond the fee, times what flowed, rounded down.
    package var rent: Money
  }

  /// In the order of the problem's bids.
  package var positions: [Position]
  /// To the lines' owners, in the order of the problem's lines.
  package var incomes: [Income]
  /// What all these roundings leave, 0 and more, less than one µ¤ for each of them.
  package var networkFund: Money

  /// `outcome` has passed `Coupling.verify`, which bounds every amount: what the lines get is what
  /// importers pay more than exporters get. Throws `malformed` for one of another shape, and
  /// `overflow` if an amount does not fit.
  package init(_ outcome: CouplingOutcome, of problem: CouplingProblem) throws(Rejection) {
    guard outcome.shares.count == problem.bids.count, outcome.flows.count == problem.lines.count
    else { throw .malformed }
    positions = []
    incomes = []
    var rest = Money.zero
    for share in outcome.shares {
      let position = try Self.position(share)
      rest = try rest.minus(position.money)
      positions.append(position)
    }
    for (index, ends) in problem.ends.enumerated() {
      let income = try Self.income(
        flow: outcome.flows[index], fee: problem.lines[index].fee,
        from: outcome.shares[ends.from].price, to: outcome.shares[ends.to].price)
      rest = try rest.minus(income.fee).minus(income.rent)
      incomes.append(income)
    }
    networkFund = rest
  }

  private static func position(_ share: CouplingShare) throws(Rejection) -> Position {
    let exported = Energy(wattHours: share.exported)
    guard share.exported != 0 else { return Position(exported: .zero, money: .zero) }
    guard let price = share.price else { throw .malformed }
    // Below zero, rounded down is what an importer pays, rounded up.
    return Position(exported: exported, money: try price.cost(of: exported, .down))
  }

  private static func income(
    flow: Int64, fee: Price, from: Price?, to: Price?
  ) throws(Rejection) -> Income {
    guard flow != 0 else { return Income(fee: .zero, rent: .zero) }
    guard let from, let to else { throw .malformed }
    let difference = flow > 0 ? try to.minus(from) : try from.minus(to)
    let energy = Energy(wattHours: abs(flow))
    return Income(
      fee: try fee.cost(of: energy, .down),
      rent: try difference.minus(fee).cost(of: energy, .down))
  }
}
