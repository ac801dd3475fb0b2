import Domain
import Foundation
import Wire

/// Whether a chain can go on, as far as one node knows.
struct ChainHealth {
  private let failure: String
  private let present: Int
  private let validators: Int
  private let quorum: Int

  init(_ status: Intertie_V1_StatusResponse) {
    self.init(
      failure: status.failure, peers: status.peers, validators: status.validators,
      quorum: status.quorum, hasPlace: status.hasPlace)
  }

  /// Of the backbone.
  init(_ overview: Intertie_V1_OverviewResponse) {
    self.init(
      failure: overview.failure, peers: overview.links, validators: overview.validators,
      quorum: overview.quorum, hasPlace: overview.hasPlace)
  }

  private init(
    failure: String, peers: [Intertie_V1_PeerStatus], validators: [Data], quorum: UInt32,
    hasPlace: Bool
  ) {
    self.failure = failure
    self.validators = validators.count
    self.quorum = Int(quorum)
    let reached = peers.count {
      ($0.isOutgoingConnected || $0.isIncomingConnected) && validators.contains($0.key)
    }
    present = reached + (hasPlace ? 1 : 0)
  }

  /// What keeps the chain from going on; nil for nothing that this node knows of.
  var obstacle: String? {
    guard failure.isEmpty else { return failure }
    guard present < quorum else { return nil }
    return "\(present) of \(validators) validators are in reach of this node, \(quorum) must "
      + "agree; nothing becomes final before"
  }

  /// For the rows of a status.
  var text: String {
    guard let obstacle else { return "running" }
    return failure.isEmpty ? "waiting: \(obstacle)" : obstacle
  }
}
