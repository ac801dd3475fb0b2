import Domain

/// Messages, each from a peer that was authenticated.
extension ConsensusCore {
  mutating func receive(
    _ message: Message, from sender: UInt16, _ now: Timestamp, _ effects: inout [Effect]
  ) {
    guard sender != own, Int(sender) < peers.count else { return }
    if case .fetch(let fetch) = message {
      answer(fetch, to: sender, now, &effects)
      return
    }
    if let epoch = message.epoch, epoch != configuration.epoch {
      meet(message, of: epoch, from: sender, now, &effects)
      return
    }
    guard Int(sender) < configuration.validators.count else { return }
    switch message {
    case .proposal(let block, let vote): propose(block, vote, now, &effects)
    case .vote(let vote):
      if vote.signer == sender { outdate(vote, now, &effects) }
      count(vote, now, &effects)
    case .certificate(let certificate): accept(certificate, now, &effects)
    case .fetch: return
    case .answer(let answer): take(answer, now, &effects)
    case .standing(let standing): receive(standing, from: sender, now, &effects)
    }
  }

  /// Rule 12: nothing of another epoch is counted. Who is in a later one has a higher final block;
  /// who is held up in an earlier one is told, at most once in Δ, at which height there is more.
  private mutating func meet(
    _ message: Message, of epoch: UInt64, from sender: UInt16, _ now: Timestamp,
    _ effects: inout [Effect]
  ) {
    if epoch > configuration.epoch {
      guard Int(sender) < configuration.validators.count, floor.height < .max else { return }
      peers[Int(sender)].height = max(peers[Int(sender)].height, floor.height + 1)
      return
    }
    let isHeldUp =
      switch message {
      case .vote(let vote): vote.subject.kind == .nullify
      case .standing(let standing): standing.isQuestion
      default: false
      }
    guard isHeldUp, own != nil, isDue(peers[Int(sender)].outdated, now) else { return }
    peers[Int(sender)].outdated = now
    effects.append(.send(.standing(standing(for: sender)), to: sender))
  }

  /// Rule 8: who asks to skip a view that is over here is told so, at most once in Δ. Notarize
  /// and finalize come late as a matter of course.
  private mutating func outdate(_ vote: Vote, _ now: Timestamp, _ effects: inout [Effect]) {
    let subject = vote.subject
    guard subject.kind == .nullify, subject.view < view,
      isDue(peers[Int(vote.signer)].outdated, now)
    else { return }
    var certificates: [Certificate] = []
    if let floorFinalization { certificates.append(floorFinalization) }
    if let round = rounds[subject.view] {
      certificates += [round.nullification, round.notarization].compactMap { $0 }
    }
    if let entryCertificate, !certificates.contains(entryCertificate) {
      certificates.append(entryCertificate)
    }
    guard !certificates.isEmpty else { return }
    peers[Int(vote.signer)].outdated = now
    effects.append(
      .send(.answer(Answer(certificates: certificates, blocks: [])), to: vote.signer))
  }

  func isDue(_ last: Timestamp?, _ now: Timestamp) -> Bool {
    guard let last else { return true }
    // A clock that was set back does not silence this node.
    return now < last || now.microseconds - last.microseconds >= configuration.delta
  }
}
