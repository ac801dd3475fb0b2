import Domain

/// Views in which a node signs nothing, because it may have signed there and forgotten it
/// (rule 16).
package enum Abstention: Hashable, Sendable {
  /// Too few validators have answered where they stand. → `through`
  case unresolved
  /// Up to this view, that view included; 0 for none. → `unresolved`, when votes turn up that the
  /// journal does not have.
  case through(UInt64)

  func covers(_ view: UInt64) -> Bool {
    switch self {
    case .unresolved: true
    case .through(let last): view <= last
    }
  }
}

/// A validator says that it is about to sign in an epoch, from a disk that has kept everything
/// that it signed there so far: nothing, the first time (rule 16).
///
/// Canonical bytes: epoch 8, signer 2, life 8, signature 64.
package struct Beginning: Hashable, Sendable {
  package var epoch: UInt64
  /// Place among the epoch's validators.
  package var signer: UInt16
  /// Tells a disk's life from that of another disk with the same key.
  package var life: UInt64
  package var signature: Signature

  package init(epoch: UInt64, signer: UInt16, life: UInt64, signature: Signature) {
    self.epoch = epoch
    self.signer = signer
    self.life = life
    self.signature = signature
  }

  /// chain ‖ 4 ‖ epoch ‖ life, behind the domain's prefix: no vote has kind 4.
  package static func payload(chain: ChainID, epoch: UInt64, life: UInt64) -> [UInt8] {
    var writer = CanonicalWriter(capacity: 49)
    writer.write(chain)
    writer.write(4 as UInt8)
    writer.write(epoch)
    writer.write(life)
    return writer.bytes
  }

  package func verify(validators: [PublicKey], chain: ChainID) -> Bool {
    Int(signer) < validators.count
      && validators[Int(signer)].verifies(
        signature, of: Self.payload(chain: chain, epoch: epoch, life: life), for: .consensus)
  }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(epoch)
    writer.write(signer)
    writer.write(life)
    writer.write(signature)
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    epoch = try reader.read(UInt64.self)
    signer = try reader.read(UInt16.self)
    life = try reader.read(UInt64.self)
    signature = try reader.readSignature()
  }
}

/// Where the sender stands, and what it has seen of the addressee: sent when a link comes up, and
/// as question and answer before a validator signs in an epoch (rule 16).
///
/// Canonical bytes: epoch 8, height 8, answer 8, wants all 1, has all 1, the witnessed beginnings
/// behind a 32-bit count, then beginning, certificate and vote, each behind a byte that is 1 if it
/// follows and 0 if there is none.
package struct Standing: Hashable, Sendable {
  package var epoch: UInt64
  /// Of the sender's last final block: a hint, not proven.
  package var height: UInt64
  /// The life of the addressee that asked; 0 when this answers no question.
  package var answer: UInt64
  /// Asks: the sender is about to sign.
  package var beginning: Beginning?
  /// The asker knows that it has forgotten what it witnessed: it wants all beginnings.
  package var wantsAll: Bool
  /// Answers with the addressee's beginnings in this epoch, as the sender has stored them; at most
  /// `ConsensusLimits.beginnings`.
  package var witnessed: [Beginning]
  /// `witnessed` has all others' as well, and the sender's own.
  package var hasAll: Bool
  /// With which the sender entered its view; nil in an epoch's first view.
  package var certificate: Certificate?
  /// The newest vote of the addressee that the sender has seen.
  package var vote: Vote?

  package init(
    epoch: UInt64, height: UInt64, answer: UInt64 = 0, beginning: Beginning? = nil,
    wantsAll: Bool = false, witnessed: [Beginning] = [], hasAll: Bool = false,
    certificate: Certificate? = nil, vote: Vote? = nil
  ) {
    self.epoch = epoch
    self.height = height
    self.answer = answer
    self.beginning = beginning
    self.wantsAll = wantsAll
    self.witnessed = witnessed
    self.hasAll = hasAll
    self.certificate = certificate
    self.vote = vote
  }

  package var isQuestion: Bool { beginning != nil }

  /// All that are signed in it.
  package var beginnings: [Beginning] { witnessed + [beginning].compactMap { $0 } }

  /// Whether its parts are of its epoch, and their signatures verify.
  func verify(validators: [PublicKey], chain: ChainID) -> Bool {
    for part in beginnings {
      guard part.epoch == epoch, part.verify(validators: validators, chain: chain) else {
        return false
      }
    }
    if let certificate {
      guard certificate.subject.epoch == epoch,
        certificate.verify(validators: validators, chain: chain)
      else { return false }
    }
    guard let vote else { return true }
    return vote.subject.epoch == epoch && vote.verify(validators: validators, chain: chain)
  }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(epoch)
    writer.write(height)
    writer.write(answer)
    writer.write(wantsAll)
    writer.write(hasAll)
    writer.write(UInt32(witnessed.count))
    for part in witnessed { part.encode(into: &writer) }
    writer.write(beginning != nil)
    beginning?.encode(into: &writer)
    writer.write(certificate != nil)
    certificate?.encode(into: &writer)
    writer.write(vote != nil)
    vote?.encode(into: &writer)
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    epoch = try reader.read(UInt64.self)
    height = try reader.read(UInt64.self)
    answer = try reader.read(UInt64.self)
    wantsAll = try reader.readBool()
    hasAll = try reader.readBool()
    let count = try reader.readCount(elementSize: 82)
    guard count <= ConsensusLimits.beginnings else { throw .malformed }
    witnessed = []
    for _ in 0..<count { witnessed.append(try Beginning(from: &reader)) }
    beginning = try reader.readBool() ? try Beginning(from: &reader) : nil
    certificate = try reader.readBool() ? try Certificate(from: &reader) : nil
    vote = try reader.readBool() ? try Vote(from: &reader) : nil
  }
}
