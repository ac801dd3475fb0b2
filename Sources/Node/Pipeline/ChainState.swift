import Consensus
import Domain
import Storage

/// The state of a chain, and how a final block changes it: what a replica executes. A microgrid's
/// is `Pipeline`, the backbone's `BackbonePipeline`.
package protocol ChainState: Sendable {
  /// Who validates, and who may come to.
  var registry: ValidatorRegistry { get }
  /// Chain time from which a block has a reason without an entry; nil for none.
  var due: Timestamp? { get }
  /// Whether packets wait for a header that attests them.
  var awaitsAttestation: Bool { get }

  /// Executes `block`, once, with no rollback. Throws `InvariantViolation`, after which the node
  /// halts.
  mutating func execute(_ block: DecidedBlock) async throws(InvariantViolation) -> Execution

  /// An account's leaf and its path to the state root; nil on a chain that proves none.
  func proof(of account: AccountIndex) async -> StateProof?
}

/// A state over bare cores, which recovery, audit and simulation make anew.
package protocol RestorableState: ChainState {
  associatedtype Genesis: ChainGenesis

  /// The kinds of entries that the chain's blocks carry.
  static var kinds: EntryKinds { get }

  /// The state at genesis. Throws `malformed` when the genesis has faults.
  init(genesis: Genesis) async throws(Rejection)
  /// The state that `chunks` hold. Throws `malformed` when they do not make one.
  init(genesis: Genesis, chunks: [StateChunk]) throws(Rejection)

  /// Running numbers since genesis.
  var totals: ChainTotals { get }
  /// Packets that no header has attested.
  var outbox: OutboxWindow { get }
  /// What headers attest of it.
  mutating func roots() -> (state: Digest, outbox: Digest)
}

extension RestorableState {
  /// What a header says that attests the state at genesis.
  mutating func genesisAttestation() -> Attestation {
    let roots = roots()
    return Attestation(
      height: 0, stateRoot: roots.state, receiptsRoot: Digest.sha256([]), outboxRoot: roots.outbox)
  }
}
