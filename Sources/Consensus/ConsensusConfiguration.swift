import Domain

/// Bounds of this module's tables and messages.
package enum ConsensusLimits {
  /// Validators of an epoch, a bit each.
  package static let bitmapBytes = 13
  package static let validators = bitmapBytes * 8
  /// Views above the last finalised one that are kept.
  package static let views: UInt64 = 4096
  /// Own roots that are kept to compare with what headers attest.
  package static let attestations = 256
  /// Δ doubles this often at most.
  package static let doublings: UInt64 = 4
  /// Blocks that one fetch asks for by name.
  package static let fetchBlocks = 8
  /// Bytes of a block behind which the next leader waits for more to go into its own.
  package static let gatheringBytes = 4096
  /// And what part of Δ it waits at most.
  package static let gatheringParts: Int64 = 16
  /// What one answer carries.
  package static let answerCertificates = 128
  package static let answerBlocks = 64
  /// Bytes of blocks after which an answer takes no more: one block at least, and with the last
  /// one at most `answerBytes + Limits.blockBytes` and headers.
  package static let answerBytes = Limits.blockBytes
  /// Votes that a restart sends again.
  package static let resentVotes = 16
  /// Assembled certificates of which it is not known yet who lacks them.
  package static let passings = 64
  /// Beginnings in one standing: two lives of each validator.
  package static let beginnings = 2 * validators
  /// Nodes that follow the chain without being validators, and are answered.
  package static let followers = 64
  /// Blocks behind a final one up to the one that was finalized.
  package static let proofBlocks = Int(views)
}

/// Mistakes that tests turn on to see that the simulation finds them.
package struct PlantedBugs: OptionSet, Hashable, Sendable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Finalize is signed in a view that this node has nullified.
  package static let finalizeAfterNullify = PlantedBugs(rawValue: 1)
  /// Own nullifies do not reach the journal.
  package static let nullifyNotPersisted = PlantedBugs(rawValue: 2)
  /// Own notarizes, and the blocks with them, do not reach the journal.
  package static let notarizeNotPersisted = PlantedBugs(rawValue: 4)
  /// A parent is accepted across views that are not nullified.
  package static let parentAcrossGap = PlantedBugs(rawValue: 8)
  /// One vote less makes a certificate.
  package static let quorumTooSmall = PlantedBugs(rawValue: 16)
  /// The node sends before it commits: a bug of whoever performs the effects.
  package static let sendBeforeSync = PlantedBugs(rawValue: 32)
  /// After a restart, and when it is sent again, the own nullify is not counted.
  package static let ownNullifyNotRecounted = PlantedBugs(rawValue: 64)
  /// A node whose disk is new votes at once.
  package static let votesAfterWipe = PlantedBugs(rawValue: 128)
  /// One acceptance less lets the next validators in.
  package static let acceptedByTooFew = PlantedBugs(rawValue: 256)
}

package struct ConsensusConfiguration: Sendable {
  package var chain: ChainID
  package var epoch: UInt64
  package var validators: [PublicKey]
  /// Height of the block that sealed the epoch before; 0 in the first. Headers of this epoch attest
  /// that block or a later one: who is in the epoch has executed it.
  package var sealedAt: UInt64 = 0
  /// This node's key; nil for one that only observes.
  package var own: SigningKey?
  /// Δ: a message's usual delay, in µs of chain time.
  package var delta: Int64
  /// How far a block's time may be ahead of this node's clock, µs of chain time.
  package var maximumAhead: Int64
  /// An idle chain beats once in this time, µs of chain time.
  package var heartbeat: Int64
  /// How far a block's time may be after its parent's, µs of chain time.
  package var maximumStep: Int64
  /// Empty but in tests.
  package var planted: PlantedBugs = []

  package init(
    chain: ChainID, epoch: UInt64 = 1, validators: [PublicKey], own: SigningKey?, rate: Int64 = 1,
    delta: Int64 = 200_000, maximumAhead: Int64 = 500_000, heartbeat: Int64 = 5_000_000,
    maximumStep: Int64 = .max
  ) {
    self.chain = chain
    self.epoch = epoch
    self.validators = validators
    self.own = own
    self.delta = delta * rate
    self.maximumAhead = maximumAhead * rate
    self.heartbeat = heartbeat * rate
    self.maximumStep = maximumStep
  }
}

/// What reaches the core. Signatures in it are verified; everything else the core checks.
package enum Input: Sendable {
  /// Once, first.
  case start
  /// Whether commands or a due close wait for a block. Asking for a body takes it back: what the
  /// body did not take is told again.
  case work(isPending: Bool)
  /// The answer to `Effect.build`.
  case built(view: UInt64, body: [UInt8], time: Timestamp)
  /// The answer to `Effect.deliver`: the block was executed; these are its roots.
  case executed(Attestation)
  /// A proof waits for the newest state to be attested.
  case attestationWanted
  /// The answer to `Effect.validate`: whether the block's entries are well formed, signed, of
  /// this chain and not expired at the block's time.
  case validated(hash: Digest, isValid: Bool)
  /// A proposal with its leader's notarize, a vote or certificate, from an unnamed sender.
  case proposal(Block, Vote)
  case vote(Vote)
  case certificate(Certificate)
  /// The same, and requests and answers, from validator `from`, who was authenticated. Numbers
  /// from the count of validators on, at most `ConsensusLimits.followers` of them, are nodes that
  /// only follow: their fetches are answered, and all else is ignored.
  case message(Message, from: UInt16)
  /// A link to that validator came up. Told again, after `start`, for every link that is up.
  case connected(UInt16)
  case tick
}

/// What the core wants done. A step's `persist` and `deliver` effects are committed together
/// before anything else of that step is performed (rule 9).
package enum Effect: Sendable {
  case persist(JournalRecord)
  /// To all other validators, and to those who follow.
  case broadcast(Message)
  /// To one validator or follower.
  case send(Message, to: UInt16)
  /// This node leads: give it a body for this view, later than `parent`.
  case build(view: UInt64, parent: ChainPoint)
  /// Check what the block's entries need no state for; answered by `Input.validated`.
  case validate(Block)
  /// Final: execute it. In order of height, each once.
  case deliver(FinalizedBlock)
  /// Send peer `to` an answer with the executed blocks from height `from` on, at most through
  /// `through`, and their finalizations. It ends with a block that has one, and with the last
  /// block of an epoch at the latest: behind that go the blocks of its `FinalityProof`.
  case serve(from: UInt64, through: UInt64, to: UInt16)
  /// Keep and publish.
  case accuse(Evidence)
  /// This node's own body of this digest cannot become final any more.
  case abandon(body: Digest)
  /// Wake the core at or before this time.
  case schedule(Timestamp)
  /// This node's own state differs from what a quorum attests: it must stop.
  case halt(String)
}

/// Two votes that no honest validator signs both of (rule 13): two notarizes or two finalizes
/// that differ, or nullify and finalize, of one view.
package struct Evidence: Hashable, Sendable {
  package let first: Vote
  package let second: Vote

  /// Nil unless the two are evidence.
  package init?(_ first: Vote, _ second: Vote) {
    let (a, b) = (first.subject, second.subject)
    guard first.signer == second.signer, a.epoch == b.epoch, a.view == b.view, a != b else {
      return nil
    }
    let isNotarizeWithAnother = (a.kind == .notarize) != (b.kind == .notarize)
    guard !isNotarizeWithAnother else { return nil }
    self.first = first
    self.second = second
  }

  /// The two votes in canonical bytes.
  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 256)
    first.encode(into: &writer)
    second.encode(into: &writer)
    return writer.bytes
  }
}
