import Domain

/// What a node needs to know of its core between steps.
extension ConsensusCore {
  /// This node leads the view that it is in.
  package var leads: Bool { leadsThisView }

  /// The view of the proposal that comes next, as far as this node can tell, and its leader.
  package var nextProposal: (view: UInt64, leader: UInt16) {
    let round = rounds[view]
    let isOver = round?.proposal != nil || round?.hasSigned(.nullify) == true
    let next = isOver ? view + 1 : view
    return (next, leader(of: next))
  }

  /// Subjects of the certificates that are held, by view: a vote for one of them adds nothing.
  package var certifiedSubjects: [Subject] {
    rounds.keys.sorted().flatMap { view in
      [rounds[view]?.notarization, rounds[view]?.nullification, rounds[view]?.finalization]
        .compactMap { $0?.subject }
    }
  }
}
