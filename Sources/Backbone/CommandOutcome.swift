import Domain

/// What the backbone makes of a block's commands.
package struct CommandOutcome: Sendable {
  /// One for each command, in their order, but for those that are in `validators`: they get theirs
  /// from the registry of validators.
  package var receipts: [PlacedReceipt] = []
  /// Proposals and acceptances whose form, signer, sequence and role were checked.
  package var validators: [ValidatorInstruction] = []

  package init() {}
}
