import Domain
import Node
import TestSupport
import Testing

/// What a replica remembers of the signatures that it has checked.
@Suite struct CheckedEntriesTests {
  private func entry(_ number: Int, signature mark: UInt64 = 0) -> VerifiedEntry {
    let plain = EntryPoolTests.reading(number)
    var signed = plain.signed
    signed.signature.s.w3 ^= mark
    return VerifiedEntry(verified: plain.content, signed: signed)
  }

  @Test func anEntryIsKnownWithTheVerySignatureThatWasChecked() {
    var checked = CheckedEntries()
    #expect(!checked.has(entry(1)))
    checked.insert([entry(1), entry(2, signature: 7)])
    #expect(checked.has(entry(1)) && checked.has(entry(2, signature: 7)))
    // The same payload under another signature was not checked.
    #expect(!checked.has(entry(1, signature: 7)) && !checked.has(entry(2)))
    #expect(!checked.has(entry(3)))
    checked.insert([entry(1, signature: 9)])
    #expect(checked.has(entry(1, signature: 9)) && !checked.has(entry(1)))
    #expect(checked.count == 2)
  }

  @Test func whatIsFinalIsForgottenAndNothingElse() {
    var checked = CheckedEntries()
    checked.remove([entry(1)])
    checked.insert((0..<10).map { entry($0) })
    // Final under another signature, and never checked here: gone as well, or not there at all.
    checked.remove([entry(2), entry(3, signature: 5), entry(99)])
    let left = (0..<10).filter { checked.has(entry($0)) }
    #expect(left == [0, 1, 4, 5, 6, 7, 8, 9])
    #expect(checked.count == 8)
  }

  @Test func whenItIsFullAllEarlierOnesAreForgottenAtOnce() {
    var checked = CheckedEntries()
    let all = (0..<CheckedEntries.limit).map { entry($0) }
    for start in stride(from: 0, to: all.count, by: 1000) {
      checked.insert(Array(all[start..<min(start + 1000, all.count)]))
    }
    #expect(checked.count == CheckedEntries.limit)
    #expect(all.allSatisfy { checked.has($0) })
    checked.insert([])
    #expect(checked.count == CheckedEntries.limit)
    checked.insert([entry(-1)])
    #expect(checked.count == 1 && checked.has(entry(-1)))
    #expect(!all.contains { checked.has($0) })
    // A block that is larger than that is remembered whole, and no longer than until the next.
    checked.insert(all + [entry(-2)])
    #expect(checked.count == CheckedEntries.limit + 1 && checked.has(all[0]))
    checked.insert([entry(-3)])
    #expect(checked.count == 1)
  }

  /// Whatever comes in whatever order: nothing is taken for checked that was not, so that a replica
  /// comes to the same as one that forgets everything.
  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func nothingIsKnownThatWasNotChecked(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var checked = CheckedEntries()
    var inserted: [Digest: Signature] = [:]
    var known = 0
    for _ in 0..<2000 {
      let entries = (0..<Int(random.int(0...20))).map { _ in
        entry(Int(random.int(0...200)), signature: UInt64(random.int(0...1)))
      }
      switch random.int(0...2) {
      case 0:
        checked.insert(entries)
        for one in entries { inserted[one.identity] = one.signed.signature }
      case 1:
        checked.remove(entries)
        for one in entries { inserted[one.identity] = nil }
      default:
        for one in entries {
          let isKnown = checked.has(one)
          #expect(isKnown == (inserted[one.identity] == one.signed.signature))
          known += isKnown ? 1 : 0
        }
      }
      #expect(checked.count == inserted.count)
    }
    #expect(known > 0)
  }
}
