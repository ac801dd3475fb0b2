import Domain
import Synchronization

/// What clients were told about one grid's items, in a form whose size does not grow with their
/// number: for each block how many entries were acknowledged in it and the sum of their marks.
/// Kept one by one are only a sample, and items whose outcome was in doubt at some time.
package struct AcknowledgedItems: Sendable {
  /// Of one block: its entries and their marks' sum, which wraps.
  package struct Sum: Hashable, Sendable {
    package var count: UInt64 = 0
    package var marks: UInt64 = 0

    package init() {}

    package mutating func add(_ mark: UInt64) {
      count += 1
      marks &+= mark
    }
  }

  /// An item that was sent more than once, or whose answer never came.
  package struct Doubt: Hashable, Sendable {
    /// Whether an answer says that the chain has it.
    package var isThere = false
    /// Whether an answer says that it was applied.
    package var isApplied = false
    /// The block in which an answer says that it stands, and with what outcome; 0: none.
    package var height: UInt64 = 0
    package var rejection: Rejection?
  }

  /// An acknowledged item whose receipt is asked for at the end.
  package struct Sample: Hashable, Sendable {
    package var mark: UInt64
    package var height: UInt64
    package var rejection: Rejection?
  }

  /// Of each kind, acknowledged items that each had the same chance to be among these (reservoir
  /// sampling).
  private struct Reservoir {
    var seen = 0
    var samples: [Sample] = []

    mutating func offer(_ sample: Sample, _ draws: inout LoadDraws) {
      seen += 1
      guard samples.count == LoadLimits.samples else { return samples.append(sample) }
      let place = draws.below(seen)
      if place < samples.count { samples[place] = sample }
    }
  }

  package private(set) var blocks: [UInt64: Sum] = [:]
  package private(set) var doubts: [UInt64: Doubt] = [:]
  private var reservoirs = ItemKind.allCases.map { _ in Reservoir() }
  package var samples: [Sample] { reservoirs.flatMap(\.samples) }
  /// Items that a block has, and those of them that it applied.
  package private(set) var acknowledged = 0
  package private(set) var applied = 0
  /// Answers that cannot be right.
  package private(set) var faults = LoadFaults()
  /// Doubtful items beyond the limit: the check cannot tell any more.
  package private(set) var forgotten = 0
  private var draws: LoadDraws

  package init(draws: LoadDraws) { self.draws = draws }

  /// The mark of an entry: the first eight bytes of its payload's SHA-256.
  package static func mark(_ payload: [UInt8]) -> UInt64 { Digest.sha256(payload).bytes.w0 }

  /// An answer to an item that was never in doubt. Without a block (height 0) it must not be on
  /// the chain.
  package mutating func note(
    _ mark: UInt64, _ kind: ItemKind, height: UInt64, rejection: Rejection?
  ) {
    guard height > 0 else { return }
    acknowledged += 1
    if rejection == nil { applied += 1 }
    blocks[height, default: Sum()].add(mark)
    reservoirs[kind.rawValue].offer(
      Sample(mark: mark, height: height, rejection: rejection), &draws)
  }

  package mutating func fault(_ text: String) { faults.add(text) }

  /// The highest block that an answer named; 0: none did.
  package var highest: UInt64 {
    max(blocks.keys.max() ?? 0, doubts.values.lazy.map(\.height).max() ?? 0)
  }

  /// The item may be on the chain although no answer came.
  package mutating func doubt(_ mark: UInt64) {
    guard doubts[mark] == nil else { return }
    guard doubts.count < LoadLimits.doubtful else {
      forgotten += 1
      return
    }
    doubts[mark] = Doubt()
  }

  /// An answer to an item that was in doubt.
  package mutating func settle(_ mark: UInt64, height: UInt64, rejection: Rejection?) {
    guard var doubt = doubts[mark] else { return }
    if height > 0 {
      if doubt.height == 0 {
        acknowledged += 1
        if rejection == nil { applied += 1 }
      }
      doubt.isThere = true
      (doubt.height, doubt.rejection) = (height, rejection)
    }
    switch rejection {
    case nil: doubt.isApplied = true
    // It was executed when it came the first time.
    case .duplicate, .replayed: doubt.isThere = true
    default: break
    }
    doubts[mark] = doubt
  }
}

/// The same, for several connections at a time.
package final class Acknowledged: Sendable {
  private let state: Mutex<AcknowledgedItems>

  package init(seed: UInt64) { state = Mutex(AcknowledgedItems(draws: LoadDraws(seed: seed))) }

  package var items: AcknowledgedItems { state.withLock { $0 } }

  package func change(_ body: (inout AcknowledgedItems) -> Void) {
    state.withLock { body(&$0) }
  }
}

/// What is wrong: the first few in words, the rest counted.
package struct LoadFaults: Hashable, Sendable {
  package private(set) var count = 0
  package private(set) var texts: [String] = []

  package init() {}

  package mutating func add(_ text: String) {
    count += 1
    if texts.count < LoadLimits.faults { texts.append(text) }
  }
}
