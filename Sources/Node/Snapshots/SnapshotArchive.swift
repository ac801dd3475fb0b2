import Domain
import Storage

/// What a node can give to one that joins, read from its storage, a few reads at a time and apart
/// from those of clients.
package struct SnapshotArchive: Sendable {
  private let reader: StoreReader

  package init(_ store: Store) { reader = StoreReader(store, for: .peers) }

  /// The newest state that a final header attests; nil if there is none.
  package func offer() async throws(NodeFailure) -> SnapshotOffer? {
    try await reader.read { store in
      for manifest in try store.manifests() where manifest.height > 0 {
        guard let headers = try Self.proof(of: manifest, in: store) else { continue }
        let offer = SnapshotOffer(
          height: manifest.height, accountsRoot: manifest.accountsRoot,
          keptFrom: max(try store.counts().prunedBelow, 1), chunks: manifest.chunks,
          headers: headers)
        if offer.stateRoot == manifest.stateRoot { return offer }
      }
      return nil
    }
  }

  /// The headers from the snapshot's on to the first that is proven final and has one before it,
  /// or is itself one, that attests the snapshot. All are of the epoch whose validators the
  /// snapshot names.
  private static func proof(of manifest: SnapshotManifest, in store: Store) throws
    -> [SentHeader]?
  {
    guard let attesting = try store.attesting(height: manifest.height),
      let final = try store.finalization(
        atOrAbove: attesting.height, limit: SnapshotLimits.proofHeaders),
      final.height - manifest.height < SnapshotLimits.proofHeaders
    else { return nil }
    let heads = try store.headers(
      from: manifest.height, limit: Int(final.height - manifest.height) + 1)
    let headers = try heads.map { try $0.decoded() }
    let isOneEpoch = headers.dropFirst().allSatisfy { $0.epoch == headers.last?.epoch }
    guard isOneEpoch, heads.last?.height == final.height else { return nil }
    return heads.map { head in
      SentHeader(
        bytes: head.bytes, finalization: head.height == final.height ? head.finalization : [])
    }
  }

  /// Headers from `from` on, at most `limit`; none behind one with a finalization once they have
  /// come to many bytes.
  package func headers(from: UInt64, limit: Int) async throws(NodeFailure) -> [SentHeader] {
    try await reader.read { store in
      var headers: [SentHeader] = []
      var bytes = 0
      while headers.count < limit {
        let step = min(limit - headers.count, SnapshotLimits.headersPerRead)
        let heads = try store.headers(from: from + UInt64(headers.count), limit: step)
        for head in heads {
          headers.append(SentHeader(bytes: head.bytes, finalization: head.finalization))
          bytes += head.bytes.count + head.finalization.count
          if bytes > SnapshotLimits.pageBytes / 4, !head.finalization.isEmpty { return headers }
        }
        if heads.count < step { break }
      }
      return headers
    }
  }

  /// The chunk of that digest; nil if no kept snapshot has it.
  package func chunk(_ digest: Digest) async throws(NodeFailure) -> [UInt8]? {
    try await reader.read { try $0.chunk(digest) }
  }

  /// This archive as a source, without a network between.
  package func source(named name: String) -> SnapshotSource {
    SnapshotSource(
      name: name, offer: { try await offer() },
      headers: { try await headers(from: $0, limit: $1) },
      chunk: { digest, _ in try await chunk(digest) })
  }
}
