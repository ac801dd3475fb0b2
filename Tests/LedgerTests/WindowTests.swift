import Domain
import TestSupport
import Testing

@testable import Ledger

@Suite("Sequence window")
struct WindowTests {
  @Test(
    "A number is fresh above the highest, or unused among the 63 below it",
    arguments: [
      ([1], 1, false), ([1], 2, true), ([5], 3, true), ([5, 3], 3, false),
      ([64], 1, true), ([65], 1, false), ([65], 2, true), ([100, 37], 37, false),
      ([100], 37, true), ([100], 36, false), ([UInt64.max], UInt64.max, false),
      ([UInt64.max], UInt64.max - 63, true), ([UInt64.max], UInt64.max - 64, false),
    ] as [([UInt64], UInt64, Bool)])
  func table(used: [UInt64], next: UInt64, isFresh: Bool) {
    var window = SequenceWindow()
    for sequence in used { #expect(window.use(sequence) == true) }
    #expect(window.use(next) == isFresh)
  }

  @Test("As a set of all used numbers says", arguments: 0..<100 as Range<UInt64>)
  func property(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var window = SequenceWindow()
    var used: Set<UInt64> = []
    var highest: UInt64 = 0
    for _ in 0..<300 {
      let low = highest > 80 ? highest - 80 : 1
      let sequence = UInt64.random(in: low...highest + 20, using: &random)
      guard sequence > 0 else { continue }
      let isFresh =
        sequence > highest || (highest - sequence < 64 && !used.contains(sequence))
      #expect(window.use(sequence) == isFresh, "seed \(seed), sequence \(sequence)")
      if isFresh { used.insert(sequence) }
      highest = max(highest, isFresh ? sequence : 0)
      #expect(
        SequenceWindow(highest: window.highest, bits: window.bits) == window, "seed \(seed)")
    }
  }

  @Test(
    "Figures that no series of uses leads to are refused",
    arguments: [(0, 1), (1, 0), (1, 3), (2, 4), (2, 5), (63, 1 << 63 | 1), (5, 2)]
      as [(UInt64, UInt64)])
  func impossible(highest: UInt64, bits: UInt64) {
    #expect(SequenceWindow(highest: highest, bits: bits) == nil)
  }
}
