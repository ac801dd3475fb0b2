import Consensus
import Domain
import Node

/// A view of an epoch.
struct ViewName: Hashable {
  var epoch: UInt64
  var view: UInt64

  init(_ epoch: UInt64, _ view: UInt64) {
    self.epoch = epoch
    self.view = view
  }
}

struct BallotName: Hashable {
  var signer: PublicKey
  var view: ViewName
}

/// What one validator has signed in one view.
struct Ballot {
  var notarized: Subject?
  var hasNullified = false
  var finalized: Subject?
}

extension Oracle {
  /// 7: an honest node never signs two notarizes, or finalize and nullify, for a view, also across
  /// restarts.
  mutating func signed(_ subject: Subject, by node: SimulatedNode, name: String) {
    let place = BallotName(signer: node.id, view: ViewName(subject.epoch, subject.view))
    var ballot = ballots[place] ?? Ballot()
    switch subject.kind {
    case .notarize:
      if let before = ballot.notarized, before != subject {
        fail("\(name) signed two notarizes in view \(subject.view)")
      }
      ballot.notarized = subject
    case .nullify: ballot.hasNullified = true
    case .finalize:
      if let before = ballot.finalized, before != subject {
        fail("\(name) signed two finalizes in view \(subject.view)")
      }
      ballot.finalized = subject
    }
    if ballot.hasNullified && ballot.finalized != nil {
      fail("\(name) signed nullify and finalize in view \(subject.view)")
    }
    ballots[place] = ballot
  }

  /// A message of an honest node is about to leave. 8: what it rests on is durable.
  mutating func leaving(_ message: PeerMessage, from node: SimulatedNode, name: String) {
    guard case .consensus(let message) = message else { return }
    switch message {
    case .proposal(let block, let vote):
      guard isOwn(vote, of: node) else { return }
      signed(vote.subject, by: node, name: name)
      requireDurable(vote.subject, of: node, name: name)
      if block.header.attested.height > 0 { attested(block.header.attested, name: name) }
    case .vote(let vote):
      guard isOwn(vote, of: node) else { return }
      signed(vote.subject, by: node, name: name)
      requireDurable(vote.subject, of: node, name: name)
    case .certificate(let certificate): held(certificate, name: name)
    case .fetch, .answer, .standing: return
    }
  }

  private func isOwn(_ vote: Vote, of node: SimulatedNode) -> Bool {
    guard let validators = validators(of: vote.subject.epoch),
      Int(vote.signer) < validators.count
    else { return false }
    return validators[Int(vote.signer)] == node.id
  }

  /// A vote of a view that is final needs no journal any more.
  private mutating func requireDurable(
    _ subject: Subject, of node: SimulatedNode, name: String
  ) {
    // So does one of an epoch that is over.
    let epoch = node.replica?.core.configuration.epoch ?? subject.epoch
    guard settings.checksDurability, subject.view > node.floor.view, subject.epoch == epoch,
      !node.disk.hasVote(subject)
    else { return }
    fail("\(name) sends \(subject.kind) of view \(subject.view) before it is durable")
  }

  // MARK: certificates

  /// 6: q distinct validators have signed. 3 to 5: no view is both final and nullified, one block
  /// a view is notarized, and only what is notarized becomes final.
  mutating func held(_ certificate: Certificate, name: String) {
    let subject = certificate.subject
    let view = ViewName(subject.epoch, subject.view)
    guard let validators = validators(of: subject.epoch) else {
      return fail("\(name) has a certificate of epoch \(subject.epoch)")
    }
    guard Set(certificate.signers).count >= quorum(of: validators.count),
      certificate.signers.count == certificate.signatures.count,
      certificate.signers.allSatisfy({ Int($0) < validators.count })
    else { return fail("\(name) has a certificate of view \(subject.view) without a quorum") }
    switch subject.kind {
    case .notarize:
      if let other = notarized[view], other != subject.hash {
        fail("two blocks are notarized in view \(subject.view)")
      }
      notarized[view] = subject.hash
    case .nullify:
      nullified.insert(view)
      if finalized[view] != nil { fail("view \(subject.view) is final and nullified") }
    case .finalize:
      if let other = finalized[view], other != subject.hash {
        fail("two blocks are final in view \(subject.view)")
      }
      if nullified.contains(view) { fail("view \(subject.view) is final and nullified") }
      // A single validator does all in one step, of which only the last certificate is kept.
      if validators.count > 1 { unproven[view] = subject.hash }
      finalized[view] = subject.hash
    }
  }

  /// 10: what an honest node attests is what all came to.
  private mutating func attested(_ attestation: Attestation, name: String) {
    guard let block = chain[attestation.height] else { return }
    if block.stateRoot != attestation.stateRoot || block.receiptsRoot != attestation.receiptsRoot {
      fail("\(name) attests other roots of block \(attestation.height)")
    }
  }
}
