import Domain
import GRPCCore
import Logging
import Storage
import Wire

extension SnapshotService {
  /// For the peer port.
  init(onPeerPort store: Store) {
    self.init(SnapshotArchive(store)) { try $0.peerKey() }
  }
}

extension PeerNetwork {
  /// Runs `body` with all peers as sources, each over a connection that lasts as long.
  func withSources<T: Sendable>(_ body: ([SnapshotSource]) async throws -> T) async throws -> T {
    try await withSources(of: roster.peers.map(\.key)[...], [], body)
  }

  private func withSources<T: Sendable>(
    of keys: ArraySlice<PublicKey>, _ sources: [SnapshotSource],
    _ body: ([SnapshotSource]) async throws -> T
  ) async throws -> T {
    guard let key = keys.first else { return try await body(sources) }
    return try await withConnection(to: key) { client in
      try await withSources(
        of: keys.dropFirst(),
        sources + [SnapshotSource(client, name: key.text(as: .node))], body)
    }
  }
}

extension SnapshotJoin {
  /// A node without a block asks its peers for a state, and takes one that can be proven if it
  /// lacks many blocks or can get them no more. Throws only for what is wrong here: without a
  /// usable peer the node starts from the genesis.
  static func join(_ store: Store, _ configuration: ChainConfiguration<State.Genesis>)
    async throws(NodeFailure)
  {
    guard store.latestHeight == 0, let peers = configuration.peers else { return }
    let genesis = configuration.genesis
    let log = configuration.log
    if store.startedOver { log.notice("a state that was half fetched is fetched again") }
    let network = try PeerNetwork(
      peers, chain: genesis.chainID,
      validators: { EpochValidators(epoch: 1, keys: genesis.validators) },
      verifier: Verifier(chain: genesis.chainID, kinds: State.kinds),
      sieve: VoteSieve(epoch: 1, floor: 0, view: 1),
      receive: { _ in })
    let report: JoinReport
    do {
      report = try await network.withSources { sources in
        var join = SnapshotJoin(store: store, genesis: genesis)
        return try await join.run(sources)
      }
    } catch let failure as NodeFailure {
      throw failure
    } catch {
      throw .stopped("\(error)")
    }
    for peer in report.dropped {
      let reason =
        PeerRefusal.isMeant(by: peer.reason)
        ? PeerRefusal.text(own: peers.key.publicKey) : peer.reason
      log.warning(
        "no state from this peer", metadata: ["peer": "\(peer.name)", "reason": "\(reason)"])
    }
    guard let height = report.height else { return }
    log.notice("joined by a state", metadata: ["height": "\(height)"])
  }
}
