import Domain

extension ConsensusCore {
  /// Counts a verified vote: the first of each kind and signer, for views above the floor and not
  /// beyond the next one.
  ///
  /// A node's own vote is counted in the step that signs it. That is as good as waiting for the
  /// commit: whatever follows from it is an effect of the same step, and no effect of a step is
  /// performed before the step's one commit (rule 9).
  mutating func count(_ vote: Vote, _ now: Timestamp, _ effects: inout [Effect]) {
    let subject = vote.subject
    let signer = Int(vote.signer)
    guard subject.epoch == configuration.epoch, signer < configuration.validators.count else {
      return
    }
    if subject.view <= view + 1 {
      peers[signer].heard = max(peers[signer].heard, subject.view)
    }
    peers[signer].note(vote)
    guard isKept(subject.view), subject.view <= view + 1 else { return }
    var round = rounds[subject.view, default: Round()]
    accuse(vote, &round, &effects)
    let isFirst = round.vote(subject.kind, by: vote.signer) == nil
    if isFirst { round.admit(vote) }
    rounds[subject.view] = round
    if isFirst { tally(subject, now, &effects) }
  }

  /// Rule 13: two votes that no honest validator signs both of.
  private func accuse(_ vote: Vote, _ round: inout Round, _ effects: inout [Effect]) {
    for earlier in round.votes where earlier.signer == vote.signer {
      guard let evidence = Evidence(earlier, vote) else { continue }
      if vote.subject.kind == .notarize && vote.signer == leader(of: vote.subject.view) {
        round.hasEquivocation = true
      }
      guard !round.accused.contains(vote.signer) else { continue }
      round.accused.append(vote.signer)
      effects.append(.accuse(evidence))
    }
  }

  /// A quorum's votes of one subject are a certificate, passed on by whoever assembles it.
  mutating func tally(_ subject: Subject, _ now: Timestamp, _ effects: inout [Effect]) {
    guard let round = rounds[subject.view], !round.hasCertificate(subject.kind) else { return }
    let same = round.votes.filter { $0.subject == subject }
    guard same.count >= quorum else { return }
    let certificate = Certificate(subject: subject, votes: same)
    pass(on: certificate, now)
    accept(certificate, now, &effects)
  }

  /// Takes a verified certificate, from any kept view, the first of each kind.
  mutating func accept(_ certificate: Certificate, _ now: Timestamp, _ effects: inout [Effect]) {
    let subject = certificate.subject
    guard subject.epoch == configuration.epoch, subject.view > floor.view else { return }
    guard isKept(subject.view) else {
      beyond = max(beyond, subject.view)
      return
    }
    var round = rounds[subject.view, default: Round()]
    guard !round.hasCertificate(subject.kind) else { return }
    round.take(certificate)
    rounds[subject.view] = round
    effects.append(.persist(.certificate(certificate)))
    advance(subject.view, now, &effects)
  }

  /// Signs a subject unless a vote of this node forbids it, or may have (rule 16), and makes the
  /// vote durable.
  mutating func sign(_ subject: Subject, _ effects: inout [Effect]) -> Vote? {
    guard let own, let key = configuration.own, isKept(subject.view),
      !abstains(in: subject.view)
    else { return nil }
    var round = rounds[subject.view, default: Round()]
    guard isLawful(subject.kind, in: round) else { return nil }
    let vote = Vote(
      subject: subject, signer: own,
      signature: key.sign(subject.payload(chain: configuration.chain), for: .consensus))
    round.own.append(vote)
    rounds[subject.view] = round
    if !isForgotten(subject.kind) { effects.append(.persist(.vote(vote))) }
    return vote
  }

  /// Signs, sends and counts; whether it could be signed.
  @discardableResult
  mutating func cast(_ subject: Subject, _ now: Timestamp, _ effects: inout [Effect]) -> Bool {
    guard let vote = sign(subject, &effects) else { return false }
    tell(.vote(vote), &effects)
    count(vote, now, &effects)
    return true
  }

  /// Rules 3 to 5, in one place: one notarize and that before any nullify; never nullify and
  /// finalize of one view.
  private func isLawful(_ kind: VoteKind, in round: Round) -> Bool {
    guard !round.hasSigned(kind) else { return false }
    switch kind {
    case .notarize: return !round.hasSigned(.nullify)
    case .nullify: return !round.hasSigned(.finalize)
    case .finalize:
      return !round.hasSigned(.nullify)
        || configuration.planted.contains(.finalizeAfterNullify)
    }
  }

  /// Planted bugs: votes that do not reach the journal.
  func isForgotten(_ kind: VoteKind) -> Bool {
    switch kind {
    case .notarize: configuration.planted.contains(.notarizeNotPersisted)
    case .nullify: configuration.planted.contains(.nullifyNotPersisted)
    case .finalize: false
    }
  }
}

extension Round {
  func hasCertificate(_ kind: VoteKind) -> Bool { certificate(kind) != nil }

  func certificate(_ kind: VoteKind) -> Certificate? {
    switch kind {
    case .notarize: notarization
    case .nullify: nullification
    case .finalize: finalization
    }
  }

  mutating func take(_ certificate: Certificate) {
    switch certificate.subject.kind {
    case .notarize: notarization = certificate
    case .nullify: nullification = certificate
    case .finalize: finalization = certificate
    }
  }
}
