import Consensus
import Domain
import Wire

/// How a node stands among the others of its chain: what the composition root tells `Status`.
package struct NetworkStatus: Hashable, Sendable {
  /// The nodes that this one is to talk to, in the order of its peers file.
  package var peers: [PeerLinkStatus]
  /// Pieces of evidence against validators that this node keeps.
  package var evidence: Int
  /// This node signs nothing until it is past what its lost disk may have signed.
  package var isAbstaining: Bool

  package init(peers: [PeerLinkStatus] = [], evidence: Int = 0, isAbstaining: Bool = false) {
    self.peers = peers
    self.evidence = evidence
    self.isAbstaining = isAbstaining
  }
}

/// What a number of validators means: n, f = (n − 1) / 3 of which may be faulty, q = n − f of
/// which make a certificate.
package struct ValidatorCounts: Hashable, Sendable, CustomStringConvertible {
  package var validators: Int
  package var faults: Int
  package var quorum: Int

  /// `count` is 1 or more.
  package init(of count: Int) {
    validators = count
    faults = Quorum.faults(of: count)
    quorum = Quorum.size(of: count)
  }

  package var description: String { "n = \(validators), f = \(faults), q = \(quorum)" }
}

extension Intertie_V1_PeerStatus {
  init(_ peer: PeerLinkStatus, ownView: UInt64) {
    self.init()
    key = peer.key.data
    address = "\(peer.address)"
    isOutgoingConnected = peer.outgoing != nil
    isIncomingConnected = peer.incoming != nil
    view = peer.newestView
    lagViews = ownView > peer.newestView ? ownView - peer.newestView : 0
    dropped = peer.dropped
  }
}
