import Consensus
import Domain
import Storage

/// A peer that was left out of a joining, and why.
package struct DroppedPeer: Hashable, Sendable {
  package var name: String
  package var reason: String

  package init(name: String, reason: String) {
    self.name = name
    self.reason = reason
  }
}

/// What a joining came to.
package struct JoinReport: Hashable, Sendable {
  /// Height of the state that is stored now; nil when the chain must be fetched block by block.
  package var height: UInt64?
  package var stateRoot: Digest?
  package var dropped: [DroppedPeer] = []

  package init() {}
}

/// How a node without a block catches up with a chain that is far ahead, or whose first blocks
/// nobody keeps: it takes a state, checks it against the genesis, and stores it with all headers.
///
/// Peers may lie. What one sends is stored only once it is proven; what is wrong is said with the
/// peer's name, and the peer is not asked again. In order: an offer whose parts agree; who
/// validates, from the genesis on; their signatures under the offer; the state's parts, each under
/// its digest, and the state that they make under its root; last the headers, hash by hash, with
/// every finalization. Memory is bounded by the state, which the node needs anyhow, and one page of
/// headers.
package struct SnapshotJoin<State: RestorableState>: Sendable {
  private let store: Store
  private let genesis: State.Genesis
  private var peers: [SnapshotSource] = []
  private var report = JoinReport()
  private let joinBlocks: UInt64

  /// `joinBlocks`: height of a state from which on it is taken rather than all blocks.
  package init(
    store: Store, genesis: State.Genesis, joinBlocks: UInt64 = Limits.joinBlocks
  ) {
    self.store = store
    self.genesis = genesis
    self.joinBlocks = joinBlocks
  }

  /// Joins by what `sources` offer, if the store is empty and it is worth it. Peers that are of no
  /// use do no harm: `height` of the report is nil when none has something that can be proven.
  ///
  /// Throws only for what is wrong here: the genesis or the storage. Cancelled, it leaves an empty
  /// store.
  package mutating func run(_ sources: [SnapshotSource]) async throws(NodeFailure) -> JoinReport {
    report = JoinReport()
    guard store.latestHeight == 0 else { return report }
    peers = sources
    let genesisRoot = try await genesisRoot()
    for (peer, offer) in await offers() where isWorthwhile(offer) {
      if Task.isCancelled { break }
      guard peers.contains(where: { $0.name == peer.name }) else { continue }
      do {
        let coherent = try CoherentOffer(offer, genesis: genesis, genesisRoot: genesisRoot)
        let proven = try await coherent.prove(try await epochs(of: coherent, from: peer))
        let state = try await state(of: proven, from: peer)
        try await install(state, proven, genesisRoot)
        report.height = proven.height
        report.stateRoot = proven.attested.stateRoot
        return report
      } catch let fault as PeerFault {
        drop(peer, fault.reason)
      } catch let failure as NodeFailure {
        throw failure
      } catch {
        drop(peer, "\(error)")
      }
    }
    return report
  }

  /// Whether to take a state rather than all blocks.
  private func isWorthwhile(_ offer: SnapshotOffer) -> Bool {
    offer.height >= joinBlocks || offer.keptFrom > 1
  }

  private mutating func drop(_ peer: SnapshotSource, _ reason: String) {
    peers.removeAll { $0.name == peer.name }
    if !report.dropped.contains(where: { $0.name == peer.name }) {
      report.dropped.append(DroppedPeer(name: peer.name, reason: reason))
    }
  }

  private func genesisRoot() async throws(NodeFailure) -> Digest {
    do {
      var state = try await State(genesis: genesis)
      return state.roots().state
    } catch { throw .invalid("the genesis gives no state to start from (\(error))") }
  }

  /// The peers' offers, the highest first, equal ones in the order of the peers. Once one has
  /// answered, the others have a moment left: a node that stands still must not hold up a start.
  private mutating func offers() async -> [(SnapshotSource, SnapshotOffer)] {
    let peers = peers
    let answers = await withTaskGroup(of: OfferAnswer?.self) { group in
      for (place, peer) in peers.enumerated() {
        group.addTask { await OfferAnswer(place: place, of: peer) }
      }
      var answers: [OfferAnswer] = []
      while answers.count < peers.count, let answer = await group.next(), let answer {
        if answer.fault == nil, !answers.contains(where: { $0.fault == nil }) {
          group.addTask {
            try? await Task.sleep(for: .seconds(SnapshotLimits.patienceSeconds))
            return nil
          }
        }
        answers.append(answer)
      }
      group.cancelAll()
      return answers
    }
    var offers: [(SnapshotSource, SnapshotOffer)] = []
    for answer in answers.sorted(by: { $0.place < $1.place }) {
      if let fault = answer.fault { drop(peers[answer.place], fault) }
      if let offer = answer.offer { offers.append((peers[answer.place], offer)) }
    }
    // A stable sort, which the library's own is not promised to be.
    return offers.enumerated().sorted { a, b in
      (a.element.1.height, b.offset) > (b.element.1.height, a.offset)
    }.map(\.element)
  }

  /// Who validates, up to the epoch of the offer: proven from the genesis on, by the part of the
  /// offered state that says so.
  private mutating func epochs(of offer: CoherentOffer, from peer: SnapshotSource)
    async throws -> EpochTable
  {
    if offer.last.epoch == 1 { return EpochTable(genesis: genesis) }
    let own = offer.offer.chunks.filter { $0.name.hasPrefix("validators/") }
    guard own.reduce(0, { $0 + $1.size }) <= SnapshotLimits.registryBytes else {
      throw PeerFault("a history of validators of many bytes")
    }
    var chunks: [StateChunk] = []
    for chunk in own { chunks.append(try await fetch(chunk, from: peer)) }
    let registry: ValidatorRegistry
    do throws(Rejection) {
      registry = try ValidatorRegistry(
        chain: genesis.chainID, founders: genesis.validators, chunks: chunks)
    } catch {
      throw PeerFault("its history of validators cannot be read")
    }
    return try EpochTable(genesis: genesis, changes: registry.history)
  }

  // MARK: State

  /// The offered chunks, restored, and found to make the attested root.
  private mutating func state(of offer: ProvenOffer, from peer: SnapshotSource)
    async throws -> RestoredState<State>
  {
    var chunks: [StateChunk] = []
    chunks.reserveCapacity(offer.chunks.count)
    for chunk in offer.chunks { chunks.append(try await fetch(chunk, from: peer)) }
    return try RestoredState(genesis: genesis, chunks: chunks, offer: offer)
  }

  /// A chunk from the peer that offered it, or from another that has it. Throws when nobody has
  /// it, and when it is of another size than was offered.
  private mutating func fetch(_ chunk: SnapshotManifest.Chunk, from peer: SnapshotSource)
    async throws -> StateChunk
  {
    let others = peers.filter { $0.name != peer.name }
    for source in peers.filter({ $0.name == peer.name }) + others {
      try Task.checkCancellation()
      let isOfferer = source.name == peer.name
      do {
        let limit = isOfferer ? chunk.size : SnapshotLimits.chunkBytes
        guard let bytes = try await source.chunk(chunk.digest, limit) else {
          if isOfferer { throw PeerFault("it has no chunk \(chunk.name)") }
          continue
        }
        guard Digest.sha256(bytes) == chunk.digest else {
          throw PeerFault("chunk \(chunk.name) is not what its digest says")
        }
        if bytes.count == chunk.size {
          return StateChunk(name: chunk.name, digest: chunk.digest, bytes: bytes)
        }
        // The bytes are right, whoever sent them; what was said of them is not.
        drop(
          peer,
          "chunk \(chunk.name) was offered with \(chunk.size) bytes and has \(bytes.count)")
        break
      } catch {
        drop(source, (error as? PeerFault)?.reason ?? "\(error)")
      }
    }
    throw PeerFault("nobody has chunk \(chunk.name)")
  }

  // MARK: Storing

  /// Stores the headers up to the offer's, each proven, and then the state.
  private mutating func install(_ state: RestoredState<State>, _ offer: ProvenOffer, _ root: Digest)
    async throws
  {
    try storing { try $0.beginInstall() }
    do {
      var walk = HeaderWalk(genesis: genesis, genesisRoot: root)
      while walk.height < offer.height {
        try Task.checkCancellation()
        let headers = try await page(&walk, offer)
        try storing { try $0.install(headers) }
      }
      try storing { store in
        try store.finishInstall(
          state.snapshot, attested: BlockRoots(offer.attested), totals: state.totals,
          outbox: try StoredOutbox(state.outbox, at: offer.height, in: store))
      }
    } catch {
      try storing { try $0.abandonInstall() }
      throw error
    }
  }

  /// The next proven headers, from the first peer that has them.
  private mutating func page(_ walk: inout HeaderWalk, _ offer: ProvenOffer)
    async throws -> [SentHeader]
  {
    while let source = peers.first {
      do {
        let limit = min(offer.height - walk.height, UInt64(SnapshotLimits.pageHeaders))
        let page = try await source.headers(walk.height + 1, Int(limit))
        guard !page.isEmpty else { throw PeerFault("it has no header \(walk.height + 1)") }
        var next = walk
        let proven = try await next.prove(
          page, through: offer.height, offer.hash, epochs: offer.epochs)
        walk = next
        return proven
      } catch {
        try Task.checkCancellation()
        drop(source, (error as? PeerFault)?.reason ?? "\(error)")
      }
    }
    throw PeerFault("nobody has the headers behind block \(walk.height)")
  }

  private func storing(_ body: (Store) throws -> Void) throws(NodeFailure) {
    try Recovery.storing { try body(store) }
  }
}

/// What came of asking a peer for its offer. A type of its own: as a tuple, Swift 6.3.1's optimiser
/// loses the place on the way out of the task.
private struct OfferAnswer: Sendable {
  let place: Int
  var offer: SnapshotOffer?
  var fault: String?

  init(place: Int, of peer: SnapshotSource) async {
    self.place = place
    do { offer = try await peer.offer() } catch { fault = "\(error)" }
  }
}

/// A state that was put together from chunks and has the root that is attested.
private struct RestoredState<State: RestorableState>: Sendable {
  let snapshot: StoredSnapshot
  let totals: ChainTotals
  let outbox: OutboxWindow

  init(genesis: State.Genesis, chunks: [StateChunk], offer: ProvenOffer) throws(PeerFault) {
    let roots: (state: Digest, outbox: Digest)
    do throws(Rejection) {
      var state = try State(genesis: genesis, chunks: chunks)
      roots = state.roots()
      totals = state.totals
      outbox = state.outbox
    } catch {
      throw PeerFault("its chunks do not make a state (\(error))")
    }
    guard roots.state == offer.attested.stateRoot, roots.outbox == offer.attested.outboxRoot else {
      throw PeerFault("the state of its chunks has other roots than are attested")
    }
    snapshot = StoredSnapshot(
      height: offer.height, stateRoot: roots.state, accountsRoot: offer.accountsRoot, chunks: chunks
    )
  }
}
