import Domain

extension ValidatorRegistry {
  /// Checked whenever the state is encoded, and when it is restored.
  package func checkInvariants() throws(InvariantViolation) {
    guard let fault = historyFault ?? proposalFault else { return }
    throw InvariantViolation("validators: \(fault)")
  }

  /// What is wrong with the changes so far, if anything.
  private var historyFault: String? {
    if !isValid(founders) { return "the first set is out of the rules" }
    if history.count > Limits.epochChanges { return "\(history.count) changes" }
    var before = founders
    var sealedAt: UInt64 = 0
    for (place, change) in history.enumerated() {
      let name = "epoch \(place + 2)"
      guard change.epoch == UInt64(place) + 2 else { return "\(name) is called \(change.epoch)" }
      guard change.sealedAt > sealedAt else { return "\(name) was sealed before the one before" }
      guard isValid(change.validators) else { return "the set of \(name) is out of the rules" }
      guard change.validators != before else { return "\(name) changed nothing" }
      if let fault = fault(in: change.acceptances) { return "\(name): \(fault)" }
      guard change.acceptances.allSatisfy({ before.contains($0.signer) }) else {
        return "\(name): a stranger accepted"
      }
      guard change.acceptances.count >= quorum(of: before.count) else {
        return "\(name): too few accepted"
      }
      before = change.validators
      sealedAt = change.sealedAt
    }
    return nil
  }

  /// What is wrong with the open proposal. Between blocks none has a quorum of both sets.
  private var proposalFault: String? {
    guard let proposal else { return acceptances.isEmpty ? nil : "accepted without a proposal" }
    if history.count >= Limits.epochChanges { return "a proposal beyond the limit" }
    if !isValid(proposal) { return "the proposal is out of the rules" }
    if proposal == validators { return "the proposal is the set as it is" }
    if let fault = fault(in: acceptances) { return fault }
    if !acceptances.allSatisfy({ isConcerned($0.signer) }) { return "a stranger accepted" }
    if isAccepted { return "a proposal with a quorum of both sets is open" }
    return nil
  }

  private func fault(in acceptances: [Acceptance]) -> String? {
    if Set(acceptances.map(\.signer)).count != acceptances.count { return "accepted twice" }
    let fits = acceptances.allSatisfy { $0.command.payload.count <= Limits.acceptanceBytes }
    return fits ? nil : "an acceptance is too long"
  }

  private func isValid(_ keys: [PublicKey]) -> Bool {
    do throws(Rejection) { try ValidatorSet.validate(keys) } catch { return false }
    return true
  }
}
