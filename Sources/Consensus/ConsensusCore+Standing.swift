import Domain

/// Rule 16, and what a link that came up is told.
extension ConsensusCore {
  /// This node may sign nothing in its view, because it may have signed there and forgotten it.
  package var isAbstaining: Bool { abstains(in: view) }

  func abstains(in view: UInt64) -> Bool {
    abstention.covers(view) && !isAlone && !configuration.planted.contains(.votesAfterWipe)
  }

  /// A link came up: both sides say where they stand. A node that only follows asks for what
  /// there is.
  mutating func connected(to peer: UInt16, _ now: Timestamp, _ effects: inout [Effect]) {
    guard !isAlone, peer != own, Int(peer) < configuration.validators.count else { return }
    guard own != nil else {
      fetch(Lack(from: view, blocks: []), from: peer, &effects)
      return
    }
    effects.append(.send(.standing(standing(for: peer)), to: peer))
  }

  // MARK: asking

  /// Asks those who have not answered, every 2Δ.
  mutating func ask(_ now: Timestamp, _ effects: inout [Effect]) {
    guard own != nil, !isAlone, abstention == .unresolved else { return }
    if beginning == nil { begin(now, &effects) }
    let time = askAt ?? now
    if time <= now {
      for peer in others where asks(peer) {
        effects.append(.send(.standing(standing(for: peer)), to: peer))
      }
      askAt = Timestamp(microseconds: now.microseconds + 2 * configuration.delta)
    }
    wake(at: askAt ?? time)
  }

  /// A life is marked by the time at which it first asks, and keeps its mark in the journal.
  private mutating func begin(_ now: Timestamp, _ effects: inout [Effect]) {
    guard let own, let key = configuration.own else { return }
    let life = UInt64(bitPattern: now.microseconds)
    let payload = Beginning.payload(
      chain: configuration.chain, epoch: configuration.epoch, life: life)
    let made = Beginning(
      epoch: configuration.epoch, signer: own, life: life,
      signature: key.sign(payload, for: .consensus))
    beginning = made
    effects.append(.persist(.beginning(made)))
  }

  /// Whether that validator's answer is still wanted.
  private func asks(_ peer: UInt16) -> Bool {
    guard abstention == .unresolved else { return false }
    guard let told = peers[Int(peer)].told else { return true }
    return isForgetful && !told.hasAll
  }

  func standing(for peer: UInt16) -> Standing {
    Standing(
      epoch: configuration.epoch, height: floor.height, beginning: asks(peer) ? beginning : nil,
      wantsAll: asks(peer) && isForgetful, certificate: entryCertificate,
      vote: peers[Int(peer)].newest)
  }

  // MARK: answering and learning

  mutating func receive(
    _ standing: Standing, from sender: UInt16, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    peers[Int(sender)].height = max(peers[Int(sender)].height, standing.height)
    learn(standing, from: sender, now, &effects)
    if let certificate = standing.certificate, certificate.subject.epoch == standing.epoch {
      let view = certificate.subject.view &+ 1
      peers[Int(sender)].shown = max(peers[Int(sender)].shown, view)
      accept(certificate, now, &effects)
    }
    if let question = standing.beginning, question.epoch == standing.epoch,
      question.signer == sender
    {
      answer(question, of: sender, wantsAll: standing.wantsAll, now, &effects)
    }
  }

  /// At most once in Δ to each peer. The first beginning of each validator in an epoch is stored
  /// before it is answered: a later life of it will hear of it. Such a one has also forgotten what
  /// it had witnessed of others, and gets all that this node has.
  private mutating func answer(
    _ question: Beginning, of peer: UInt16, wantsAll: Bool, _ now: Timestamp,
    _ effects: inout [Effect]
  ) {
    guard own != nil, !isHalted, isDue(peers[Int(peer)].questioned, now) else { return }
    // Who cannot show how it entered its view, other than the epoch's first, has nothing to say.
    guard entryCertificate != nil || floorEpoch != configuration.epoch else { return }
    peers[Int(peer)].questioned = now
    if peers[Int(peer)].beginnings.isEmpty, peers[Int(peer)].hold(question) {
      effects.append(.persist(.beginning(question)))
    }
    var answer = standing(for: peer)
    answer.answer = question.life
    answer.witnessed = peers[Int(peer)].beginnings
    answer.hasAll = wantsAll || answer.witnessed.contains { $0.life != question.life }
    if answer.hasAll {
      for other in others where other != peer { answer.witnessed += peers[Int(other)].beginnings }
      if let beginning { answer.witnessed.append(beginning) }
    }
    effects.append(.send(.standing(answer), to: peer))
  }

  /// Takes an answer to this life's question, or a vote that shows that the disk is an old copy.
  private mutating func learn(
    _ standing: Standing, from sender: UInt16, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    let vote = standing.vote.flatMap { vote in
      vote.signer == own && vote.subject.epoch == standing.epoch ? vote : nil
    }
    if let vote { recall(vote, now, &effects) }
    guard abstention == .unresolved, let beginning, standing.answer == beginning.life else {
      return
    }
    let lives = standing.witnessed.filter { $0.signer == own && $0.epoch == standing.epoch }
    guard !lives.isEmpty else { return }
    if standing.hasAll { remember(standing, &effects) }
    var through = floor.view
    if let certificate = standing.certificate, certificate.subject.epoch == standing.epoch {
      through = max(through, certificate.subject.view)
    }
    // Nobody signs two views above a certificate that honest validators know.
    through = through > .max - 2 ? .max : through + 2
    // A vote of this epoch, while this life has signed none, is an earlier life's.
    let isFirst = vote == nil && lives.allSatisfy { $0.life == beginning.life }
    peers[Int(sender)].told = Told(
      through: max(through, vote?.subject.view ?? 0), isFirst: isFirst, hasAll: standing.hasAll)
    isForgetful = isForgetful || !isFirst
    settle(&effects)
  }

  /// Stores the beginnings that others have witnessed, where this node may have forgotten them.
  private mutating func remember(_ standing: Standing, _ effects: inout [Effect]) {
    for made in standing.witnessed {
      guard made.signer != own, Int(made.signer) < configuration.validators.count,
        made.epoch == standing.epoch, peers[Int(made.signer)].hold(made)
      else { continue }
      effects.append(.persist(.beginning(made)))
    }
  }

  /// With the answers of q − 1 others it is known through which view this node may have signed:
  /// none, if all have witnessed this life alone.
  private mutating func settle(_ effects: inout [Effect]) {
    let told = others.compactMap { peers[Int($0)].told }
    let counted = told.count { !isForgetful || $0.hasAll }
    guard counted + 1 >= Quorum.size(of: configuration.validators.count) else { return }
    let last = isForgetful ? told.map(\.through).max() ?? 0 : 0
    abstention = .through(last)
    askAt = nil
    effects.append(.persist(.abstention(epoch: configuration.epoch, through: last)))
  }

  /// An own vote of this epoch that the journal does not have, in a view from which this node does
  /// not abstain: the disk is an old copy, or lost what it had stored. That is a new life.
  private mutating func recall(
    _ vote: Vote, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    let view = vote.subject.view
    guard view > floor.view, !abstention.covers(view), !isAlone,
      rounds[view]?.hasSigned(vote.subject.kind) != true
    else { return }
    abstention = .unresolved
    isForgetful = true
    for peer in others { peers[Int(peer)].told = nil }
    begin(now, &effects)
  }
}
