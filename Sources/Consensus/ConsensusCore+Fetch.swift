import Domain

/// What this node lacks: something of the views from `from` on, and these blocks.
struct Lack {
  var from: UInt64
  var blocks: [BlockName]
}

/// Rule 11.
extension ConsensusCore {
  // MARK: asking

  /// Rule 11: asks one peer after the other for what is missing, at first after half of Δ, in
  /// which most of it comes by itself; then every 2Δ.
  mutating func seek(_ now: Timestamp, _ effects: inout [Effect]) {
    guard !isAlone, let lack = lack(now) else {
      fetchAt = nil
      return
    }
    let time = fetchAt ?? Timestamp(microseconds: now.microseconds + configuration.delta / 2)
    fetchAt = time
    if time <= now {
      let next = Timestamp(microseconds: now.microseconds + 2 * configuration.delta)
      fetchAt = next
      fetch(lack, &effects)
    }
    wake(at: fetchAt ?? time)
  }

  mutating func fetch(_ lack: Lack, _ effects: inout [Effect]) {
    let count = UInt64(configuration.validators.count)
    var peer = UInt16((view + fetches) % count)
    fetches &+= 1
    if peer == own {
      peer = UInt16((view + fetches) % count)
      fetches &+= 1
    }
    fetch(lack, from: peer, &effects)
  }

  func fetch(_ lack: Lack, from peer: UInt16, _ effects: inout [Effect]) {
    let fetch = Fetch(
      epoch: configuration.epoch, height: floor.height, from: lack.from, blocks: lack.blocks)
    effects.append(.send(.fetch(fetch), to: peer))
  }

  /// Nil while nothing is missing.
  private mutating func lack(_ now: Timestamp) -> Lack? {
    var lack = Lack(from: view, blocks: [])
    var isLacking =
      beyond > floor.view + ConsensusLimits.views || isBehind || isFinalityOverdue(now)
    for view in rounds.keys.sorted() {
      guard let round = rounds[view] else { continue }
      if let hash = round.certifiedHash, round.candidate(hash) == nil {
        lack.add(BlockName(view: view, hash: hash))
      }
      if let finalization = round.finalization, let name = missingAncestor(of: finalization) {
        lack.add(name)
      }
    }
    // Between this view and the next certified one below it, every view needs a nullification.
    var below = view - 1
    while below > floor.view, rounds[below]?.isCertified != true {
      if rounds[below]?.nullification == nil {
        lack.from = below
        isLacking = true
      }
      below -= 1
    }
    if let header = rounds[view]?.proposed?.block.header {
      isLacking = isLacking || header.attested.height > floor.height
      if header.parentView > floor.view, header.parentView < view,
        rounds[header.parentView]?.isCertified != true
      {
        lack.from = min(lack.from, header.parentView)
        isLacking = true
      }
    }
    return isLacking || !lack.blocks.isEmpty ? lack : nil
  }

  /// More validators than can be Byzantine say that they have a higher final block.
  private var isBehind: Bool {
    let ahead = others.filter { peers[Int($0)].height > floor.height }
    return ahead.count > Quorum.faults(of: configuration.validators.count)
  }

  /// A notarized block usually becomes final within Δ; if not, others may know that it did.
  private mutating func isFinalityOverdue(_ now: Timestamp) -> Bool {
    guard rounds.contains(where: { $0.value.notarization != nil }) else { return false }
    let due = Timestamp(microseconds: viewEntered.microseconds + delta)
    if now < due { wake(at: due) }
    return now >= due
  }

  /// The newest block behind a final one that is not held.
  private func missingAncestor(of finalization: Certificate) -> BlockName? {
    var name = BlockName(view: finalization.subject.view, hash: finalization.subject.hash)
    while name.view > floor.view {
      guard let held = rounds[name.view]?.candidate(name.hash) else { return name }
      name = BlockName(view: held.block.header.parentView, hash: held.block.header.parent)
    }
    return nil
  }

  // MARK: answering

  /// Rule 11: history from storage, the rest from what is kept; bounded, and at most one answer
  /// in Δ to each peer.
  mutating func answer(
    _ fetch: Fetch, to peer: UInt16, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    guard peer != own, Int(peer) < peers.count, isDue(peers[Int(peer)].answered, now) else {
      return
    }
    peers[Int(peer)].answered = now
    if fetch.height < floor.height {
      let last = min(floor.height, fetch.height + UInt64(ConsensusLimits.answerBlocks))
      effects.append(.serve(from: fetch.height + 1, through: last, to: peer))
    }
    // Certificates of this epoch mean nothing in another (rule 12).
    guard fetch.epoch == configuration.epoch else { return }
    let answer = kept(for: fetch)
    if !answer.isEmpty { effects.append(.send(.answer(answer), to: peer)) }
  }

  private func kept(for fetch: Fetch) -> Answer {
    var answer = Answer(certificates: [], blocks: [])
    var bytes = 0
    func add(_ candidate: Candidate?) {
      guard let candidate, answer.blocks.count < ConsensusLimits.answerBlocks,
        bytes < ConsensusLimits.answerBytes, !answer.blocks.contains(candidate.block)
      else { return }
      answer.blocks.append(candidate.block)
      bytes += candidate.block.body.count
    }
    for name in fetch.blocks { add(rounds[name.view]?.candidate(name.hash)) }
    if fetch.height < floor.height, let floorFinalization {
      answer.certificates.append(floorFinalization)
    }
    for view in rounds.keys.sorted() where view >= fetch.from {
      guard let round = rounds[view],
        answer.certificates.count + 3 <= ConsensusLimits.answerCertificates
      else { continue }
      answer.certificates += [round.notarization, round.nullification, round.finalization]
        .compactMap { $0 }
      add(round.certified)
    }
    return answer
  }

  // MARK: taking

  /// Takes certificates, then the blocks that they name and, from newer to older, the blocks
  /// that those name as their parents. Nothing else is held (rule 11).
  mutating func take(_ answer: Answer, _ now: Timestamp, _ effects: inout [Effect]) {
    let before = (floor.height, view)
    for certificate in answer.certificates { accept(certificate, now, &effects) }
    var links = links()
    var views: [UInt64] = []
    for block in answer.blocks.sorted(by: { $0.header.view > $1.header.view }) {
      let header = block.header
      guard isKept(header.view), let link = links[header.view],
        header.chain == configuration.chain, header.epoch == configuration.epoch,
        header.parentView < header.view, header.hash == link.hash
      else { continue }
      var round = rounds[header.view, default: Round()]
      links[header.parentView] =
        links[header.parentView] ?? Link(hash: header.parent, isFinal: link.isFinal)
      guard round.candidate(link.hash) == nil,
        hold(
          block, link.hash, in: &round, asProposal: false, isFinal: link.isFinal, &effects)
      else { continue }
      rounds[header.view] = round
      views.append(header.view)
    }
    for view in views.reversed() { advance(view, now, &effects) }
    finaliseHeld(now, &effects)
    // There is more where that came from.
    if before != (floor.height, view) { fetchAt = now }
  }

  /// What certificates and held blocks name, by view.
  private func links() -> [UInt64: Link] {
    var links: [UInt64: Link] = [:]
    for view in rounds.keys.sorted(by: >) {
      guard let round = rounds[view] else { continue }
      if let hash = round.certifiedHash {
        let isFinal = links[view]?.isFinal == true || round.finalization != nil
        links[view] = Link(hash: hash, isFinal: isFinal)
      }
      guard let link = links[view], let header = round.candidate(link.hash)?.block.header else {
        continue
      }
      links[header.parentView] =
        links[header.parentView] ?? Link(hash: header.parent, isFinal: link.isFinal)
    }
    return links
  }

  /// Tries every finalization whose block or ancestors were missing.
  mutating func finaliseHeld(_ now: Timestamp, _ effects: inout [Effect]) {
    for view in rounds.keys.sorted() where rounds[view]?.finalization != nil {
      advance(view, now, &effects)
    }
  }
}

private struct Link {
  var hash: Digest
  var isFinal: Bool
}

extension Lack {
  fileprivate mutating func add(_ name: BlockName) {
    guard blocks.count < ConsensusLimits.fetchBlocks, !blocks.contains(name) else { return }
    blocks.append(name)
  }
}
