/// A part of a core's state, in canonical bytes.
///
/// The digest of a snapshot is taken over the names and digests of its chunks in order, so that
/// unchanged chunks are neither hashed nor stored again.
package struct StateChunk: Hashable, Sendable {
  package var name: String
  package var digest: Digest
  package var bytes: [UInt8]

  package init(name: String, bytes: [UInt8]) {
    self.name = name
    self.digest = Digest.sha256(bytes)
    self.bytes = bytes
  }

  /// For a chunk whose digest is kept beside its bytes.
  package init(name: String, digest: Digest, bytes: [UInt8]) {
    self.name = name
    self.digest = digest
    self.bytes = bytes
  }
}
