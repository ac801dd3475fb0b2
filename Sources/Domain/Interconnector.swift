/// A line between two grids (rules 8.2).
package struct Interconnector: Hashable, Sendable {
  /// Number given by the operator.
  package var id: UInt64
  package var from: ChainID
  /// Another grid than `from`.
  package var to: ChainID
  /// Power that it carries from `from` to `to`, mW; zero closes it in this direction.
  package var forth: Power
  /// The same from `to` to `from`.
  package var back: Power
  /// The wheeling fee in either direction, 0...Limits.price µ¤ per kWh.
  package var fee: Price
  /// The account on the backbone that gets fee and congestion rent.
  package var owner: AccountID

  package init(
    id: UInt64, from: ChainID, to: ChainID, forth: Power, back: Power, fee: Price,
    owner: AccountID
  ) {
    self.id = id
    self.from = from
    self.to = to
    self.forth = forth
    self.back = back
    self.fee = fee
    self.owner = owner
  }

  /// Whole Wh that it carries in a round of `seconds`, rounded down; nil above
  /// Limits.lineWattHours, or below zero.
  package func capacity(_ power: Power, over seconds: Int64) -> Int64? {
    let wattHours = Int128(power.raw) * Int128(seconds) / 3_600_000
    guard power.raw >= 0, wattHours <= Int128(Limits.lineWattHours) else { return nil }
    return Int64(wattHours)
  }

  /// Throws `malformed` for a line from a grid to itself, a fee or a capacity out of its range, or
  /// an owner whose account nobody has a key for.
  package func validate(intervalSeconds: Int64) throws(Rejection) {
    guard from != to, (0...Limits.price).contains(fee.raw),
      capacity(forth, over: intervalSeconds) != nil, capacity(back, over: intervalSeconds) != nil,
      !SystemAccount.allCases.contains(where: { $0.id == owner })
    else { throw .malformed }
  }
}
