import Domain

/// An interconnector as one round sees it (rules 8.2). Whom its income goes to is none of the
/// round's business.
package struct CouplingLine: Hashable, Sendable {
  /// Its number in the backbone's registry.
  package var id: UInt64
  package var from: ChainID
  /// Another grid than `from`.
  package var to: ChainID
  /// Wh that it carries in the round from `from` to `to`; 0...CouplingLimits.lineWattHours. Zero
  /// means that it is closed in this direction.
  package var forth: Int64
  /// The same from `to` to `from`.
  package var back: Int64
  /// The wheeling fee in either direction, µ¤ per kWh; 0...Limits.price.
  package var fee: Price

  package init(
    id: UInt64, from: ChainID, to: ChainID, forth: Int64, back: Int64, fee: Price
  ) {
    self.id = id
    self.from = from
    self.to = to
    self.forth = forth
    self.back = back
    self.fee = fee
  }

  /// Whole Wh that `power` carries in a round of `seconds`, rounded down. Throws `malformed` below
  /// zero, and `limitExceeded` above CouplingLimits.lineWattHours.
  package static func capacity(of power: Power, over seconds: Int64) throws(Rejection) -> Int64 {
    let wattHours = Int128(power.raw) * Int128(seconds) / 3_600_000
    guard power.raw >= 0, seconds >= 0 else { throw .malformed }
    guard wattHours <= Int128(CouplingLimits.lineWattHours) else { throw .limitExceeded }
    return Int64(wattHours)
  }

  /// Throws `malformed` for a line from a grid to itself and for a figure out of its range.
  package func validate() throws(Rejection) {
    let capacities = 0...CouplingLimits.lineWattHours
    guard from != to, capacities.contains(forth), capacities.contains(back),
      (0...Limits.price).contains(fee.raw)
    else { throw .malformed }
  }

  /// The flows that agree with the prices at its ends, of which that at `to` is `difference` above
  /// that at `from` (rules 8.3): a flow implies a difference of the fee at least, a difference
  /// above the fee a full line. In Wh from `from` to `to`, below zero the other way.
  func flows(at difference: Int64) -> ClosedRange<Int64> {
    if difference > fee.raw { return forth...forth }
    if difference < -fee.raw { return -back...(-back) }
    return (difference == -fee.raw ? -back : 0)...(difference == fee.raw ? forth : 0)
  }
}
