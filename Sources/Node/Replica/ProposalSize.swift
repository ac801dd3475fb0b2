import Domain

/// How many entries a proposal of this node has: what the other validators can check in time.
///
/// A block that takes longer to check than a view lasts is skipped, and all of its entries are
/// checked again in the next one: a chain with more to do than it can would do ever less. So a
/// large proposal whose view was skipped halves the size, and a large block that became final adds
/// an eighth. A validator that is down, whose views are skipped without a proposal, changes
/// nothing, nor do small blocks.
package struct ProposalSize: Sendable {
  private static let least = 64
  private var largest = Limits.proposedEntries

  package init() {}

  /// `validators`: of the epoch. One that is alone checks for nobody.
  package func entries(validators: Int) -> Int { validators > 1 ? largest : Limits.blockEntries }

  /// How many of them a node hands to the leader, who checks each: all do so at the same time, and
  /// its block takes from each in turn.
  package func handedOn(validators: Int) -> Int { max(1, 2 * largest / validators) }

  /// The view of a proposal with so many entries was skipped.
  package mutating func skipped(_ entries: Int) {
    if 2 * entries >= largest { largest = max(Self.least, largest / 2) }
  }

  /// A block of so many entries became final.
  package mutating func finished(_ entries: Int) {
    if 2 * entries >= largest { largest = min(Limits.proposedEntries, largest + largest / 8 + 1) }
  }
}
