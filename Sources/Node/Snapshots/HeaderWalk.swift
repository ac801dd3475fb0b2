import Consensus
import Domain
import Storage

/// What is wrong with something that a peer sent.
struct PeerFault: Error, Hashable {
  var reason: String

  init(_ reason: String) { self.reason = reason }
}

/// A header that must be final, and who must have said so.
struct FinalityClaim: Sendable {
  var header: BlockHeader
  var hash: Digest
  var finalization: [UInt8]
  var validators: [PublicKey]

  /// Whether a quorum of the validators has made the block final.
  var holds: Bool {
    guard let proof = try? FinalityProof(decoding: finalization) else { return false }
    return proof.verify(
      hash: hash, view: header.view, header: header, validators: validators, chain: header.chain)
  }

  /// Claims that one task checks: some milliseconds of work.
  private static let pieceSize = 32

  /// Throws at a claim that does not hold.
  static func check(_ claims: [FinalityClaim]) async throws(PeerFault) {
    let failed = await withTaskGroup(of: UInt64?.self) { group in
      for start in stride(from: 0, to: claims.count, by: pieceSize) {
        let piece = claims[start..<min(start + pieceSize, claims.count)]
        group.addTask(priority: .low) { piece.first { !$0.holds }?.header.height }
      }
      return await group.reduce(UInt64?.none) { lowest, height in
        [lowest, height].compactMap { $0 }.min()
      }
    }
    if let failed { throw PeerFault("the finalization of block \(failed) does not verify") }
  }
}

/// A walk along headers that a peer sent: each must continue the one before.
struct HeaderWalk: Sendable {
  let chain: ChainID
  /// State root of the genesis, which only a block that attests it names.
  let genesisRoot: Digest
  /// No chain comes near it, and sums of heights stay in range.
  private static let heights: UInt64 = 1 << 60

  private(set) var height: UInt64 = 0
  private(set) var hash: Digest
  private var view: UInt64 = 0
  private var time: Timestamp

  init(genesis: some ChainGenesis, genesisRoot: Digest) {
    chain = genesis.chainID
    self.genesisRoot = genesisRoot
    hash = chain
    time = Timestamp(seconds: genesis.calendar.origin)
  }

  /// Begins at any header; what is before it is not known.
  init(
    at first: SentHeader, genesis: some ChainGenesis, genesisRoot: Digest
  ) throws(PeerFault) {
    self.init(genesis: genesis, genesisRoot: genesisRoot)
    let header = try Self.decode(first.bytes, next: nil)
    guard header.chain == chain else { throw PeerFault("a header of another chain") }
    guard header.height < Self.heights else {
      throw PeerFault("a header of height \(header.height)")
    }
    take(header, first.bytes)
  }

  /// The next header. Throws what is wrong with it.
  mutating func step(to sent: SentHeader) throws(PeerFault) -> BlockHeader {
    let next = height + 1
    let header = try Self.decode(sent.bytes, next: next)
    guard header.chain == chain, header.height == next, header.parent == hash,
      header.parentView == view, header.view > view, header.time > time
    else { throw PeerFault("header \(next) does not continue the chain") }
    guard header.attested.height < next else {
      throw PeerFault("header \(next) attests block \(header.attested.height)")
    }
    guard header.attested.height > 0 || header.attested.stateRoot == genesisRoot else {
      throw PeerFault("header \(next) attests another state of the genesis")
    }
    take(header, sent.bytes)
    return header
  }

  private mutating func take(_ header: BlockHeader, _ bytes: [UInt8]) {
    height = header.height
    hash = Digest.sha256(bytes)
    view = header.view
    time = header.time
  }

  private static func decode(_ bytes: [UInt8], next: UInt64?) throws(PeerFault) -> BlockHeader {
    do throws(Rejection) {
      var reader = CanonicalReader(bytes)
      let header = try BlockHeader(from: &reader)
      try reader.finish()
      return header
    } catch {
      throw PeerFault("header \(next.map { "\($0)" } ?? "") cannot be read")
    }
  }
}

extension HeaderWalk {
  /// Walks along a page of headers up to block `end`, whose hash is known to be `endHash`, checks
  /// every finalization in it, and gives the headers that are proven by one of them, or by
  /// standing below `end`. The walk is then at the last of these.
  mutating func prove(
    _ page: [SentHeader], through end: UInt64, _ endHash: Digest, epochs: EpochTable
  ) async throws(PeerFault) -> [SentHeader] {
    var claims: [FinalityClaim] = []
    var proven = (count: 0, walk: self)
    for (index, sent) in page.enumerated() {
      guard height < end else { throw PeerFault("more headers than were asked for") }
      let header = try step(to: sent)
      let set = epochs.set(of: header.height)
      guard header.epoch == set.epoch else {
        throw PeerFault("header \(height) is of epoch \(header.epoch), not \(set.epoch)")
      }
      if !sent.finalization.isEmpty {
        claims.append(
          FinalityClaim(
            header: header, hash: hash, finalization: sent.finalization,
            validators: set.validators))
        proven = (index + 1, self)
      }
      if height == end {
        guard hash == endHash else {
          throw PeerFault("its headers lead to another block \(end) than was proven")
        }
        proven = (index + 1, self)
      }
    }
    guard proven.count > 0 else {
      throw PeerFault("no proof among \(page.count) headers behind block \(proven.walk.height)")
    }
    try await FinalityClaim.check(claims)
    self = proven.walk
    return Array(page[..<proven.count])
  }
}
