import Domain
import TestSupport
import Testing

/// RFC 6962, section 2.1, as it is written: split at the largest power of two below the count.
private func naiveRoot(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
  if leaves.isEmpty { return Digest.sha256([]).array }
  if leaves.count == 1 { return Digest.sha256([0] + leaves.first!).array }
  var split = 1
  while split * 2 < leaves.count { split *= 2 }
  let middle = leaves.startIndex + split
  return Digest.sha256(
    [1] + naiveRoot(leaves[..<middle]) + naiveRoot(leaves[middle...])
  ).array
}

/// Section 2.1.1: the audit path of a leaf.
private func naivePath(_ index: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
  if leaves.count == 1 { return [] }
  var split = 1
  while split * 2 < leaves.count { split *= 2 }
  let middle = leaves.startIndex + split
  return index < split
    ? naivePath(index, leaves[..<middle]) + [naiveRoot(leaves[middle...])]
    : naivePath(index - split, leaves[middle...]) + [naiveRoot(leaves[..<middle])]
}

@Suite struct MerkleTests {
  /// Leaves and roots of the tests that came with the reference implementation of RFC 6962.
  static let leaves = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
  ].map { Hex.decode($0)! }
  static let roots = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ]

  @Test func publishedVectors() {
    var tree = MerkleTree()
    #expect(
      tree.root().description
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for (leaf, root) in zip(Self.leaves, Self.roots) {
      tree.append(MerkleTree.leaf(leaf))
      #expect(tree.root().description == root)
    }
    var whole = MerkleTree(leaves: Self.leaves.map { MerkleTree.leaf($0) })
    #expect(whole.root().description == Self.roots[7])
  }

  @Test(arguments: 0..<80)
  func everyProofOfATree(count: Int) {
    var random = SplitMix64(seed: UInt64(count))
    let data = (0..<count).map { _ in random.bytes(random.below(70)) }
    var tree = MerkleTree()
    for leaf in data { tree.append(MerkleTree.leaf(leaf)) }
    #expect(tree.count == count)
    #expect(tree.root().array == naiveRoot(data[...]))
    for index in 0..<count {
      let proof = tree.proof(of: index)
      #expect(proof.path.map(\.array) == naivePath(index, data[...]))
      #expect(proof.root(of: MerkleTree.leaf(data[index])) == tree.root())
    }
  }

  /// Appends and replacements in random order, the root read in between.
  @Test(arguments: 0..<300 as Range<UInt64>)
  func changesAgreeWithTheNaiveTree(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var data = (0..<random.below(9)).map { _ in random.bytes(3) }
    var tree = MerkleTree(leaves: data.map { MerkleTree.leaf($0) })
    for _ in 0..<60 {
      let leaf = random.bytes(random.below(4))
      if data.isEmpty || random.below(3) == 0 {
        data.append(leaf)
        tree.append(MerkleTree.leaf(leaf))
      } else {
        let place = random.below(data.count)
        data[place] = leaf
        tree.replace(MerkleTree.leaf(leaf), at: place)
      }
      if random.below(4) == 0 {
        #expect(tree.root().array == naiveRoot(data[...]), "seed \(seed)")
      }
      if random.below(4) == 0 {
        let place = random.below(data.count)
        let proof = tree.proof(of: place)
        #expect(
          proof.root(of: MerkleTree.leaf(data[place]))?.array == naiveRoot(data[...]),
          "seed \(seed)")
      }
    }
    #expect(tree.root().array == naiveRoot(data[...]), "seed \(seed)")
  }

  @Test(arguments: [1, 2, 3, 6, 7, 8, 13])
  func everyChangedBitOfAProofIsFound(count: Int) {
    var random = SplitMix64(seed: 99)
    let leaves = (0..<count).map { _ in MerkleTree.leaf(random.bytes(5)) }
    var tree = MerkleTree(leaves: leaves)
    let root = tree.root()
    for index in 0..<count {
      let proof = tree.proof(of: index)
      for step in proof.path.indices {
        for bit in 0..<256 {
          var bytes = proof.path[step].array
          bytes[bit / 8] ^= 1 << UInt8(bit % 8)
          var changed = proof
          changed.path[step] = Digest(bytes)!
          #expect(changed.root(of: leaves[index]) != root)
        }
      }
      for bit in 0..<256 {
        var bytes = leaves[index].array
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(proof.root(of: Digest(bytes)!) != root)
      }
      for other in 0..<UInt64(count) where other != UInt64(index) {
        var moved = proof
        moved.index = other
        #expect(moved.root(of: leaves[index]) != root)
      }
      var long = proof
      long.path.append(root)
      #expect(long.root(of: leaves[index]) == nil)
      var outside = proof
      outside.index = UInt64(count)
      #expect(outside.root(of: leaves[index]) == nil)
      guard count > 1 else { continue }
      var short = proof
      short.path.removeLast()
      #expect(short.root(of: leaves[index]) == nil)
    }
  }

  /// A proof comes from outside: no shape of it may trap.
  @Test(arguments: 0..<500 as Range<UInt64>)
  func forgedProofsNeverTrap(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let extremes: [UInt64] = [0, 1, 2, .max, .max - 1, 1 << 63, (1 << 63) + 1, random.next()]
    let count = extremes[random.below(extremes.count)]
    let index = extremes[random.below(extremes.count)]
    let path = (0..<random.below(70)).map { _ in Digest(random.bytes(32))! }
    let root = MerkleProof(index: index, count: count, path: path).root(of: .zero)
    if index >= count { #expect(root == nil, "seed \(seed)") }
    #expect(path.count <= 64 || root == nil, "seed \(seed)")
  }
}
