import Consensus
import Domain
import Storage

/// What reaches a replica. Signatures in it are verified.
package enum ReplicaInput: Sendable {
  /// Once, first.
  case start
  /// An instant that was asked for, or an interval's close, has come.
  case tick
  /// Entries of this node's own clients.
  case submission(Submission)
  /// Entries of another node's clients, handed on because this node proposes soon.
  case entries([VerifiedEntry], from: PublicKey)
  /// What another node says; what is for validators only is passed over from others.
  case message(Message, from: PublicKey)
  /// A link to this node is up.
  case connected(PublicKey)
  /// The answer to a `BlockCheck`.
  case checked(BlockCheck, isValid: Bool)
  /// A proof waits for the newest state to be attested.
  case attestationWanted
}

/// A message on its way out.
package enum Outgoing: Sendable {
  /// To all peers, validators and followers.
  case broadcast(PeerMessage)
  case send(PeerMessage, to: PublicKey)
}

/// Entries of a proposal whose signatures are to be verified; answered by `checked`.
package struct BlockCheck: Sendable {
  package var hash: Digest
  package var body: Digest
  package var entries: [VerifiedEntry]
}

/// Executed blocks that a peer lacks, to be sent from storage: from height `from` on, at most
/// through `through` or the first block behind it that carries its finality.
package struct HistoryRequest: Hashable, Sendable {
  package var from: UInt64
  package var through: UInt64
  package var peer: PublicKey
}

/// A block that became final in a step, and what executing it gave.
package struct Decided: Sendable {
  package var block: DecidedBlock
  package var execution: Execution

  package init(block: DecidedBlock, execution: Execution) {
    self.block = block
    self.execution = execution
  }
}

/// What came of a step. `batch` is made durable as a whole before anything else of it is done.
package struct Step: Sendable {
  package var batch = CommitBatch()
  package var outgoing: [Outgoing] = []
  package var checks: [BlockCheck] = []
  package var history: [HistoryRequest] = []
  package var decided: [Decided] = []
  package var answers: [(answer: SubmissionAnswer, results: [EntryResult])] = []
  /// When to step again at the latest, chain time; nil for no reason of consensus.
  package var wake: Timestamp?
  /// Subjects whose certificates the core took.
  package var certified: [Subject] = []
  /// Who signed two votes of a view that exclude each other: keys, since a step can end in another
  /// epoch, whose validators have other places.
  package var accused: [(validator: PublicKey, view: UInt64)] = []
  /// The validators have changed: the chain goes on in this epoch.
  package var newEpoch: UInt64?
}
