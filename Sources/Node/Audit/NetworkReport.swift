import Domain

/// What an audit across chains found: a backbone and grids of it.
package struct NetworkReport: Sendable, Encodable {
  /// An asset of one grid, in its smallest unit. With a chain of the grid that was audited,
  /// `supply` and what is under way make `reserve`.
  package struct Backing: Sendable, Encodable {
    package var supply: Int64
    /// In packets of the grid that the backbone has not executed.
    package var toBackbone: Int64
    /// In packets of the backbone that the grid has not executed, refunds included; below zero
    /// when payments for coupling rounds are.
    package var toGrid: Int64
    package var reserve: Int64
  }

  /// Packets of one direction.
  package struct Way: Sendable, Encodable {
    package var sent: UInt64
    package var executed: UInt64
  }

  package struct Grid: Sendable, Encodable {
    /// As the backbone's registry has it; empty of a grid that is not entered.
    package var name: String
    package var audit: AuditReport
    /// Whether it signed two histories, and its lane stands.
    package var isFrozen: Bool
    package var toBackbone: Way
    package var toGrid: Way
    package var money: Backing
    package var tsl: Backing
    package var ect: Backing
  }

  package var backbone: AuditReport
  /// Chains that were given of the backbone, all of them one history.
  package var replicas: Int
  package var grids: [Grid]
  /// Registered grids of which no chain was given: only the backbone's side of their lanes was
  /// checked.
  package var gridsNotGiven: [String]
  /// Energy that left grids for others in all rounds, mWh.
  package var exchanged: Int64
  /// What lines earned, and the roundings, µ¤.
  package var wheeling: Int64
  package var rent: Int64
  package var fund: Int64
  /// Money that the gateway has issued, and paid out, µ¤.
  package var issued: String
  package var withdrawn: String
  /// TSL that no grid has, and all that exist, micro-tokens.
  package var treasury: Int64
  package var storageTokens: Int64
}
