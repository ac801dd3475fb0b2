import Domain

/// What a coupling round comes to, in money and energy, from a clearing that the pipeline has
/// verified against the bids and lines of the round.
package struct RoundOutcome: Hashable, Sendable {
  package struct Share: Hashable, Sendable {
    package var grid: ChainID
    /// Nil when nobody bid within reach.
    package var price: Price?
    /// Wh, 0...Limits.lineWattHours.
    package var bought: Int64
    package var sold: Int64
    /// What the grid's reserve gets; below zero what it pays.
    package var money: Money

    package init(grid: ChainID, price: Price?, bought: Int64, sold: Int64, money: Money) {
      self.grid = grid
      self.price = price
      self.bought = bought
      self.sold = sold
      self.money = money
    }
  }

  package struct Flow: Hashable, Sendable {
    package var line: UInt64
    /// Wh from the line's `from` to its `to`, below zero the other way.
    package var wattHours: Int64
    /// To the line's owner, 0 and more.
    package var fee: Money
    package var rent: Money

    package init(line: UInt64, wattHours: Int64, fee: Money, rent: Money) {
      self.line = line
      self.wattHours = wattHours
      self.fee = fee
      self.rent = rent
    }
  }

  package var round: Interval
  /// One for each bid of the round, by grid, ascending.
  package var shares: [Share]
  /// Lines that carry something, by number, ascending.
  package var flows: [Flow]
  /// What the roundings leave, 0 and more.
  package var fund: Money

  package init(round: Interval, shares: [Share], flows: [Flow], fund: Money) {
    self.round = round
    self.shares = shares
    self.flows = flows
    self.fund = fund
  }
}

/// Why a round's outcome is not booked. Every replica solves the round for itself, so a refusal is
/// a broken invariant of the one that computed it. Checks are made in the order of the cases.
package enum RoundRefusal: Error, CaseIterable, Sendable {
  /// No round is due, or another one.
  case notDue
  /// Not one share for each bid, in order.
  case otherGrids
  /// An amount below zero, or beyond what a round can have.
  case outOfRange
  /// A line that does not exist, twice, out of order, or of a frozen grid.
  case otherLines
  case aboveCapacity
  /// A grid whose sales less purchases are not what flows out of it.
  case unbalancedEnergy
  /// Grids, owners and the fund together win or lose.
  case unbalancedMoney
  /// A grid would pay more than its bid covers.
  case beyondCover
}
