import Domain

extension ConsensusCore {
  /// Checked in tests after every step, and in production at every interval's close.
  package func checkInvariants() throws(InvariantViolation) {
    guard view > floor.view else { throw InvariantViolation("view \(view) is final already") }
    guard roots.newest.height <= floor.height else {
      throw InvariantViolation("block \(roots.newest.height) was executed before it was final")
    }
    guard roots.known.count <= ConsensusLimits.attestations else {
      throw InvariantViolation("\(roots.known.count) own attestations are kept")
    }
    for key in rounds.keys.sorted() {
      guard let round = rounds[key] else { continue }
      guard isKept(key), key <= view + 1 || round.votes.isEmpty else {
        throw InvariantViolation("view \(key) is kept beyond the bounds")
      }
      if let fault = round.fault(validators: configuration.validators.count, quorum: quorum),
        configuration.planted.isEmpty
      {
        throw InvariantViolation("view \(key): \(fault)")
      }
    }
  }
}

extension Round {
  /// What is wrong with it, if anything.
  fileprivate func fault(validators: Int, quorum: Int) -> String? {
    if votes.count > VoteKind.allCases.count * validators { return "too many votes" }
    if isCertified && certified == nil { return "certified without its block" }
    if isCertified && certified?.isDurable != true { return "certified before it is durable" }
    if finalization != nil && nullification != nil { return "finalised and nullified" }
    if hasSigned(.nullify) && hasSigned(.finalize) { return "nullified and finalized here" }
    for kind in VoteKind.allCases where own.count(where: { $0.subject.kind == kind }) > 1 {
      return "two of \(kind) signed here"
    }
    for kind in VoteKind.allCases {
      guard let certificate = certificate(kind) else { continue }
      if Set(certificate.signers).count < quorum { return "a certificate without a quorum" }
    }
    return nil
  }
}
