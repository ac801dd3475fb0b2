/// A grid as the backbone's operator enters it into the registry. It starts with nothing: money
/// comes to it by the gateway, TSL by the operator, so that its reserve backs both from the first
/// unit on.
package struct GridRegistration: Hashable, Sendable {
  /// The digest of the grid's genesis.
  package var grid: ChainID
  /// For people, as `ChainName` allows; several grids may have one name.
  package var name: String
  package var `operator`: AccountID
  /// Of the grid's first epoch.
  package var validators: [PublicKey]

  package init(grid: ChainID, name: String, operator: AccountID, validators: [PublicKey]) {
    self.grid = grid
    self.name = name
    self.operator = `operator`
    self.validators = validators
  }

  /// What the operator enters for the grid of this genesis. Throws `malformed` for a genesis with
  /// faults, of a grid of its own, or of another backbone's grid.
  package init(of genesis: Genesis, on backbone: ChainID) throws(Rejection) {
    guard genesis.faults.isEmpty, genesis.backbone?.chainID == backbone else {
      throw .malformed
    }
    self.init(
      grid: genesis.chainID, name: genesis.name, operator: genesis.roles.operator,
      validators: genesis.validators)
  }
}
