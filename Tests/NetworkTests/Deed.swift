import ProcessSupport
import TestSupport

/// One bad thing that was done, and how what it was done to came out of it.
struct Deed<Kind: RawRepresentable<String> & CaseIterable & Sendable>: Sendable {
  var kind: Kind
  var text: String
  /// From the mending to the next sign of life.
  var gap: Duration
  /// From the mending until everything was as before.
  var recovery: Duration
}

extension Array {
  /// Of deeds, by kind: how often, the longest gap and the longest recovery after it.
  func summary<Kind>() -> String where Element == Deed<Kind>, Kind: Equatable {
    Kind.allCases.compactMap { kind in
      let mine = filter { $0.kind == kind }
      guard let gap = mine.map(\.gap).max(), let recovery = mine.map(\.recovery).max() else {
        return nil
      }
      return "\(kind.rawValue) \(mine.count)× (gap \(gap.text), recovery \(recovery.text))"
    }.joined(separator: ", ")
  }
}

/// Gives every kind once, in some order, before any comes again.
struct Deck<Kind: CaseIterable & Sendable>: Sendable {
  private var kinds: [Kind] = []

  mutating func draw(_ random: inout SplitMix64) -> Kind {
    if kinds.isEmpty { kinds = Kind.allCases.shuffled(using: &random) }
    return kinds.removeLast()
  }
}
