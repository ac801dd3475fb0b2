import Domain

/// What this node computed, next to what headers attest.
struct OwnRoots: Sendable {
  /// By ascending height, the newest last; at most `ConsensusLimits.attestations`.
  private(set) var known: [Attestation]
  /// Attested by final headers at heights that are not executed here so far, in their order.
  private(set) var expected: [Attestation] = []

  /// `earlier` is attested by the header of the recovered block: final, so it was this node's own;
  /// `stored` are others that this node has computed, ascending.
  init(_ newest: Attestation, before earlier: Attestation?, stored: [Attestation]) {
    // With the two others, no more than may be kept.
    known =
      stored.filter { $0.height < newest.height }.suffix(ConsensusLimits.attestations - 2)
      + [newest]
    guard let earlier, earlier.height < newest.height,
      !known.contains(where: { $0.height == earlier.height })
    else { return }
    known.insert(earlier, at: known.firstIndex { $0.height > earlier.height } ?? 0)
  }

  var newest: Attestation { known[known.count - 1] }

  /// Nil while this node cannot tell: not executed so far, or too long ago.
  func agrees(with attested: Attestation) -> Bool? {
    known.last { $0.height == attested.height }.map { $0 == attested }
  }

  /// Takes the roots of an executed block. False when a final header has attested others.
  mutating func admit(_ own: Attestation) -> Bool {
    guard own.height > newest.height else { return true }
    known.append(own)
    if known.count > ConsensusLimits.attestations { known.removeFirst() }
    let differs = expected.contains { $0.height == own.height && $0 != own }
    expected.removeAll { $0.height <= own.height }
    return !differs
  }

  /// Takes what a final header attests. False when this node computed other roots.
  mutating func expect(_ attested: Attestation) -> Bool {
    if attested.height > newest.height {
      expected.append(attested)
      return true
    }
    return agrees(with: attested) ?? true
  }
}

extension ConsensusCore {
  /// A block was executed. A final header that attests other roots stops this node.
  mutating func executed(_ own: Attestation, _ now: Timestamp, _ effects: inout [Effect]) {
    guard roots.admit(own) else {
      halt("the roots of block \(own.height) differ from those that a quorum attests", &effects)
      return
    }
    contentExecuted = now
    // What waited for execution to follow.
    for view in rounds.keys.sorted() where rounds[view]?.finalization != nil {
      advance(view, now, &effects)
    }
  }

  /// Notes what a final header says about attestation (rule 14).
  mutating func mark(_ header: BlockHeader) {
    attestedHeight = max(attestedHeight, header.attested.height)
    if header.body != Self.emptyBody { contentHeight = header.height }
  }

  static let emptyBody = Digest.sha256([])
}
