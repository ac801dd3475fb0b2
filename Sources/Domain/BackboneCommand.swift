/// What a role, or the owner of an interconnector, asks of the backbone, in a `Command` signed for
/// that chain.
package enum BackboneCommandBody: Hashable, Sendable {
  /// Operator: a new grid, as its genesis describes it. Nobody else enters one, so that strangers
  /// can neither fill the registry nor take another grid's id.
  case register(GridRegistration)
  /// Operator: a new interconnector, or new figures for one that is there.
  case putLine(Interconnector)
  /// Operator: the clean generation that a grid may be rewarded for.
  case rate(ChainID, cleanPower: Power)
  /// Operator: TSL from the backbone's own to an account of a grid.
  case grant(ChainID, to: AccountID, amount: StorageTokens)
  /// Oracle: an interconnector's wheeling fee.
  case setFee(line: UInt64, Price)
  /// Gateway: money that enters the network, for an account of a grid.
  case issue(ChainID, to: AccountID, amount: Money)
  /// Gateway: the withdrawal of this number was paid out.
  case payOut(withdrawal: UInt64)
  /// Any account of the backbone: money to an account of a grid.
  case pay(ChainID, to: AccountID, amount: Money)
}
