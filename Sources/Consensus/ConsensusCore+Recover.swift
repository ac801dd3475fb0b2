import Domain

extension ConsensusCore {
  /// Counts what the journal kept again, its own votes first of all, and sends what the others
  /// may have missed (rule 10).
  mutating func start(_ now: Timestamp, _ effects: inout [Effect]) {
    viewEntered = now
    contentExecuted = now
    for view in rounds.keys.sorted() {
      recount(view, now, &effects)
      advance(view, now, &effects)
    }
    guard !isHalted else { return }
    if leadsThisView, let made = rounds[view]?.proposed, made.isDurable {
      reoffer(made, now, &effects)
    }
    resend(&effects)
  }

  /// An own proposal of this view is sent again, never replaced.
  private mutating func reoffer(
    _ made: Candidate, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    proposalSeen = now
    let signed = rounds[view]?.own.first { $0.subject.kind == .notarize }
    if let signed {
      tell(.proposal(made.block, signed), &effects)
    } else {
      offer(made, now, &effects)
    }
  }

  private func resend(_ effects: inout [Effect]) {
    guard !isAlone, own != nil else { return }
    let votes = rounds.keys.sorted().flatMap { rounds[$0]?.own ?? [] }
    for vote in votes.suffix(ConsensusLimits.resentVotes) { tell(.vote(vote), &effects) }
    if let entryCertificate { tell(.certificate(entryCertificate), &effects) }
  }

  /// Takes over a journal record from before a restart; nothing leaves here.
  mutating func restore(_ record: JournalRecord) {
    guard record.epoch == nil || record.epoch == configuration.epoch else { return }
    switch record {
    case .beginning(let made) where made.signer == own:
      isForgetful = beginning != nil
      beginning = made
      abstention = .unresolved
    case .beginning(let made):
      if Int(made.signer) < configuration.validators.count {
        _ = peers[Int(made.signer)].hold(made)
      }
    case .abstention(_, let view): abstention = .through(view)
    default: if isKept(record.view) { restoreRound(record) }
    }
  }

  private mutating func restoreRound(_ record: JournalRecord) {
    var round = rounds[record.view, default: Round()]
    switch record {
    case .vote(let vote):
      round.own.append(vote)
      let isForgotten =
        vote.subject.kind == .nullify && configuration.planted.contains(.ownNullifyNotRecounted)
      if !isForgotten { round.admit(vote) }
    case .certificate(let certificate): round.take(certificate)
    case .certified:
      // Its block and certificate were written before it.
      guard let hash = round.certifiedHash, round.candidate(hash) != nil else { return }
      round.isCertified = true
    case .block(let block):
      let restored = Candidate(
        block: block, hash: block.header.hash, standing: .valid, isDurable: true)
      round.hold(restored, asProposal: true)
    case .beginning, .abstention: return
    }
    rounds[record.view] = round
    let isOver = round.isCertified || round.nullification != nil || round.finalization != nil
    if isOver { view = max(view, record.view + 1) }
  }
}
