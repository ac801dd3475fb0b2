/// A Merkle tree over a dense list of leaves, hashed as RFC 6962 (section 2.1) lays down: leaf
/// SHA-256(0x00 ‖ data), node SHA-256(0x01 ‖ left ‖ right), a lone right edge promoted. Leaves
/// can be appended and replaced; `root()` hashes only the paths that changed.
package struct MerkleTree: Sendable {
  /// `levels[0]` are the leaf hashes; each further level has half as many, rounded up.
  private var levels: [[Digest]] = [[]]
  /// Leaves whose paths are stale, unordered and with repeats.
  private var dirty: [Int] = []

  package init() {}

  package init(leaves: [Digest]) {
    levels = [leaves]
    dirty = Array(leaves.indices)
  }

  package var count: Int { levels[0].count }

  package mutating func append(_ leaf: Digest) {
    dirty.append(count)
    levels[0].append(leaf)
  }

  package mutating func replace(_ leaf: Digest, at index: Int) {
    guard levels[0][index] != leaf else { return }
    levels[0][index] = leaf
    dirty.append(index)
  }

  /// The root; of no leaves, SHA-256 of nothing.
  package mutating func root() -> Digest {
    guard count > 0 else { return Digest.sha256([]) }
    refresh()
    return levels[levels.count - 1][0]
  }

  /// The path from a leaf to the root, for the present leaves.
  package mutating func proof(of index: Int) -> MerkleProof {
    precondition(index < count, "a proof of a leaf that does not exist")
    refresh()
    var path: [Digest] = []
    var position = index
    for level in levels.dropLast() {
      let sibling = position ^ 1
      if sibling < level.count { path.append(level[sibling]) }
      position >>= 1
    }
    return MerkleProof(index: UInt64(index), count: UInt64(count), path: path)
  }

  private mutating func refresh() {
    guard !dirty.isEmpty else { return }
    if dirty.count > 1 { dirty.sort() }
    var stale = dirty
    dirty.removeAll(keepingCapacity: true)
    var depth = 0
    while levels[depth].count > 1 {
      if levels.count == depth + 1 { levels.append([]) }
      stale = rehash(stale, above: depth)
      depth += 1
    }
  }

  /// Recomputes the parents of sorted `stale` nodes at `depth`; returns the parents, sorted.
  private mutating func rehash(_ stale: [Int], above depth: Int) -> [Int] {
    let width = levels[depth].count
    var parents: [Int] = []
    parents.reserveCapacity(stale.count)
    let padding = (width + 1) / 2 - levels[depth + 1].count
    if padding > 0 {
      levels[depth + 1].append(contentsOf: repeatElement(.zero, count: padding))
    }
    var last = -1
    for node in stale {
      let parent = node >> 1
      if parent == last { continue }
      last = parent
      let left = levels[depth][2 * parent]
      let right = 2 * parent + 1
      levels[depth + 1][parent] =
        right < width ? Self.node(left, levels[depth][right]) : left
      parents.append(parent)
    }
    return parents
  }

  package static func leaf(_ data: [UInt8]) -> Digest {
    withUnsafeTemporaryAllocation(byteCount: data.count + 1, alignment: 8) { buffer in
      buffer[0] = 0
      data.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: buffer[1...]).copyMemory(from: $0)
      }
      return Digest.sha256(UnsafeRawBufferPointer(buffer))
    }
  }

  package static func node(_ left: Digest, _ right: Digest) -> Digest {
    withUnsafeTemporaryAllocation(byteCount: 65, alignment: 8) { buffer in
      buffer[0] = 1
      left.bytes.withBytes {
        UnsafeMutableRawBufferPointer(rebasing: buffer[1..<33]).copyMemory(from: $0)
      }
      right.bytes.withBytes {
        UnsafeMutableRawBufferPointer(rebasing: buffer[33..<65]).copyMemory(from: $0)
      }
      return Digest.sha256(UnsafeRawBufferPointer(buffer))
    }
  }
}

/// A path from one leaf to the root of a `MerkleTree`.
package struct MerkleProof: Hashable, Sendable {
  /// Place of the leaf, from 0.
  package var index: UInt64
  /// Leaves in the tree; the shape follows from it.
  package var count: UInt64
  /// Sibling hashes, from the leaf upwards; a promoted node has none.
  package var path: [Digest]

  package init(index: UInt64, count: UInt64, path: [Digest]) {
    self.index = index
    self.count = count
    self.path = path
  }

  /// The root that this path gives for `leaf`; nil if the path has not the tree's shape.
  package func root(of leaf: Digest) -> Digest? {
    guard index < count else { return nil }
    var hash = leaf
    var position = index
    var width = count
    var rest = path[...]
    while width > 1 {
      if position ^ 1 < width {
        guard let sibling = rest.popFirst() else { return nil }
        hash =
          position & 1 == 0 ? MerkleTree.node(hash, sibling) : MerkleTree.node(sibling, hash)
      }
      position >>= 1
      width = width / 2 + width % 2
    }
    return rest.isEmpty ? hash : nil
  }
}
