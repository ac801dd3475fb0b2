import Domain

extension ConsensusCore {
  /// Δ, doubled for each nullified view in a row (rule 1).
  var delta: Int64 { configuration.delta << Int64(min(nullified, ConsensusLimits.doublings)) }

  /// Rules 1, 5 and 8: asks to skip a view whose time is over, and repeats that.
  mutating func watch(_ now: Timestamp, _ effects: inout [Effect]) {
    guard !isAlone else { return }
    guard own != nil, !isAbstaining else {
      wait(now, &effects)
      return
    }
    let round = rounds[view]
    guard round?.hasSigned(.nullify) != true else {
      retry(now, &effects)
      return
    }
    // Rule 5: a leader that nullified its own view will not propose in it.
    let isGivenUp = round?.vote(.nullify, by: leader(of: view)) != nil
    let deadline = deadline
    if isGivenUp || deadline <= now {
      nullify(view, now, &effects)
    } else {
      wake(at: deadline)
    }
  }

  /// A node that may not ask to skip a view asks instead, every 3Δ, what others have beyond it.
  private mutating func wait(_ now: Timestamp, _ effects: inout [Effect]) {
    let due = retryAt ?? deadline
    guard due <= now else {
      wake(at: due)
      return
    }
    scheduleRetry(now)
    if fetchAt == nil { fetch(Lack(from: view, blocks: []), &effects) }
  }

  /// This node has executed final blocks until `end`, the commit and all that followed included,
  /// and has heard nothing meanwhile: the view's time begins anew (rule 1).
  package mutating func finishedExecuting(at end: Timestamp) { executedUntil = end }

  /// When this view's time is over: the leader's for a proposal, then everyone's to certify it.
  private var deadline: Timestamp {
    let since = reason(toPropose: false)
    if proposalSeen == nil, isLeaderSilent { return since }
    let seen = proposalSeen.map { min(since, $0) }
    let start = max(seen ?? since, executedUntil ?? viewEntered)
    return Timestamp(microseconds: start.microseconds + (seen == nil ? 2 : 3) * delta)
  }

  /// The leader has sent no vote for a whole round of leaders while a quorum did (rule 1).
  private var isLeaderSilent: Bool {
    let leader = leader(of: view)
    let count = UInt64(configuration.validators.count)
    guard view > count, leader != own else { return false }
    let since = view - count
    let heard = peers.prefix(Int(count)).count { $0.heard >= since }
    return peers[Int(leader)].heard < since && heard >= quorum
  }

  /// Rule 5: asks to skip a view, unless this node has signed its finalize.
  mutating func nullify(_ view: UInt64, _ now: Timestamp, _ effects: inout [Effect]) {
    let skipped = Subject.nullify(epoch: configuration.epoch, view: view)
    guard cast(skipped, now, &effects) else { return }
    if view == self.view { scheduleRetry(now) }
  }

  /// Rule 8: while a view that this node has nullified goes on, says so again.
  private mutating func retry(_ now: Timestamp, _ effects: inout [Effect]) {
    guard let retryAt, retryAt <= now else {
      if let retryAt { wake(at: retryAt) } else { scheduleRetry(now) }
      return
    }
    scheduleRetry(now)
    recount(view, now, &effects)
    for vote in rounds[view]?.own ?? [] where vote.subject.kind == .nullify {
      tell(.vote(vote), &effects)
    }
    if let entry = entryCertificate {
      // Rule 15: not to those who have shown that they are here or further.
      for peer in others where peers[Int(peer)].shown < view {
        effects.append(.send(.certificate(entry), to: peer))
      }
    }
    // What holds this node up may be that the others are further.
    if fetchAt == nil { fetch(Lack(from: view, blocks: []), &effects) }
  }

  private mutating func scheduleRetry(_ now: Timestamp) {
    let time = Timestamp(microseconds: now.microseconds + 3 * configuration.delta)
    retryAt = time
    wake(at: time)
  }

  /// Counts this node's own votes of a view again (rules 8 and 10).
  mutating func recount(_ view: UInt64, _ now: Timestamp, _ effects: inout [Effect]) {
    let isForgotten = configuration.planted.contains(.ownNullifyNotRecounted)
    for vote in rounds[view]?.own ?? [] {
      guard !isForgotten || vote.subject.kind != .nullify else { continue }
      if rounds[view]?.vote(vote.subject.kind, by: vote.signer) == nil {
        rounds[view]?.admit(vote)
      }
      tally(vote.subject, now, &effects)
    }
  }

  /// The certificate that lets others enter this view.
  var entryCertificate: Certificate? {
    let before = view - 1
    if before == floor.view { return floorFinalization }
    let round = rounds[before]
    return round?.nullification ?? round?.finalization ?? round?.notarization
  }

  /// The other validators.
  var others: [UInt16] {
    (0..<UInt16(configuration.validators.count)).filter { $0 != own }
  }
}
