import Domain
import Storage

/// An offer that was held against the genesis: its header is final, and a final header attests
/// the state that its chunks make.
struct ProvenOffer: Sendable {
  let height: UInt64
  /// Of the block at that height.
  let hash: Digest
  let attested: Attestation
  let accountsRoot: Digest
  let chunks: [SnapshotManifest.Chunk]
  let epochs: EpochTable
}

/// An offer whose own parts agree; who signed it is not known yet.
struct CoherentOffer: Sendable {
  let offer: SnapshotOffer
  /// Hash of the snapshot's header.
  let hash: Digest
  let attested: Attestation
  let last: BlockHeader
  let lastHash: Digest

  /// Throws what is wrong with the offer, without a signature being checked.
  init(
    _ offer: SnapshotOffer, genesis: some ChainGenesis, genesisRoot: Digest
  ) throws(PeerFault) {
    try Self.checkSizes(offer)
    guard let first = offer.headers.first, offer.headers.count > 1,
      let finalization = offer.headers.last?.finalization, !finalization.isEmpty
    else { throw PeerFault("an offer without a proof") }
    var walk = try HeaderWalk(at: first, genesis: genesis, genesisRoot: genesisRoot)
    guard walk.height == offer.height else {
      throw PeerFault("the header of block \(walk.height) with an offer of \(offer.height)")
    }
    hash = walk.hash
    var headers: [BlockHeader] = []
    for sent in offer.headers.dropFirst() { headers.append(try walk.step(to: sent)) }
    guard let attested = headers.first(where: { $0.attested.height == offer.height })?.attested
    else { throw PeerFault("no header attests the state of block \(offer.height)") }
    guard offer.stateRoot == attested.stateRoot else {
      throw PeerFault("its chunks do not make the state root that is attested")
    }
    guard headers.allSatisfy({ $0.epoch == headers[0].epoch }) else {
      throw PeerFault("its proof runs over the end of an epoch")
    }
    self.offer = offer
    self.attested = attested
    last = headers[headers.count - 1]
    lastHash = walk.hash
  }

  private static func checkSizes(_ offer: SnapshotOffer) throws(PeerFault) {
    guard offer.height > 0, offer.headers.count <= SnapshotLimits.proofHeaders else {
      throw PeerFault("an offer of \(offer.headers.count) headers")
    }
    guard offer.chunks.count <= SnapshotLimits.chunks else {
      throw PeerFault("an offer of \(offer.chunks.count) chunks")
    }
    var total = 0
    for chunk in offer.chunks {
      guard (0...SnapshotLimits.chunkBytes).contains(chunk.size),
        chunk.name.utf8.count <= SnapshotLimits.chunkName
      else { throw PeerFault("a chunk of \(chunk.size) bytes, named \(chunk.name.prefix(80))") }
      total += chunk.size
    }
    guard total <= SnapshotLimits.stateBytes else {
      throw PeerFault("a state of \(total) bytes")
    }
  }

  /// Proves it by the signatures of the validators whom `epochs` names.
  func prove(_ epochs: EpochTable) async throws(PeerFault) -> ProvenOffer {
    let set = epochs.newest
    guard last.epoch == set.epoch, offer.height >= set.sealedAt else {
      throw PeerFault("a proof of epoch \(last.epoch) with the validators of \(set.epoch)")
    }
    try await FinalityClaim.check([
      FinalityClaim(
        header: last, hash: lastHash,
        finalization: offer.headers[offer.headers.count - 1].finalization,
        validators: set.validators)
    ])
    return ProvenOffer(
      height: offer.height, hash: hash, attested: attested, accountsRoot: offer.accountsRoot,
      chunks: offer.chunks, epochs: epochs)
  }
}
