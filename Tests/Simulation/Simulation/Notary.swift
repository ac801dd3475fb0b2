import Consensus
import Domain
import Node

/// Knows which signatures are good, so that each is checked at most once in a run: those that an
/// honest node has just made are taken down, all others are verified. Now and then a known one is
/// verified nevertheless, so that the node's own signing is under test too.
struct Notary {
  private struct Signed: Hashable {
    var key: PublicKey
    var subject: Subject
  }

  private var votes: [Signature: Signed] = [:]
  /// Those before them, in a run so long that old ones are forgotten.
  private var olderVotes: [Signature: Signed] = [:]
  private var entries: [Digest: Signature] = [:]
  private let chain: ChainID
  /// Known signatures until the next one that is verified.
  private var untilCheck = 1
  /// A signature that a node made and that does not verify.
  private(set) var fault: String?

  init(chain: ChainID) { self.chain = chain }

  /// Takes down a vote that the holder of `key` has just signed.
  mutating func enter(_ vote: Vote, of key: PublicKey) {
    guard known(vote.signature) == nil else { return }
    votes[vote.signature] = Signed(key: key, subject: vote.subject)
    untilCheck -= 1
    guard untilCheck == 0 else { return }
    untilCheck = 64
    if !key.verifies(vote.signature, of: vote.subject.payload(chain: chain), for: .consensus) {
      fault = "a node's own signature of \(vote.subject) does not verify"
    }
  }

  private func known(_ signature: Signature) -> Signed? {
    votes[signature] ?? olderVotes[signature]
  }

  /// What was not entered since the last call is verified again when it comes again.
  mutating func forget() {
    olderVotes = votes
    votes = [:]
  }

  mutating func enter(_ entry: VerifiedEntry) {
    entries[entry.identity] = entry.signed.signature
  }

  mutating func isSigned(_ subject: Subject, _ signature: Signature, by key: PublicKey) -> Bool {
    let signed = Signed(key: key, subject: subject)
    if let known = known(signature) { return known == signed }
    guard key.verifies(signature, of: subject.payload(chain: chain), for: .consensus) else {
      return false
    }
    votes[signature] = signed
    return true
  }

  mutating func isSigned(_ vote: Vote, among validators: [PublicKey]) -> Bool {
    Int(vote.signer) < validators.count
      && isSigned(vote.subject, vote.signature, by: validators[Int(vote.signer)])
  }

  /// A quorum of distinct validators, each with a good signature of the subject.
  mutating func isSigned(_ certificate: Certificate, among validators: [PublicKey]) -> Bool {
    let (signers, signatures) = (certificate.signers, certificate.signatures)
    guard signers.count == signatures.count, Set(signers).count == signers.count,
      signers.count >= quorum(of: validators.count)
    else { return false }
    for (signer, signature) in zip(signers, signatures) {
      guard Int(signer) < validators.count,
        isSigned(certificate.subject, signature, by: validators[Int(signer)])
      else { return false }
    }
    return true
  }

  mutating func isSigned(_ entry: VerifiedEntry) -> Bool {
    if entry.signed.signature == Population.signature { return true }
    if entries[entry.identity] == entry.signed.signature { return true }
    guard Verifier.isSigned(entry.content, entry.signed) else { return false }
    entries[entry.identity] = entry.signed.signature
    return true
  }

  /// Beginnings are few and asked for often.
  private mutating func verifies(_ beginning: Beginning, among validators: [PublicKey]) -> Bool {
    guard Int(beginning.signer) < validators.count else { return false }
    let key = validators[Int(beginning.signer)]
    let payload = Beginning.payload(
      chain: chain, epoch: beginning.epoch, life: beginning.life)
    let identity = Digest.sha256(key.array + payload)
    if entries[identity] == beginning.signature { return true }
    guard key.verifies(beginning.signature, of: payload, for: .consensus) else { return false }
    entries[identity] = beginning.signature
    return true
  }

  /// As `Message.verify` has it for a node of that epoch: what is of another epoch counts nowhere
  /// and passes.
  mutating func verifies(_ message: Message, for validators: [PublicKey], epoch: UInt64) -> Bool {
    if let other = message.epoch, other != epoch { return true }
    switch message {
    case .proposal(_, let vote), .vote(let vote): return isSigned(vote, among: validators)
    case .certificate(let certificate): return isSigned(certificate, among: validators)
    case .fetch: return true
    case .answer(let answer):
      for certificate in answer.certificates where certificate.subject.epoch == epoch {
        guard isSigned(certificate, among: validators) else { return false }
      }
      return true
    case .standing(let standing):
      for part in standing.beginnings {
        guard part.epoch == epoch, verifies(part, among: validators) else { return false }
      }
      if let certificate = standing.certificate {
        guard certificate.subject.epoch == epoch, isSigned(certificate, among: validators) else {
          return false
        }
      }
      guard let vote = standing.vote else { return true }
      return vote.subject.epoch == epoch && isSigned(vote, among: validators)
    }
  }
}

/// n − ⌊(n − 1) ÷ 3⌋, counted here apart from the module under test.
func quorum(of validators: Int) -> Int { validators - (validators - 1) / 3 }
