import Domain

/// How two votes of one view exclude each other (rule 13).
package enum EvidenceKind: Sendable, CaseIterable {
  /// Two notarizes of different blocks.
  case twoNotarizes
  /// Two finalizes of different blocks.
  case twoFinalizes
  /// Nullify and finalize, in any order.
  case nullifyAndFinalize
}

extension Evidence {
  /// Reads what `encoded` gives. Throws `malformed` for anything else, and for two votes that do
  /// not exclude each other. Signatures are not verified.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let first = try Vote(from: &reader)
    let second = try Vote(from: &reader)
    try reader.finish()
    guard let evidence = Evidence(first, second) else { throw .malformed }
    self = evidence
  }

  package var kind: EvidenceKind {
    switch (first.subject.kind, second.subject.kind) {
    case (.notarize, _): .twoNotarizes
    case (.finalize, .finalize): .twoFinalizes
    default: .nullifyAndFinalize
    }
  }
}

extension Subject {
  /// Reads what `payload(chain:)` gives. Throws `wrongChain` for another chain's, `malformed` for
  /// anything else.
  package init(payload: [UInt8], chain: ChainID) throws(Rejection) {
    var reader = CanonicalReader(payload)
    guard try reader.readDigest() == chain else { throw .wrongChain }
    guard let kind = VoteKind(rawValue: try reader.read(UInt8.self)) else { throw .malformed }
    let epoch = try reader.read(UInt64.self)
    let view = try reader.read(UInt64.self)
    let isOfBlock = kind != .nullify
    let parentView = isOfBlock ? try reader.read(UInt64.self) : 0
    let hash = isOfBlock ? try reader.readDigest() : .zero
    try reader.finish()
    self.init(kind: kind, epoch: epoch, view: view, parentView: parentView, hash: hash)
  }
}
