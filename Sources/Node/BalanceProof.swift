import Consensus
import Domain
import Ledger
import Wire

/// A member's balance, checked without trusting the node that gave the proof: the account's bytes
/// lead over their Merkle path to the accounts' root, that with the checkpoint to the state root,
/// which a finalised header attests, whose certificate a quorum of the chain's validators signed.
package struct BalanceProof: Sendable {
  package let account: Account
  /// The height whose state is proven.
  package let height: UInt64
  package let header: BlockHeader

  /// Throws `invalid` with the first link that does not hold. Without `trusted` the chain and the
  /// validators are those that the proof itself names.
  package init(_ proof: Intertie_V1_ProofResponse, of key: PublicKey, trusted: ProvenValidators?)
    throws(NodeFailure)
  {
    func require(_ condition: Bool, _ fault: String) throws(NodeFailure) {
      guard condition else { throw .invalid("the proof does not hold: \(fault)") }
    }
    do throws(Rejection) {
      var leaf = CanonicalReader(Array(proof.leaf))
      account = try Account(from: &leaf)
      try leaf.finish()
      var bytes = CanonicalReader(Array(proof.header))
      header = try BlockHeader(from: &bytes)
      try bytes.finish()
    } catch {
      throw .invalid("the proof does not hold: its account or header cannot be read")
    }
    height = header.attested.height
    try require(account.id == key, "it is of another account")
    let root = proof.merkleProof?.root(of: MerkleTree.leaf(Array(proof.leaf)))
    guard let root, let checkpoint = Digest(proof.checkpoint) else {
      throw .invalid("the proof does not hold: its path has not the tree's shape")
    }
    try require(
      StateRoot.compose(accounts: root, checkpoint: checkpoint) == header.attested.stateRoot,
      "the path does not lead to the attested state root")
    let chain = trusted?.chain ?? header.chain
    try require(header.chain == chain, "it is of another chain")
    let named = proof.validators.compactMap { PublicKey($0) }
    guard let validators = trusted.map({ $0.validators(of: header.epoch) }) ?? named else {
      throw .invalid("the validators of epoch \(header.epoch) are not proven")
    }
    let finality: HeaderProof
    do throws(Rejection) {
      var descendants: [BlockHeader] = []
      for bytes in proof.descendants {
        var reader = CanonicalReader(Array(bytes))
        descendants.append(try BlockHeader(from: &reader))
        try reader.finish()
      }
      finality = HeaderProof(
        headers: descendants,
        certificate: try Certificate(decoding: Array(proof.finalization)))
    } catch {
      throw .invalid("the proof does not hold: its finalization cannot be read")
    }
    try require(
      finality.verify(
        hash: header.hash, view: header.view, header: header, validators: validators,
        chain: chain),
      "no quorum of the chain's validators finalised the header")
  }
}
