import Domain

/// What whoever drives the core may want to know of it.
extension ConsensusCore {
  /// Whether the block of that view is certified here, or is the last final one.
  package func isCertified(_ view: UInt64) -> Bool {
    view == floor.view || rounds[view]?.isCertified == true
  }

  /// Digests of the bodies of that block, certified and not final yet, and of its ancestors above
  /// the floor; the oldest first. Empty for the floor itself.
  package func pendingBodies(of parent: ChainPoint) -> [Digest] {
    var bodies: [Digest] = []
    var name = BlockName(view: parent.view, hash: parent.hash)
    while name.view > floor.view, let held = rounds[name.view]?.candidate(name.hash) {
      let header = held.block.header
      bodies.append(header.body)
      // A header may name any parent view; this one was judged only if it was voted for here.
      guard header.parentView < name.view else { break }
      name = BlockName(view: header.parentView, hash: header.parent)
    }
    return bodies.reversed()
  }

  /// The latest view in which that validator was seen; 0 for one not seen or unknown.
  package func newestView(of validator: UInt16) -> UInt64 {
    Int(validator) < configuration.validators.count ? peers[Int(validator)].shown : 0
  }
}
