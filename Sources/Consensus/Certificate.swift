import Domain

/// A quorum's signatures of one subject: a notarization, nullification or finalization.
///
/// Canonical bytes: subject (kind 1, epoch 8, view 8, parent view 8, hash 32), the signer bitmap
/// behind its 32-bit length (bit i of byte i / 8, least significant first, is validator i), then
/// the 64-byte signatures in the signers' order.
package struct Certificate: Hashable, Sendable {
  package let subject: Subject
  /// Ascending places among the epoch's validators.
  package let signers: [UInt16]
  package let signatures: [Signature]

  /// `votes` are of one subject, by distinct signers, in any order.
  package init(subject: Subject, votes: some Sequence<Vote>) {
    let ordered = votes.sorted { $0.signer < $1.signer }
    self.subject = subject
    signers = ordered.map(\.signer)
    signatures = ordered.map(\.signature)
  }

  /// Whether a quorum of distinct `validators` has signed the subject.
  package func verify(validators: [PublicKey], chain: ChainID) -> Bool {
    guard signers.count >= Quorum.size(of: validators.count), signers.count == signatures.count,
      signers.allSatisfy({ Int($0) < validators.count }),
      zip(signers, signers.dropFirst()).allSatisfy({ $0 < $1 })
    else { return false }
    let payload = subject.payload(chain: chain)
    return zip(signers, signatures).allSatisfy { signer, signature in
      validators[Int(signer)].verifies(signature, of: payload, for: .consensus)
    }
  }

  /// Whether this is a finalization of that very block.
  package func finalizes(hash: Digest, view: UInt64) -> Bool {
    subject.kind == .finalize && subject.hash == hash && subject.view == view
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 64 + 64 * signatures.count)
    encode(into: &writer)
    return writer.bytes
  }

  func encode(into writer: inout CanonicalWriter) {
    subject.encode(into: &writer)
    var bitmap = [UInt8](repeating: 0, count: Int((signers.last ?? 0) / 8) + 1)
    for signer in signers { bitmap[Int(signer / 8)] |= 1 << (signer % 8) }
    writer.write(counted: bitmap)
    for signature in signatures { writer.write(signature) }
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    subject = try Subject(from: &reader)
    let bitmap = try reader.readCounted()
    guard (1...ConsensusLimits.bitmapBytes).contains(bitmap.count),
      bitmap.count == 1 || bitmap.last != 0
    else { throw .malformed }
    var signers: [UInt16] = []
    for index in 0..<UInt16(bitmap.count * 8)
    where bitmap[Int(index / 8)] & (1 << (index % 8)) != 0 { signers.append(index) }
    var signatures: [Signature] = []
    for _ in signers { signatures.append(try reader.readSignature()) }
    self.signers = signers
    self.signatures = signatures
  }

  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    try self.init(from: &reader)
    try reader.finish()
  }
}

/// A block that a quorum has made final.
package struct FinalizedBlock: Hashable, Sendable {
  package let block: Block
  package let hash: Digest
  /// Of this block, or of a descendant for a block that became final with it; then nil, and its
  /// place in the chain is the proof.
  package let finalization: Certificate?

  package init(block: Block, hash: Digest, finalization: Certificate?) {
    self.block = block
    self.hash = hash
    self.finalization = finalization
  }
}
