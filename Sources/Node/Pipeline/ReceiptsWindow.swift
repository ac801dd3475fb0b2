import Domain

/// The receipts that headers have yet to attest: those of the newest blocks.
///
/// A header attests the newest block that its proposer had executed, and passes over others. So
/// what it attests as a block's receipts root covers all blocks behind the highest that the block's
/// own header, or one before it, attests, each by the root of its own receipts; see `OutboxWindow`
/// for why none is left out. With this every receipt has a proof, whatever headers pass over.
package struct ReceiptsWindow: Hashable, Sendable {
  /// A block with entries.
  package struct Block: Hashable, Sendable {
    package let height: UInt64
    /// Of its receipts alone.
    package let root: Digest

    package init(height: UInt64, root: Digest) {
      self.height = height
      self.root = root
    }

    /// SHA-256(0x00 ‖ height ‖ root).
    package var leaf: Digest {
      var writer = CanonicalWriter(capacity: 40)
      writer.write(height)
      writer.write(root)
      return MerkleTree.leaf(writer.bytes)
    }
  }

  private static let chunkName = "receipts/window"
  /// By height, ascending.
  private var blocks: [Block] = []

  package init() {}

  /// Of these blocks, by height, ascending.
  package init(_ blocks: [Block]) { self.blocks = blocks }

  /// Takes the receipts of the block's entries, and forgets what its header attests.
  mutating func add(_ receipts: [Receipt], of block: DecidedBlock) {
    blocks.removeAll { $0.height <= block.header.attested.height }
    guard !receipts.isEmpty else { return }
    blocks.append(Block(height: block.header.height, root: block.receiptsRoot(receipts)))
  }

  /// Of a Merkle tree over the blocks; of none, SHA-256 of nothing.
  package func root() -> Digest {
    var tree = tree
    return tree.root()
  }

  /// The path of the block at `height`; nil when it is not here.
  package func proof(of height: UInt64) -> MerkleProof? {
    guard let place = blocks.firstIndex(where: { $0.height == height }) else { return nil }
    var tree = tree
    return tree.proof(of: place)
  }

  private var tree: MerkleTree { MerkleTree(leaves: blocks.map(\.leaf)) }

  var chunk: StateChunk {
    var writer = CanonicalWriter(capacity: 4 + 40 * blocks.count)
    writer.write(UInt32(blocks.count))
    for block in blocks {
      writer.write(block.height)
      writer.write(block.root)
    }
    return StateChunk(name: Self.chunkName, bytes: writer.bytes)
  }

  /// What gave this one chunk. Throws `malformed`.
  init(chunks: [StateChunk]) throws(Rejection) {
    guard chunks.count == 1, chunks[0].name == Self.chunkName else { throw .malformed }
    var reader = CanonicalReader(chunks[0].bytes)
    for _ in 0..<(try reader.readCount(elementSize: 40)) {
      let block = Block(height: try reader.read(UInt64.self), root: try reader.readDigest())
      guard blocks.last.map({ $0.height < block.height }) ?? true else { throw .malformed }
      blocks.append(block)
    }
    try reader.finish()
  }
}
