import Consensus
import Domain
import Storage

/// Bounds of catching up by snapshot.
package enum SnapshotLimits {
  /// Bytes of one message.
  static let pieceBytes = 256 << 10
  /// From the snapshot's header to the one whose finalization proves it.
  static let proofHeaders = 1024
  /// Headers of one request. More blocks in a row never become final by one certificate: it is
  /// the number of views that the consensus keeps.
  static let pageHeaders = Int(ConsensusLimits.views)
  /// Bytes of the headers and finalizations of one answer.
  static let pageBytes = 64 << 20
  /// Headers that are read from storage at a time.
  static let headersPerRead = 512
  /// Chunks of a state, and the bytes of a name.
  static let chunks = 1 << 16
  static let chunkName = 64
  /// Bytes of one chunk, and of all.
  static let chunkBytes = 1 << 30
  static let stateBytes = 8 << 30
  /// Bytes of the chunks that say who validates: they are fetched before anything is proven.
  static let registryBytes = 16 << 20
  /// Transfers under way at one node, all peers together, and of one peer.
  static let transfers = 16
  static let transfersPerPeer = 2
  /// In which an offer must be there, and any other transfer be done.
  static let offerSeconds: Int64 = 10
  /// How long others are waited for when one peer has answered.
  static let patienceSeconds: Int64 = 2
  static let transferSeconds: Int64 = 300
}

/// The state after a block, as a node offers it to one that joins; nothing of it is verified.
package struct SnapshotOffer: Hashable, Sendable {
  /// The last block that the state includes.
  package var height: UInt64
  /// With the digest over `chunks` this makes the state root.
  package var accountsRoot: Digest
  /// The lowest height whose block the node still has whole.
  package var keptFrom: UInt64
  package var chunks: [SnapshotManifest.Chunk]
  /// From `height` on. One attests the state; the last one's finalization proves them all.
  package var headers: [SentHeader]

  package init(
    height: UInt64, accountsRoot: Digest, keptFrom: UInt64, chunks: [SnapshotManifest.Chunk],
    headers: [SentHeader]
  ) {
    self.height = height
    self.accountsRoot = accountsRoot
    self.keptFrom = keptFrom
    self.chunks = chunks
    self.headers = headers
  }

  /// The state root that the list of chunks has.
  var stateRoot: Digest {
    StateRoot.compose(accounts: accountsRoot, checkpoint: StateRoot.digest(of: chunks))
  }
}

extension StateRoot {
  /// As over the chunks themselves.
  static func digest(of chunks: [SnapshotManifest.Chunk]) -> Digest {
    digest(of: chunks.map { StateChunk(name: $0.name, digest: $0.digest, bytes: []) })
  }
}

/// A node that has what another one lacks.
package struct SnapshotSource: Sendable {
  /// For people: what is wrong with an answer is said of this name.
  package var name: String
  /// Nil when it has no state that it can prove.
  package var offer: @Sendable () async throws -> SnapshotOffer?
  /// Headers from a height on, ascending, at most so many.
  package var headers: @Sendable (UInt64, Int) async throws -> [SentHeader]
  /// The chunk of that digest, at most so many bytes; nil when it has none.
  package var chunk: @Sendable (Digest, Int) async throws -> [UInt8]?

  package init(
    name: String, offer: @escaping @Sendable () async throws -> SnapshotOffer?,
    headers: @escaping @Sendable (UInt64, Int) async throws -> [SentHeader],
    chunk: @escaping @Sendable (Digest, Int) async throws -> [UInt8]?
  ) {
    self.name = name
    self.offer = offer
    self.headers = headers
    self.chunk = chunk
  }
}
