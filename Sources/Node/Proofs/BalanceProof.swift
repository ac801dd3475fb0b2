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
  /// What makes it final.
  package let finality: HeaderProof

  /// Throws the first link that does not hold. `key`: the account that it has to be of; any, when
  /// nil. Without `trusted` the chain and the validators are those that the proof itself names.
  package init(
    _ proof: Intertie_V1_ProofResponse, of key: PublicKey?, trusted: ProvenValidators?
  ) throws(ProofFault) {
    let final = try FinalHeader(
      proof.header, descendants: proof.descendants, finalization: proof.finalization)
    header = final.header
    finality = final.finality
    height = final.header.attested.height
    do throws(Rejection) {
      var leaf = CanonicalReader(Array(proof.leaf))
      account = try Account(from: &leaf)
      try leaf.finish()
    } catch { throw .unreadable("its account") }
    guard key == nil || account.id == key else { throw .otherAccount }
    guard proof.height == height else { throw .otherHeight(proof.height, attested: height) }
    guard let root = proof.merkleProof?.root(of: MerkleTree.leaf(Array(proof.leaf))) else {
      throw .path
    }
    guard let checkpoint = Digest(proof.checkpoint) else { throw .unreadable("its checkpoint") }
    guard Digest(proof.accountsRoot) == root else { throw .root }
    guard
      StateRoot.compose(accounts: root, checkpoint: checkpoint) == header.attested.stateRoot
    else { throw .root }
    let named = proof.validators.compactMap { PublicKey($0) }
    try final.check(
      trusted
        ?? ProvenValidators(chain: header.chain, epoch: header.epoch, validators: named))
  }
}
