import Consensus

/// Where this node's consensus stands, for `Status` and metrics.
package struct ConsensusStanding: Hashable, Sendable {
  package var view: UInt64 = 0
  /// View of the newest executed block.
  package var floor: UInt64 = 0
  package var isAbstaining = false
  /// The newest view in which each validator was seen, in their order.
  package var newestViews: [UInt64] = []

  package init() {}

  init(_ core: ConsensusCore) {
    view = core.view
    floor = core.floor.view
    isAbstaining = core.isAbstaining
    newestViews = core.configuration.validators.indices.map { core.newestView(of: UInt16($0)) }
  }
}
