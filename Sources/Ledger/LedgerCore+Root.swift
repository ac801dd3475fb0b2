import Domain

extension LedgerCore {
  /// The state root: of a Merkle tree (RFC 6962) whose leaf i is account i's bytes. Only accounts
  /// that changed are encoded and hashed again.
  package mutating func root() -> Digest {
    refreshLeaves()
    return tree.root()
  }

  /// An account's leaf as it stands, and its path to `root()`.
  package mutating func proof(of index: AccountIndex) -> (leaf: [UInt8], proof: MerkleProof) {
    refreshLeaves()
    return (accounts[index.int].leaf, tree.proof(of: index.int))
  }

  mutating func refreshLeaves() {
    for index in staleLeaves {
      tree.replace(MerkleTree.leaf(accounts[index.int].leaf), at: index.int)
      marks[index.int].remove(.leaf)
    }
    staleLeaves.removeAll(keepingCapacity: true)
  }
}
