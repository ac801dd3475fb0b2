import Domain

/// What a snapshot consists of, without the chunks' bytes.
package struct SnapshotManifest: Hashable, Sendable {
  package struct Chunk: Hashable, Sendable {
    package var name: String
    package var digest: Digest
    /// Bytes.
    package var size: Int

    package init(name: String, digest: Digest, size: Int) {
      self.name = name
      self.digest = digest
      self.size = size
    }
  }

  /// The last block that the state includes.
  package var height: UInt64
  package var stateRoot: Digest
  package var accountsRoot: Digest
  /// In the snapshot's order.
  package var chunks: [Chunk]

  package init(height: UInt64, stateRoot: Digest, accountsRoot: Digest, chunks: [Chunk]) {
    self.height = height
    self.stateRoot = stateRoot
    self.accountsRoot = accountsRoot
    self.chunks = chunks
  }
}
