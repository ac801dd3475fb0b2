import Domain

/// A certificate that this node assembled, until it is time to see who lacks it.
struct Passing: Sendable {
  var certificate: Certificate
  var due: Timestamp
}

extension ConsensusCore {
  /// Rule 4: votes go to everyone, so nearly all assemble the certificate themselves. Δ/4 later
  /// it is sent to those who have not shown that they did.
  mutating func pass(on certificate: Certificate, _ now: Timestamp) {
    guard own != nil, !isAlone else { return }
    let due = Timestamp(microseconds: now.microseconds + configuration.delta / 4)
    passings.append(Passing(certificate: certificate, due: due))
    if passings.count > ConsensusLimits.passings { passings.removeFirst() }
  }

  /// Sends what is due to those who lack it; once.
  mutating func pass(_ now: Timestamp, _ effects: inout [Effect]) {
    // A finalization from above makes one useless.
    passings.removeAll { passing in
      let subject = passing.certificate.subject
      return subject.view < floor.view
        || (subject.view == floor.view && subject.kind != .finalize)
    }
    for passing in passings where passing.due <= now {
      let subject = passing.certificate.subject
      for peer in others where lacks(peer, subject) {
        effects.append(.send(.certificate(passing.certificate), to: peer))
      }
    }
    passings.removeAll { $0.due <= now }
    if let next = passings.first { wake(at: next.due) }
  }

  /// Who has shown a later view is not held up (rule 15); who has finalized this one holds its
  /// notarization, gets the votes, and asks if they do not make it final within Δ (rule 11).
  private func lacks(_ peer: UInt16, _ subject: Subject) -> Bool {
    let seen = peers[Int(peer)]
    return seen.shown <= subject.view
      && (subject.kind == .nullify || seen.finalized < subject.view)
  }
}
