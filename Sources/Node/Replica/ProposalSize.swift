import Domain

/// How many entries a proposal of this node has: what the other validators can check in time.
///
/// A block that takes longer to check than a view lasts is skipped, and the chain stands still
/// until it is; and whatever is in the next block, an interval's close included, waits for the
/// block before it. So this node takes the time from each of its proposals to the certificate,
/// beyond what its last small ones took, which is the network's part: a large proposal that took
/// longer than Δ makes the next ones smaller in proportion, one that took less than half of it
/// makes them larger. (Congestion is told by delay, before anything is lost, as in L. Brakmo, L.
/// Peterson, *TCP Vegas*, IEEE JSAC 13(8), 1995; only small ones tell the network's part, since in
/// a flood the quickest of large ones would have ever more checking in it.) Where no small one was,
/// proposals become small, and tell. A large proposal of anybody whose view was skipped halves the
/// size. A validator that is down, whose views are skipped without a proposal, changes nothing.
///
/// An interval's close waits for the block before it, and is final with the block behind it: so
/// proposals of several validators are small from Δ before a close until it is final. Small ones
/// all the time would be as prompt, and cost every entry a larger part of a block.
package struct ProposalSize: Sendable {
  /// The least; no more are small.
  private static let least = 64
  /// What part of them a proposal near a close has.
  private static let closingParts = 4
  /// Where it begins.
  package static let first = 512

  private var largest = Self.first
  /// The newest own proposal without a certificate.
  private var own: (view: UInt64, entries: Int, time: Timestamp)?
  /// What the last small ones took, µs of chain time.
  private var quickest = RecentLeast()

  package init() {}

  /// `validators`: of the epoch. One that is alone checks for nobody.
  package func entries(validators: Int) -> Int { validators > 1 ? largest : Limits.blockEntries }

  /// The same of a proposal at `time`, where the next close is `due`, if one will be; `delta`: Δ,
  /// µs of chain time.
  package func entries(validators: Int, at time: Timestamp, due: Timestamp?, delta: Int64) -> Int {
    guard validators > 1, let due, due.microseconds - time.microseconds <= delta else {
      return entries(validators: validators)
    }
    return max(Self.least, largest / Self.closingParts)
  }

  /// How many of them a node hands to the leader, who checks each: all do so at the same time, and
  /// its block takes from each in turn.
  package func handedOn(validators: Int) -> Int { max(1, 2 * largest / validators) }

  /// This node proposes so many entries in that view.
  package mutating func proposed(_ entries: Int, view: UInt64, at time: Timestamp) {
    own = (view, entries, time)
  }

  /// A proposal of that view is certified. `delta`: Δ, µs of chain time.
  package mutating func certified(view: UInt64, at time: Timestamp, delta: Int64) {
    guard let own, own.view == view else { return }
    self.own = nil
    let taken = time.microseconds - own.time.microseconds
    // A clock that was set back tells nothing.
    guard taken >= 0 else { return }
    if own.entries <= Self.least { quickest.note(taken) }
    guard 2 * own.entries >= largest else { return }
    let checking = max(0, taken - (quickest.value ?? 0))
    if checking > delta {
      largest = max(Self.least, largest / 2, Int(Int64(largest) * delta / checking))
    } else if checking < delta / 2 {
      let larger = checking < delta / 4 ? 2 * largest : largest + largest / 8 + 1
      largest = min(Limits.proposedEntries, larger)
    }
  }

  /// The view of a proposal with so many entries was skipped. A small one was not skipped for its
  /// size: where some validators are late with any, the others' proposals grow again.
  package mutating func skipped(_ entries: Int) {
    guard entries > 2 * Self.least, 2 * entries >= largest else { return }
    largest = max(Self.least, largest / 2)
  }
}
