import Domain

extension ConsensusCore {
  /// Goes as far as the evidence of a view allows.
  mutating func advance(_ view: UInt64, _ now: Timestamp, _ effects: inout [Effect]) {
    guard isKept(view), let round = rounds[view], !isHalted else { return }
    // Rule 7: a quorum of finalize makes the block final, with its ancestors. Rule 11: the view
    // is over even while blocks are missing.
    if let finalization = round.finalization {
      let isDelivered = finalise(view, finalization, now, &effects)
      enter(view + 1, now)
      if isDelivered { return }
    }
    // Rule 6: a nullified view is over; its block can still be certified and become final.
    if round.nullification != nil { enter(view + 1, now, isSkip: true) }
    certify(view, now, &effects)
  }

  /// Rule 4: notarized, held whole, valid and durable: certified.
  private mutating func certify(_ view: UInt64, _ now: Timestamp, _ effects: inout [Effect]) {
    guard let round = rounds[view], !round.isCertified, let hash = round.certifiedHash,
      let candidate = round.candidate(hash)
    else { return }
    switch candidate.standing {
    case .unchecked: return
    case .invalid:
      nullify(view, now, &effects)
      return
    case .valid: break
    }
    keep(candidate, &effects)
    rounds[view]?.isCertified = true
    effects.append(.persist(.certified(view: view)))
    lastGrowth = max(lastGrowth, candidate.block.header.time)
    lastBody = candidate.block.body.count
    enter(view + 1, now)
    // Rules 4 and 5: `sign` refuses to finalize a view that this node has asked to skip.
    guard !round.hasEquivocation else { return }
    cast(.block(.finalize, candidate.block.header, hash: hash), now, &effects)
  }

  /// Makes a block durable, once.
  mutating func keep(_ candidate: Candidate, _ effects: inout [Effect]) {
    guard !candidate.isDurable else { return }
    rounds[candidate.block.header.view]?.change(candidate.hash) { $0.isDurable = true }
    effects.append(.persist(.block(candidate.block)))
  }

  /// Enters a view, if it is a later one.
  mutating func enter(_ next: UInt64, _ now: Timestamp, isSkip: Bool = false) {
    guard next > view else { return }
    view = next
    viewEntered = now
    executedUntil = nil
    buildingView = nil
    retryAt = nil
    proposalSeen = rounds[next]?.proposal == nil ? nil : now
    if isSkip { nullified += 1 }
  }

  /// Delivers the block of `view` behind its ancestors above the floor, and prunes below it.
  /// False while an ancestor is missing, or while execution lags far behind.
  private mutating func finalise(
    _ view: UInt64, _ finalization: Certificate, _ now: Timestamp, _ effects: inout [Effect]
  ) -> Bool {
    guard floor.height < roots.newest.height + UInt64(ConsensusLimits.attestations) else {
      return false
    }
    var chain: [FinalizedBlock] = []
    var name = BlockName(view: view, hash: finalization.subject.hash)
    while name.view > floor.view {
      // Ancestors go by hash: another proposal of their view may be held beside them.
      guard let held = rounds[name.view]?.candidate(name.hash) else { return false }
      let header = held.block.header
      chain.append(
        FinalizedBlock(
          block: held.block, hash: held.hash,
          finalization: rounds[name.view]?.finalization(of: held.hash)))
      name = BlockName(view: header.parentView, hash: header.parent)
    }
    guard name == BlockName(view: floor.view, hash: floor.hash) else {
      halt("a finalised chain leaves out block \(floor.height), which is final", &effects)
      return false
    }
    for block in chain.reversed() where !isHalted { deliver(block, &effects) }
    guard let newest = chain.first, !isHalted else { return false }
    floorFinalization = finalization
    nullified = 0
    prune(view, chain, &effects)
    return newest.block.header.view == floor.view
  }

  private mutating func deliver(_ final: FinalizedBlock, _ effects: inout [Effect]) {
    let header = final.block.header
    guard roots.expect(header.attested) else {
      halt(
        "block \(header.height) attests other roots of block \(header.attested.height) than this "
          + "node computed", &effects)
      return
    }
    effects.append(.deliver(final))
    floor = ChainPoint(header, hash: final.hash)
    floorEpoch = header.epoch
    lastGrowth = max(lastGrowth, header.time)
    mark(header)
    if attestedHeight >= proofWantedHeight { proofWantedSince = nil }
  }

  /// Forgets the views up to `view`. Own proposals that were left out are handed back.
  private mutating func prune(
    _ view: UInt64, _ chain: [FinalizedBlock], _ effects: inout [Effect]
  ) {
    for key in rounds.keys.sorted() where key <= view {
      guard own == leader(of: key), let made = rounds[key]?.proposed,
        !chain.contains(where: { $0.hash == made.hash })
      else { continue }
      effects.append(.abandon(body: made.block.header.body))
    }
    rounds = rounds.filter { $0.key > view }
  }
}

extension Round {
  func finalization(of hash: Digest) -> Certificate? {
    finalization.flatMap { $0.subject.hash == hash ? $0 : nil }
  }
}
