import Domain

/// What a validator can sign in a view.
package enum VoteKind: UInt8, Sendable, CaseIterable {
  /// This block may be built upon.
  case notarize = 1
  /// This view may be skipped.
  case nullify = 2
  /// This block is certified, and this node has not asked to skip its view.
  case finalize = 3
}

/// The thing that is signed. Compared by value: signatures under it may differ.
package struct Subject: Hashable, Sendable {
  package var kind: VoteKind
  package var epoch: UInt64
  package var view: UInt64
  /// View of the block's parent; 0 for nullify.
  package var parentView: UInt64
  /// Hash of the block; zero for nullify.
  package var hash: Digest

  package static func nullify(epoch: UInt64, view: UInt64) -> Subject {
    Subject(kind: .nullify, epoch: epoch, view: view, parentView: 0, hash: .zero)
  }

  package static func block(_ kind: VoteKind, _ header: BlockHeader, hash: Digest) -> Subject {
    Subject(
      kind: kind, epoch: header.epoch, view: header.view, parentView: header.parentView,
      hash: hash)
  }

  /// chain ‖ kind ‖ epoch ‖ view [‖ parent view ‖ block hash], behind the domain's prefix.
  package func payload(chain: ChainID) -> [UInt8] {
    var writer = CanonicalWriter(capacity: 97)
    writer.write(chain)
    writer.write(kind.rawValue)
    writer.write(epoch)
    writer.write(view)
    if kind != .nullify {
      writer.write(parentView)
      writer.write(hash)
    }
    return writer.bytes
  }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(kind.rawValue)
    writer.write(epoch)
    writer.write(view)
    writer.write(parentView)
    writer.write(hash)
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    guard let kind = VoteKind(rawValue: try reader.read(UInt8.self)) else { throw .malformed }
    self.kind = kind
    epoch = try reader.read(UInt64.self)
    view = try reader.read(UInt64.self)
    parentView = try reader.read(UInt64.self)
    hash = try reader.readDigest()
    guard kind != .nullify || (parentView == 0 && hash == .zero) else { throw .malformed }
  }

  init(kind: VoteKind, epoch: UInt64, view: UInt64, parentView: UInt64, hash: Digest) {
    self.kind = kind
    self.epoch = epoch
    self.view = view
    self.parentView = parentView
    self.hash = hash
  }
}

/// One validator's signature of a subject.
package struct Vote: Hashable, Sendable {
  package var subject: Subject
  /// Place among the epoch's validators.
  package var signer: UInt16
  package var signature: Signature

  package init(subject: Subject, signer: UInt16, signature: Signature) {
    self.subject = subject
    self.signer = signer
    self.signature = signature
  }

  package func verify(validators: [PublicKey], chain: ChainID) -> Bool {
    Int(signer) < validators.count
      && validators[Int(signer)].verifies(
        signature, of: subject.payload(chain: chain), for: .consensus)
  }

  func encode(into writer: inout CanonicalWriter) {
    subject.encode(into: &writer)
    writer.write(signer)
    writer.write(signature)
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    subject = try Subject(from: &reader)
    signer = try reader.read(UInt16.self)
    signature = try reader.readSignature()
  }
}

/// How many validators it takes. f = (n − 1) / 3 may be Byzantine; a quorum is n − f, which for
/// every n, not only 3f + 1, makes two quorums share an honest validator.
package enum Quorum {
  package static func faults(of validators: Int) -> Int { (validators - 1) / 3 }
  package static func size(of validators: Int) -> Int { validators - faults(of: validators) }
}
