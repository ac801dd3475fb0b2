import Domain

/// Who validates, and how that changes (rule 12): a part of the chain's state, which blocks
/// execute like any other.
///
/// The operator proposes another set; validators of either set accept it. The block in which a
/// quorum of both has accepted seals the epoch: with its end the proposed set is the present one.
/// A member of both sets counts for both.
package struct ValidatorRegistry: Hashable, Sendable {
  package let chain: ChainID
  /// Of the first epoch, from the genesis.
  package let founders: [PublicKey]
  /// Every change so far: the set of epoch e is in `history[e - 2]`.
  package internal(set) var history: [EpochChange] = []
  /// What the operator proposed; never equal to `validators`.
  package internal(set) var proposal: [PublicKey]?
  /// Of the open proposal, in the order in which they came; each signer once.
  package internal(set) var acceptances: [Acceptance] = []
  /// Empty but in tests; no part of the state's bytes.
  package var planted: PlantedBugs = []

  /// At genesis.
  package init(chain: ChainID, validators: [PublicKey]) {
    self.chain = chain
    founders = validators
  }

  /// From 1; one more with each change.
  package var epoch: UInt64 { UInt64(history.count) + 1 }

  /// Of this epoch, in the order of their turns.
  package var validators: [PublicKey] { history.last?.validators ?? founders }

  /// Of any epoch so far; nil of another.
  package func validators(of epoch: UInt64) -> [PublicKey]? {
    guard (1...self.epoch).contains(epoch) else { return nil }
    return epoch == 1 ? founders : history[Int(epoch) - 2].validators
  }

  /// What names a set of validators for the epoch that begins with it.
  package static func digest(chain: ChainID, epoch: UInt64, validators: [PublicKey]) -> Digest {
    ValidatorSet.digest(chain: chain, epoch: epoch, keys: validators)
  }

  /// The name of the open proposal, which acceptances give; nil when none is open.
  package var proposalDigest: Digest? {
    proposal.map { Self.digest(chain: chain, epoch: epoch + 1, validators: $0) }
  }

  /// A block's instructions in their order; one receipt for each. `signed` gives the block's entry
  /// at a place as its author signed it.
  package mutating func apply(
    _ instructions: [ValidatorInstruction], signed: (Int) -> SignedBytes
  ) -> [PlacedReceipt] {
    instructions.map { instruction in
      let entry: Int
      let rejection: Rejection?
      switch instruction {
      case .propose(let place, let keys): (entry, rejection) = (place, propose(keys))
      case .accept(let place, let signer, let digest):
        let acceptance = Acceptance(signer: signer, command: signed(place))
        (entry, rejection) = (place, accept(acceptance, digest))
      }
      return PlacedReceipt(entry, Receipt(rejection: rejection))
    }
  }

  /// The end of the block at `height`: takes the proposal over when a quorum of both sets has
  /// accepted it. True when it did: the block seals the epoch.
  package mutating func sealEpoch(at height: UInt64) -> Bool {
    guard let proposal, isAccepted else { return false }
    let present = validators
    history.append(
      EpochChange(
        epoch: epoch + 1, sealedAt: height, validators: proposal,
        acceptances: acceptances.filter { present.contains($0.signer) }))
    self.proposal = nil
    acceptances = []
    return true
  }

  private mutating func propose(_ keys: [PublicKey]) -> Rejection? {
    if keys == validators {
      guard proposal != nil else { return .unknownObject }
      proposal = nil
    } else {
      guard history.count < Limits.epochChanges else { return .limitExceeded }
      guard keys != proposal else { return .duplicate }
      proposal = keys
    }
    acceptances = []
    return nil
  }

  private mutating func accept(_ acceptance: Acceptance, _ digest: Digest) -> Rejection? {
    guard acceptance.command.payload.count <= Limits.acceptanceBytes else { return .malformed }
    guard isConcerned(acceptance.signer) else { return .wrongRole }
    guard digest == proposalDigest else { return .unknownObject }
    guard !hasAccepted(acceptance.signer) else { return .duplicate }
    acceptances.append(acceptance)
    return nil
  }

  /// Whether this key has accepted the open proposal.
  package func hasAccepted(_ key: PublicKey) -> Bool {
    acceptances.contains { $0.signer == key }
  }

  func isConcerned(_ key: PublicKey) -> Bool {
    validators.contains(key) || proposal?.contains(key) == true
  }

  /// Whether a quorum of both sets has accepted the open proposal.
  var isAccepted: Bool {
    guard let proposal else { return false }
    return hasQuorum(of: validators) && hasQuorum(of: proposal)
  }

  private func hasQuorum(of keys: [PublicKey]) -> Bool {
    keys.count(where: hasAccepted) >= quorum(of: keys.count)
  }

  /// Acceptances that it takes of so many validators.
  func quorum(of validators: Int) -> Int {
    Quorum.size(of: validators) - (planted.contains(.acceptedByTooFew) ? 1 : 0)
  }
}

/// A validator's command that accepts a proposal, as it stood in its block.
package struct Acceptance: Hashable, Sendable {
  package let signer: PublicKey
  package let command: SignedBytes

  package init(signer: PublicKey, command: SignedBytes) {
    self.signer = signer
    self.command = command
  }
}

/// How an epoch began. Its acceptances prove it to whoever knows the set before: a quorum of that
/// set has signed this very set for this very epoch of this chain.
package struct EpochChange: Hashable, Sendable {
  /// The one that began, from 2.
  package let epoch: UInt64
  /// Height of the block that sealed the epoch before.
  package let sealedAt: UInt64
  /// Of the epoch that began, in the order of their turns.
  package let validators: [PublicKey]
  /// By validators of the epoch before, in the order in which they came; a quorum or more.
  package let acceptances: [Acceptance]
  /// This value in canonical bytes. It never changes, so it is made once.
  package let chunk: StateChunk

  /// Nothing in it is verified.
  package init(
    epoch: UInt64, sealedAt: UInt64, validators: [PublicKey], acceptances: [Acceptance]
  ) {
    self.epoch = epoch
    self.sealedAt = sealedAt
    self.validators = validators
    self.acceptances = acceptances
    chunk = Self.chunk(
      epoch: epoch, sealedAt: sealedAt, validators: validators, acceptances: acceptances)
  }
}
