import Domain

/// Entries of proposals whose signatures were found valid and that are not final yet. A block whose
/// view was skipped comes again in another proposal; what its check has cost must not be lost with
/// the view, or a chain that is late once checks the same entries for ever.
package struct CheckedEntries: Sendable {
  /// More are forgotten, all at once: they are checked again.
  package static let limit = 1 << 14
  private var signatures: [Digest: Signature] = [:]

  package init() {}

  package var count: Int { signatures.count }

  /// Whether it was found valid with this very signature.
  package func has(_ entry: VerifiedEntry) -> Bool {
    signatures[entry.identity] == entry.signed.signature
  }

  package mutating func insert(_ entries: [VerifiedEntry]) {
    if signatures.count + entries.count > Self.limit { signatures = [:] }
    for entry in entries { signatures[entry.identity] = entry.signed.signature }
  }

  /// They are final.
  package mutating func remove(_ entries: [VerifiedEntry]) {
    guard !signatures.isEmpty else { return }
    for entry in entries { signatures[entry.identity] = nil }
  }
}
