import Domain

/// Every bound on one round of market coupling, by name.
///
/// Together they keep all sums of a round within 64 bits: what is sold in all grids stays below
/// 1.3 × 10^11 Wh, and what all importers pay, which is also the most that all exporters and all
/// interconnectors' owners can get, below 1.3 × 10^18 µ¤.
package enum CouplingLimits {
  /// Grids in one round.
  package static let grids = 128
  /// Interconnectors in one round.
  package static let lines = 1024
  /// Price steps of one side of a bid.
  package static let steps = 64
  /// What the steps of one side of a bid add up to, Wh: 1 GWh, as the largest order.
  package static let sideWattHours: Int64 = 1_000_000_000
  /// What an interconnector carries in one direction in one round, Wh: 1 TWh, more than all grids
  /// together can sell.
  package static let lineWattHours = Limits.lineWattHours
}
