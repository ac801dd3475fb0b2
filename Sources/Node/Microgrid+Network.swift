import Consensus
import Domain
import Storage

extension Microgrid {
  /// The links to the other nodes; nil for a node without peers. Throws `invalid` with what is
  /// wrong with the peers file.
  static func network(
    _ configuration: NodeConfiguration, view: ReadView, verifier: Verifier, inbox: Inbox,
    floor: ChainPoint, store: Store
  ) throws(NodeFailure) -> PeerNetwork? {
    guard let peers = configuration.peers else { return nil }
    let registry = view.registry
    return try PeerNetwork(
      peers, chain: configuration.genesis.chainID,
      validators: {
        let registry = view.registry
        return EpochValidators(epoch: registry.epoch, keys: registry.validators)
      }, verifier: verifier,
      sieve: VoteSieve(epoch: registry.epoch, floor: floor.view, view: floor.view + 1),
      receive: { delivery in
        await inbox.deliver(
          ReplicaInput(delivery), from: delivery.from, bytes: delivery.weight)
      }, services: [SnapshotService(onPeerPort: store)])
  }

  /// How this node stands among the others, as of now.
  package var networkStatus: NetworkStatus {
    NetworkStatus(
      peers: network?.status ?? [], evidence: Int(store.evidenceCount),
      isAbstaining: view.standing.isAbstaining)
  }
}

extension ReplicaInput {
  init(_ delivery: PeerDelivery) {
    switch delivery.content {
    case .connected: self = .connected(delivery.from)
    case .consensus(let message): self = .message(message, from: delivery.from)
    case .entries(let entries): self = .entries(entries)
    }
  }
}

extension PeerDelivery {
  /// About as many bytes as it takes in memory.
  var weight: Int {
    switch content {
    case .connected: 64
    case .consensus(.proposal(let block, _)): 512 + block.body.count
    case .consensus(.answer(let answer)):
      512 * (1 + answer.certificates.count + answer.blocks.count)
        + answer.blocks.reduce(0) { $0 + $1.body.count }
    case .consensus: 512
    case .entries(let entries): entries.reduce(64) { $0 + 256 + $1.encodedSize }
    }
  }
}
