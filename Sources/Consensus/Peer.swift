import Domain

/// What is known of another node: a validator, or one that follows the chain.
struct Peer: Sendable {
  /// The latest view of a vote of its, up to the view after this node's (rule 1).
  var heard: UInt64 = 0
  /// The latest view that it was seen to be in (rule 15).
  var shown: UInt64 = 0
  /// The latest view that it was seen to finalize: it has that view's notarization (rule 4).
  var finalized: UInt64 = 0
  /// Its newest vote, also from below the floor (rule 16).
  var newest: Vote?
  /// Of its last final block, as it says.
  var height: UInt64 = 0
  /// Its beginnings in this epoch, stored: the first that this node heard of, and of another life,
  /// if others tell of one (rule 16).
  private(set) var beginnings: [Beginning] = []
  /// What it answered to this node's question; nil before (rule 16).
  var told: Told?

  // When it was last answered: a stale vote, a fetch and a question (rules 8, 11 and 16).
  var outdated: Timestamp?
  var answered: Timestamp?
  var questioned: Timestamp?

  /// Notes a verified vote of its.
  mutating func note(_ vote: Vote) {
    let view = vote.subject.view
    shown = max(shown, view)
    if vote.subject.kind == .finalize { finalized = max(finalized, view) }
    if view >= newest?.subject.view ?? 0 { newest = vote }
  }

  /// Holds a beginning of its; false when there is nothing new in it.
  mutating func hold(_ beginning: Beginning) -> Bool {
    guard beginnings.count < 2, !beginnings.contains(where: { $0.life == beginning.life }) else {
      return false
    }
    beginnings.append(beginning)
    return true
  }

  /// Moves its timers back with the clock.
  mutating func shift(by shift: Int64) {
    outdated = outdated?.earlier(by: shift)
    answered = answered?.earlier(by: shift)
    questioned = questioned?.earlier(by: shift)
  }
}

/// An answer to a node that is about to sign (rule 16).
struct Told: Sendable {
  /// Through which view the asker may have signed, as far as this answer tells.
  var through: UInt64
  /// No other life of the asker was witnessed.
  var isFirst: Bool
  /// It came with all beginnings that its sender has stored.
  var hasAll: Bool
}

extension Timestamp {
  func earlier(by microseconds: Int64) -> Timestamp {
    Timestamp(microseconds: self.microseconds &- microseconds)
  }
}
