import Domain

/// A block of a view, and what this node knows of it.
struct Candidate: Sendable {
  enum Standing: Sendable {
    /// Its entries are being checked.
    case unchecked
    case valid
    case invalid
  }

  let block: Block
  let hash: Digest
  var standing: Standing
  /// Its record is in the journal, or in this step's.
  var isDurable = false
}

/// What is known of one view.
struct Round: Sendable {
  /// The leader's first proposal, and a block that a quorum names: mostly the same.
  static let candidates = 2
  private(set) var candidates: [Candidate] = []
  /// Hash of the leader's first proposal.
  private(set) var proposal: Digest?
  /// The first vote of each kind and signer, in order of arrival.
  private(set) var votes: [Vote] = []
  var notarization: Certificate?
  var nullification: Certificate?
  var finalization: Certificate?
  /// The block is held whole, valid and durable, and notarized (rule 4).
  var isCertified = false
  /// The leader signed two blocks here.
  var hasEquivocation = false
  /// This node's own votes here, counted or not.
  var own: [Vote] = []
  /// Signers of whom evidence was handed out.
  var accused: [UInt16] = []

  /// The hash that a quorum has named.
  var certifiedHash: Digest? { notarization?.subject.hash ?? finalization?.subject.hash }

  var proposed: Candidate? { proposal.flatMap { candidate($0) } }

  /// The certified block.
  var certified: Candidate? { isCertified ? certifiedHash.flatMap { candidate($0) } : nil }

  func hasSigned(_ kind: VoteKind) -> Bool { own.contains { $0.subject.kind == kind } }

  func candidate(_ hash: Digest) -> Candidate? { candidates.first { $0.hash == hash } }

  func vote(_ kind: VoteKind, by signer: UInt16) -> Vote? {
    votes.first { $0.signer == signer && $0.subject.kind == kind }
  }

  mutating func admit(_ vote: Vote) { votes.append(vote) }

  /// Holds a block, once.
  mutating func hold(_ candidate: Candidate, asProposal isProposal: Bool) {
    if isProposal && proposal == nil { proposal = candidate.hash }
    guard self.candidate(candidate.hash) == nil, candidates.count < Self.candidates else { return }
    candidates.append(candidate)
  }

  mutating func change(_ hash: Digest, _ change: (inout Candidate) -> Void) {
    guard let index = candidates.firstIndex(where: { $0.hash == hash }) else { return }
    change(&candidates[index])
  }
}
