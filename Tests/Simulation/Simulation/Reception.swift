import Consensus
import Domain
import Node

// What a node does with a message before its replica sees it: the node's own sieve says what is
// worth checking, and what does not verify goes no further.
extension Simulation {
  func receive(_ message: PeerMessage, from sender: SimulatedNode, at node: SimulatedNode) {
    guard node.isRunning, let sieve = node.sieve else { return }
    switch message {
    case .consensus(let message):
      if !node.isHonest { signAnything(message, at: node) }
      guard let passed = sift(message, sieve, from: sender, at: node) else {
        counts.sieved += 1
        return
      }
      guard notary.verifies(passed, for: node.validators, epoch: node.epoch) else {
        counts.badMessages += 1
        if sender.isHonest {
          oracle.fail("\(trace.names[sender.index]) sends what does not verify: \(message)")
        }
        return
      }
      post(.message(passed, from: sender.id), to: node)
      note(passed, sieve, from: sender, at: node)
    case .entries(let entries): receive(entries, from: sender, at: node)
    }
  }

  /// What is left of a message when what nobody needs is taken off; nil when nothing is.
  private func sift(
    _ message: Message, _ sieve: VoteSieve, from sender: SimulatedNode, at node: SimulatedNode
  ) -> Message? {
    switch message {
    case .vote(let vote):
      let isOwn =
        Int(vote.signer) < node.validators.count
        && node.validators[Int(vote.signer)] == sender.id
      switch sieve.judge(vote, isOwn: isOwn, now: time) {
      case .wanted: return vote.subject.epoch == node.epoch ? message : nil
      case .foreign: return message
      default: return nil
      }
    case .proposal(_, let vote):
      let isWanted = sieve.judge(proposal: vote, from: sender.id) == .wanted
      return isWanted && vote.subject.epoch == node.epoch ? message : nil
    case .certificate(let certificate):
      let isWanted = sieve.judge(certificate) == .wanted
      return isWanted && certificate.subject.epoch == node.epoch ? message : nil
    case .answer(let answer):
      var kept = Answer(certificates: [], blocks: answer.blocks)
      kept.certificates = answer.certificates.filter { certificate in
        let verdict = sieve.judge(certificate)
        return (verdict == .wanted || verdict == .repeated)
          && certificate.subject.epoch == node.epoch
      }
      return kept.certificates.isEmpty && kept.blocks.isEmpty ? nil : .answer(kept)
    case .fetch, .standing: return message
    }
  }

  /// The sieve hears what was delivered.
  private func note(
    _ message: Message, _ sieve: VoteSieve, from sender: SimulatedNode, at node: SimulatedNode
  ) {
    switch message {
    case .vote(let vote): if vote.subject.epoch == node.epoch { sieve.delivered(vote) }
    case .proposal(_, let vote): sieve.delivered(proposal: vote, from: sender.id)
    case .certificate(let certificate): sieve.delivered(certificate)
    case .answer(let answer):
      for certificate in answer.certificates { sieve.delivered(certificate) }
    case .fetch, .standing: return
    }
  }

  private func receive(
    _ entries: [(EntryKind, SignedBytes)], from sender: SimulatedNode, at node: SimulatedNode
  ) {
    guard load == nil else { return receive(loaded: entries, from: sender, at: node) }
    var verified: [VerifiedEntry] = []
    let verifier = Verifier(chain: community.chain)
    for (kind, signed) in entries {
      guard let entry = try? verifier.parse(kind: kind, signed), notary.isSigned(entry) else {
        counts.badMessages += 1
        continue
      }
      verified.append(entry)
    }
    if !verified.isEmpty { post(.entries(verified, from: sender.id), to: node) }
  }
}
