import Domain

extension Replica {
  /// Checked in tests and simulation after every step: the core's and the pool's invariants, and
  /// that no more bodies are held than proposals of the views that are open.
  package func checkInvariants() throws(InvariantViolation) {
    try core.checkInvariants()
    try pool.checkInvariants()
    // Two blocks a view (the leader's first and the one a quorum names), and a body of this node's
    // own, up to the view after the present one.
    let views = Int(core.view + 1 - core.floor.view)
    guard bodies.count <= 3 * views else {
      throw InvariantViolation("\(bodies.count) bodies are held for \(views) views")
    }
    for body in bodies.values where body.view <= core.floor.view {
      throw InvariantViolation("a body of view \(body.view) is held, which is over")
    }
  }
}
