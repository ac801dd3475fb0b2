import Domain

extension ConsensusCore {
  /// Takes a proposal of this view or the next, its leader's notarize verified. The leader's
  /// first counts; of another, the vote is evidence.
  mutating func propose(
    _ block: Block, _ vote: Vote, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    let header = block.header
    let hash = header.hash
    guard header.chain == configuration.chain, header.epoch == configuration.epoch,
      vote.subject == .block(.notarize, header, hash: hash),
      vote.signer == leader(of: header.view), header.view <= view + 1, isKept(header.view)
    else { return }
    count(vote, now, &effects)
    // The vote may have completed a certificate that moved the floor past this view.
    guard isKept(header.view) else { return }
    var round = rounds[header.view, default: Round()]
    let isNamed = round.certifiedHash == hash
    guard round.proposal == nil || isNamed, round.candidate(hash) == nil else { return }
    guard hold(block, hash, in: &round, asProposal: true, &effects) else { return }
    rounds[header.view] = round
    if header.view == view { proposalSeen = proposalSeen ?? now }
    advance(header.view, now, &effects)
    if isNamed { finaliseHeld(now, &effects) }
  }

  /// Holds a block, whose entries are checked next unless it is final. One whose body is another
  /// than its header says is dropped, not refused: whoever passed it on may have put the wrong
  /// body behind the leader's header, and the right one must still find its place.
  @discardableResult
  func hold(
    _ block: Block, _ hash: Digest, in round: inout Round, asProposal: Bool, isFinal: Bool = false,
    _ effects: inout [Effect]
  ) -> Bool {
    guard block.body.count <= Limits.blockBytes,
      Digest.sha256(block.body) == block.header.body
    else { return false }
    round.hold(
      Candidate(block: block, hash: hash, standing: isFinal ? .valid : .unchecked),
      asProposal: asProposal)
    if !isFinal { effects.append(.validate(block)) }
    return true
  }

  /// The answer to `validate`.
  mutating func validated(
    _ hash: Digest, _ isValid: Bool, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    // A hash stands in one round only: the header holds the view.
    guard let view = rounds.first(where: { $0.value.candidate(hash) != nil })?.key else { return }
    rounds[view]?.change(hash) { candidate in
      if candidate.standing == .unchecked { candidate.standing = isValid ? .valid : .invalid }
    }
    advance(view, now, &effects)
  }

  private enum Verdict {
    case notarize
    case nullify
    /// Something is missing that may still come; or, with a time, that will.
    case wait(until: Timestamp?)
  }

  /// Rule 3: votes for the leader's proposal in this view, asks to skip it, or waits.
  mutating func judge(_ now: Timestamp, _ effects: inout [Effect]) {
    guard own != nil, !isAbstaining, let round = rounds[view], let candidate = round.proposed,
      !round.hasSigned(.notarize), !round.hasSigned(.nullify), !round.hasEquivocation
    else { return }
    switch verdict(candidate, now) {
    case .notarize:
      if !isForgotten(.notarize) { keep(candidate, &effects) }
      cast(.block(.notarize, candidate.block.header, hash: candidate.hash), now, &effects)
    case .nullify: nullify(view, now, &effects)
    case .wait(let time): if let time { wake(at: time) }
    }
  }

  private func verdict(_ candidate: Candidate, _ now: Timestamp) -> Verdict {
    let header = candidate.block.header
    guard candidate.standing != .invalid, header.parentView < header.view,
      header.attested.height < header.height,
      header.attested.height >= configuration.sealedAt
    else { return .nullify }
    guard header.parentView >= floor.view else { return .nullify }
    var parent = floor
    if header.parentView > floor.view {
      guard let certified = rounds[header.parentView]?.certified else { return .wait(until: nil) }
      parent = ChainPoint(certified.block.header, hash: certified.hash)
    }
    guard header.parent == parent.hash, header.height == parent.height + 1,
      header.time > parent.time, !isTooLate(header.time, after: parent.time)
    else { return .nullify }
    if !configuration.planted.contains(.parentAcrossGap) {
      for between in (header.parentView + 1)..<header.view
      where rounds[between]?.nullification == nil { return .wait(until: nil) }
    }
    guard candidate.standing == .valid else { return .wait(until: nil) }
    switch roots.agrees(with: header.attested) {
    case false: return .nullify
    case nil: return .wait(until: nil)
    default: break
    }
    let earliest = header.time.microseconds - configuration.maximumAhead
    if now.microseconds < earliest {
      return .wait(until: Timestamp(microseconds: earliest))
    }
    return .notarize
  }

  /// Whether the chain's time would make a step that no block may make: one block would close
  /// ever so many intervals.
  private func isTooLate(_ time: Timestamp, after parent: Timestamp) -> Bool {
    let step = time.microseconds.subtractingReportingOverflow(parent.microseconds)
    return step.overflow || step.partialValue > configuration.maximumStep
  }
}
