import Domain

/// Every bound of the backbone's tables, by name.
package enum BackboneLimits {
  /// Grids in the registry, as many as a coupling round takes.
  package static let grids = 128
  /// Interconnectors, as many as a coupling round takes.
  package static let lines = 1024
  /// Accounts on the backbone: roles, validators, and owners of interconnectors, present and past.
  package static let accounts = 4096
  /// Withdrawals of one grid that wait for the gateway.
  package static let withdrawalsPerGrid = 256
  /// The newest proven headers of a grid that are remembered, so that a second history shows.
  package static let headersPerGrid = 32
  /// Largest clean power that a grid is rated at, mW.
  package static let cleanPower: Int64 = 1_000_000_000_000_000
  /// Transfers and withdrawals of one grid that the backbone has not answered.
  package static let underWay = 1 << 14
  /// Of these, what one account may have, so that no account can take every place. Accounts cost
  /// nothing but a payment: who opens sixteen can.
  package static let underWayPerAccount = 1 << 10
}
