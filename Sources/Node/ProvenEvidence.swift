import Consensus
import Domain
import Foundation
import Storage
import Wire

/// A validator's breach of the protocol, checked without trusting the node that tells it: two votes
/// that no honest validator signs both of, each with a good signature by that validator's key.
package struct ProvenEvidence: Hashable, Sendable {
  /// In the node's store, from 1.
  package let number: UInt64
  package let validator: PublicKey
  package let evidence: Evidence
  /// The bytes that were signed, behind the prefix of `SigningDomain.consensus`.
  package let payloads: [[UInt8]]

  package var epoch: UInt64 { evidence.first.subject.epoch }
  package var view: UInt64 { evidence.first.subject.view }

  /// Throws `invalid` with what does not hold. Without `trusted` the validator's key in that epoch
  /// is the one that the node names.
  package init(_ item: Intertie_V1_EvidenceItem, chain: ChainID, trusted: ProvenValidators?)
    throws(NodeFailure)
  {
    func require(_ condition: Bool, _ fault: String) throws(NodeFailure) {
      guard condition else { throw .invalid("evidence \(item.number) does not hold: \(fault)") }
    }
    func vote(_ signed: Intertie_V1_SignedVote) throws(NodeFailure) -> Vote {
      guard let signature = Signature(Array(signed.signature)),
        let place = UInt16(exactly: item.place)
      else { throw .invalid("evidence \(item.number) does not hold: a vote cannot be read") }
      do throws(Rejection) {
        let subject = try Subject(payload: Array(signed.payload), chain: chain)
        return Vote(subject: subject, signer: place, signature: signature)
      } catch {
        throw .invalid("evidence \(item.number) does not hold: a vote is \(error)")
      }
    }
    number = item.number
    validator = try PublicKey(request: item.validator, "the validator of evidence \(item.number)")
    guard let evidence = Evidence(try vote(item.first), try vote(item.second)) else {
      throw .invalid("evidence \(item.number) does not hold: its votes do not exclude each other")
    }
    self.evidence = evidence
    payloads = [item.first, item.second].map { Array($0.payload) }
    try require(
      evidence.first.subject.epoch == item.epoch && evidence.first.subject.view == item.view
        && Intertie_V1_EvidenceKind(evidence.kind) == item.kind,
      "its votes are of another view or kind than it says")
    for (vote, payload) in zip([evidence.first, evidence.second], payloads) {
      try require(
        validator.verifies(vote.signature, of: payload, for: .consensus),
        "a vote is not signed by the validator")
    }
    guard let trusted else { return }
    guard let validators = trusted.validators(of: item.epoch) else {
      throw .invalid("the validators of epoch \(item.epoch) are not proven")
    }
    try require(
      validators.indices.contains(Int(item.place)) && validators[Int(item.place)] == validator,
      "the key is not that of the epoch's validator")
  }
}

extension ProvenEvidence {
  /// Who, where and how; then both votes, each as it was signed.
  package var text: String {
    let how =
      switch evidence.kind {
      case .twoNotarizes: "two notarizes"
      case .twoFinalizes: "two finalizes"
      case .nullifyAndFinalize: "nullify and finalize"
      }
    var lines = [
      "\(number): \(validator.text(as: .node)) in epoch \(epoch), view \(view): \(how)"
    ]
    for (vote, payload) in zip([evidence.first, evidence.second], payloads) {
      lines.append("  signed \(vote.subject.kind): \(Hex.encode(payload))")
      lines.append("  signature: \(Hex.encode(vote.signature.data))")
    }
    return lines.joined(separator: "\n")
  }
}

extension Intertie_V1_EvidenceItem {
  /// `validators`: of the evidence's epoch. Throws `storage` when the record cannot be read.
  init(_ item: NumberedEvidence, validators: [PublicKey], chain: ChainID) throws(NodeFailure) {
    self.init()
    guard let evidence = try? Evidence(decoding: item.evidence.bytes),
      Int(evidence.first.signer) < validators.count
    else { throw .storage("evidence \(item.number) cannot be read") }
    number = UInt64(clamping: item.number)
    epoch = evidence.first.subject.epoch
    view = evidence.first.subject.view
    kind = Intertie_V1_EvidenceKind(evidence.kind)
    validator = validators[Int(evidence.first.signer)].data
    place = UInt32(evidence.first.signer)
    first = Intertie_V1_SignedVote(evidence.first, chain: chain)
    second = Intertie_V1_SignedVote(evidence.second, chain: chain)
  }
}

extension Intertie_V1_SignedVote {
  init(_ vote: Vote, chain: ChainID) {
    self.init()
    payload = Data(vote.subject.payload(chain: chain))
    signature = vote.signature.data
  }
}

extension Intertie_V1_EvidenceKind {
  init(_ kind: EvidenceKind) {
    switch kind {
    case .twoNotarizes: self = .twoNotarizes
    case .twoFinalizes: self = .twoFinalizes
    case .nullifyAndFinalize: self = .nullifyAndFinalize
    }
  }
}
