import Consensus
import Domain

extension Cluster {
  /// Sends one message to a node: lost, doubled, delayed, overtaken.
  func post(_ message: Message, from index: Int, to peer: UInt16) {
    let sender = nodes[index]
    if sender.isHonest { observe(message, by: sender.identity, in: sender.epoch) }
    if isHealed && !sender.isHonest && !settings.isByzantineHealed { return }
    if muted.contains(sender.identity) || deafened.contains(peer) { return }
    if !sender.isHonest && !reaches(index, peer) { return }
    for target in nodes.indices where nodes[target].identity == peer {
      // Of the two cores of a Byzantine validator, either or both hear it.
      if !nodes[target].isHonest && random.chance(30) { continue }
      let copies = isHealed ? 1 : random.chance(settings.duplicatePercent) ? 2 : 1
      for _ in 0..<copies where isHealed || !random.chance(settings.dropPercent) {
        events.push(
          .arrival(message, from: sender.identity, to: target, life: nodes[target].life),
          at: time + delay() + distance(sender.identity, peer))
      }
    }
  }

  private func delay() -> Int64 {
    if !isHealed && random.chance(settings.slowPercent) { return random.int(200_000...2_000_000) }
    return random.int(settings.delay)
  }

  private func distance(_ one: UInt16, _ other: UInt16) -> Int64 {
    let count = Int64(settings.validators)
    func place(_ validator: UInt16) -> Int64 { Int64(validator) * 37 % count }
    return abs(place(one) - place(other)) * settings.distance / count
  }

  /// Each core of a Byzantine validator talks to its half of the others, and now and then to all;
  /// much it keeps to itself.
  private func reaches(_ index: Int, _ peer: UInt16) -> Bool {
    let isFirst = index == 0 || nodes[index - 1].identity != nodes[index].identity
    let isOwnHalf = (peer % 2 == 0) == isFirst
    return random.chance(isOwnHalf ? 85 : 20)
  }

  /// The oracle sees what honest nodes let out.
  private func observe(_ message: Message, by identity: UInt16, in epoch: UInt64) {
    switch message {
    case .proposal(_, let vote), .vote(let vote):
      if settings.identity(numbered: vote.signer, in: vote.subject.epoch) == identity {
        oracle.left(vote.subject, by: vote.signer)
      }
    case .certificate(let certificate): oracle.held(certificate)
    case .fetch, .answer, .standing: break
    }
  }

  /// A Byzantine validator signs what passes by, both ways, to some of the others.
  func signAnything(_ message: Message, at index: Int) {
    guard settings.members(of: nodes[index].epoch).contains(nodes[index].identity) else { return }
    guard !isHealed || settings.isByzantineHealed else { return }
    var subjects: [Subject] = []
    switch message {
    case .proposal(_, let vote), .vote(let vote):
      guard random.chance(25) else { return }
      var subject = vote.subject
      if subject.kind != .nullify {
        for kind in [VoteKind.notarize, .finalize] where random.chance(60) {
          subject.kind = kind
          subjects.append(subject)
        }
      }
      if random.chance(60) {
        subjects.append(.nullify(epoch: vote.subject.epoch, view: vote.subject.view))
      }
    default: return
    }
    let identity = nodes[index].identity
    for subject in subjects {
      let vote = Vote(
        subject: subject, signer: settings.number(of: identity, in: subject.epoch),
        signature: keys[Int(identity)].sign(subject.payload(chain: chain), for: .consensus))
      for peer in 0..<UInt16(settings.identities) where random.chance(60) {
        guard peer != identity else { continue }
        for target in nodes.indices where nodes[target].identity == peer {
          events.push(
            .arrival(
              .vote(vote), from: identity, to: target, life: nodes[target].life),
            at: time + random.int(1_000...60_000))
        }
      }
    }
  }
}
