import Domain

extension ConsensusCore {
  /// From when on a block in this view has a reason (rule 14), never before the view's entry.
  /// A proof that only this node waits for is a reason to propose, not to time a leader out.
  func reason(toPropose: Bool) -> Timestamp {
    var since = Timestamp(microseconds: lastGrowth.microseconds + configuration.heartbeat)
    if let workSince { since = min(since, workSince) }
    if toPropose, let proofWantedSince { since = min(since, proofWantedSince) }
    if !isAlone {
      // A notarized block usually becomes final within Δ; if not, the chain goes on for it.
      if rounds.contains(where: { $0.value.notarization != nil }) {
        since = min(since, Timestamp(microseconds: viewEntered.microseconds + delta))
      }
      if attestedHeight < contentHeight, contentHeight <= roots.newest.height {
        // The next block with entries attests it anyway, if one comes within Δ.
        since = min(
          since,
          Timestamp(microseconds: contentExecuted.microseconds + configuration.delta))
      }
      if isSkipWanted { since = viewEntered }
    }
    return max(since, viewEntered)
  }

  /// More validators than can be Byzantine have asked to skip this view: one of them is honest.
  private var isSkipWanted: Bool {
    let votes = rounds[view]?.votes.filter { $0.subject.kind == .nullify } ?? []
    return votes.count > Quorum.faults(of: configuration.validators.count)
  }

  /// Asks for a body when this node leads a view, has proposed nothing in it, and a block has a
  /// reason (rules 2 and 14).
  mutating func propose(_ now: Timestamp, _ effects: inout [Effect]) {
    guard leadsThisView, !isAbstaining, buildingView == nil, isOpen(rounds[view]) else { return }
    // With one validator nothing can happen before the block is executed; so its roots are told.
    if isAlone && roots.newest.height < floor.height { return }
    guard let parent = parent(of: view) else { return }
    let since = max(reason(toPropose: true), gathered)
    guard since <= now else {
      wake(at: since)
      return
    }
    buildingView = view
    workSince = nil
    effects.append(.build(view: view, parent: parent))
  }

  /// Until when a leader lets entries gather (rule 14). The clients whose entries the last blocks
  /// have send new ones when those are final; without a wait these would miss the next block, and
  /// blocks be many and small. Behind a block with little in it nothing waits.
  private var gathered: Timestamp {
    guard !isAlone, lastBody >= ConsensusLimits.gatheringBytes else { return viewEntered }
    return Timestamp(
      microseconds: viewEntered.microseconds
        + configuration.delta / ConsensusLimits.gatheringParts)
  }

  /// Whether a leader may still make its first proposal there.
  private func isOpen(_ round: Round?) -> Bool {
    guard let round else { return true }
    return round.proposal == nil && !round.hasSigned(.notarize) && !round.hasSigned(.nullify)
  }

  /// The highest certified or finalised view below `view` with a nullification for every view
  /// between (rule 2); nil while evidence is missing.
  func parent(of view: UInt64) -> ChainPoint? {
    var candidate = view - 1
    while candidate > floor.view {
      let round = rounds[candidate]
      if let certified = round?.certified {
        return ChainPoint(certified.block.header, hash: certified.hash)
      }
      guard round?.nullification != nil || configuration.planted.contains(.parentAcrossGap) else {
        return nil
      }
      candidate -= 1
    }
    return floor
  }

  /// Makes the block, and with it this node's own notarize: both durable before they leave
  /// (rule 2). With one validator the same step certifies and finalises it.
  mutating func built(
    _ view: UInt64, _ body: [UInt8], _ time: Timestamp, _ now: Timestamp,
    _ effects: inout [Effect]
  ) {
    guard buildingView == view, view == self.view, isOpen(rounds[view]),
      let parent = parent(of: view), body.count <= Limits.blockBytes
    else {
      effects.append(.abandon(body: Digest.sha256(body)))
      return
    }
    buildingView = nil
    let header = BlockHeader(
      chain: configuration.chain, epoch: configuration.epoch, height: parent.height + 1,
      view: view, parentView: parent.view, parent: parent.hash, time: lawful(time, after: parent),
      body: Digest.sha256(body), attested: roots.newest)
    let hash = header.hash
    let made = Candidate(
      block: Block(header: header, body: body), hash: hash, standing: .valid)
    rounds[view, default: Round()].hold(made, asProposal: true)
    proposalSeen = now
    offer(made, now, &effects)
  }

  /// The nearest time that a block may have after `parent` (rule 3).
  private func lawful(_ time: Timestamp, after parent: ChainPoint) -> Timestamp {
    let earliest = parent.time.microseconds + 1
    let latest = parent.time.microseconds.addingReportingOverflow(configuration.maximumStep)
    return Timestamp(
      microseconds: min(
        max(time.microseconds, earliest), latest.overflow ? .max : latest.partialValue))
  }

  /// Signs an own block's notarize and sends both.
  mutating func offer(_ made: Candidate, _ now: Timestamp, _ effects: inout [Effect]) {
    if !isForgotten(.notarize) { keep(made, &effects) }
    let subject = Subject.block(.notarize, made.block.header, hash: made.hash)
    guard let vote = sign(subject, &effects) else { return }
    tell(.proposal(made.block, vote), &effects)
    count(vote, now, &effects)
  }
}
