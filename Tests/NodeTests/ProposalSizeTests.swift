import Domain
import Node
import Testing

@Suite struct ProposalSizeTests {
  private static let delta: Int64 = 200_000
  private var now = Timestamp(microseconds: 0)
  private var view: UInt64 = 0

  /// A proposal of that size, certified so many µs later; the whole size unless told.
  private mutating func certify(
    _ size: inout ProposalSize, after time: Int64, entries: Int? = nil
  ) {
    view += 4
    size.proposed(entries ?? size.entries(validators: 4), view: view, at: now)
    now = Timestamp(microseconds: now.microseconds + time)
    size.certified(view: view, at: now, delta: Self.delta)
  }

  @Test func oneValidatorAloneIsNotHeldBack() {
    var size = ProposalSize()
    size.skipped(Limits.proposedEntries)
    #expect(size.entries(validators: 1) == Limits.blockEntries)
  }

  /// From Δ before a close until it is final: until then the next close is the same.
  @Test(arguments: [1, 4])
  func proposalsNearACloseAreSmall(validators: Int) {
    let size = ProposalSize()
    let due = Timestamp(microseconds: 10 * Self.delta)
    let whole = size.entries(validators: validators)
    for (before, isNear) in [
      (Self.delta + 1, false), (Self.delta, true), (0, true), (-3 * Self.delta, true),
    ] {
      let time = Timestamp(microseconds: due.microseconds - before)
      let entries = size.entries(validators: validators, at: time, due: due, delta: Self.delta)
      #expect(entries == (isNear && validators > 1 ? whole / 4 : whole))
    }
    let never = size.entries(validators: validators, at: due, due: nil, delta: Self.delta)
    #expect(never == whole)
  }

  @Test mutating func itGrowsToItsLimitWhileChecksAreQuick() {
    var size = ProposalSize()
    #expect(size.entries(validators: 4) == ProposalSize.first)
    certify(&size, after: 20_000)
    #expect(size.entries(validators: 4) == 2 * ProposalSize.first)
    for _ in 0..<10 { certify(&size, after: 40_000) }
    #expect(size.entries(validators: 4) == Limits.proposedEntries)
    #expect(size.handedOn(validators: 4) == Limits.proposedEntries / 2)
  }

  /// Whatever they take, sizes come to where a check takes between half of Δ and Δ, and stay there.
  @Test(arguments: [60, 120, 240, 480, 960] as [Int64])
  mutating func itSettlesWhereAChecksTimeIsRight(perEntry: Int64) {
    var size = ProposalSize()
    let idle: Int64 = 15_000
    certify(&size, after: idle, entries: 1)
    var taken: [Int64] = []
    // A flood: nothing but large ones.
    for _ in 0..<300 {
      let checking = Int64(size.entries(validators: 4)) * perEntry
      taken.append(checking)
      certify(&size, after: idle + checking)
    }
    for checking in taken.dropFirst(30) {
      #expect(checking <= Self.delta)
      #expect(
        checking >= Self.delta / 2 || size.entries(validators: 4) == Limits.proposedEntries)
    }
  }

  /// What the network takes is no reason to make blocks smaller, however far the validators are.
  @Test mutating func farValidatorsHaveLargeBlocks() {
    var size = ProposalSize()
    for _ in 0..<20 { certify(&size, after: 500_000, entries: 3) }
    for _ in 0..<20 {
      certify(&size, after: 500_000 + Int64(size.entries(validators: 7)) * 20)
    }
    #expect(size.entries(validators: 7) == Limits.proposedEntries)
  }

  /// Also where a flood comes before anything else, so that nothing has told yet how far they are;
  /// and a clock that is set back tells nothing.
  @Test mutating func farValidatorsFindOutInAFlood() {
    var size = ProposalSize()
    for round in 0..<40 {
      certify(&size, after: round == 20 ? -3_000_000 : 500_000)
    }
    #expect(size.entries(validators: 7) == Limits.proposedEntries)
    for _ in 0..<40 {
      certify(&size, after: 500_000 + Int64(size.entries(validators: 7)) * 20)
    }
    #expect(size.entries(validators: 7) == Limits.proposedEntries)
  }

  /// The quickest is one of the last: a network that has become slower is the measure in the end.
  @Test mutating func whatWasQuickOnceIsForgotten() {
    var size = ProposalSize()
    certify(&size, after: 1000, entries: 1)
    for _ in 0..<100 { certify(&size, after: 700_000, entries: 1) }
    for _ in 0..<20 { certify(&size, after: 700_000) }
    #expect(size.entries(validators: 4) == Limits.proposedEntries)
  }

  @Test mutating func slowChecksMakeSmallerOnes() {
    var size = ProposalSize()
    certify(&size, after: 20_000, entries: 1)
    for _ in 0..<10 { certify(&size, after: 20_000) }
    let largest = size.entries(validators: 4)
    certify(&size, after: 20_000 + Self.delta * 9 / 8)
    #expect(size.entries(validators: 4) == largest * 8 / 9)
    // By half at most, for one time may be anything.
    certify(&size, after: 60_000_000)
    #expect(size.entries(validators: 4) == largest * 8 / 9 / 2)
    // A small one tells nothing of large ones.
    certify(&size, after: 60_000_000, entries: 10)
    #expect(size.entries(validators: 4) == largest * 8 / 9 / 2)
    for _ in 0..<100 {
      certify(&size, after: 60_000_000)
      certify(&size, after: 20_000, entries: 1)
    }
    #expect((64...100).contains(size.entries(validators: 4)))
    #expect(size.handedOn(validators: 100) >= 1)
  }

  /// Only what this node proposed itself, and only once.
  @Test mutating func certificatesOfOthersProposalsTellNothing() {
    var size = ProposalSize()
    size.proposed(ProposalSize.first, view: 4, at: now)
    size.certified(view: 5, at: now, delta: Self.delta)
    #expect(size.entries(validators: 4) == ProposalSize.first)
    size.certified(view: 4, at: now, delta: Self.delta)
    #expect(size.entries(validators: 4) == 2 * ProposalSize.first)
    size.certified(view: 4, at: now, delta: Self.delta)
    #expect(size.entries(validators: 4) == 2 * ProposalSize.first)
  }

  @Test func largeProposalsThatFailHalveIt() {
    var size = ProposalSize()
    size.skipped(ProposalSize.first)
    #expect(size.entries(validators: 4) == ProposalSize.first / 2)
    // It did not fail for its size, and a leader that was down proposed nothing.
    size.skipped(10)
    #expect(size.entries(validators: 4) == ProposalSize.first / 2)
    for _ in 0..<100 { size.skipped(Limits.proposedEntries) }
    #expect((1...100).contains(size.entries(validators: 4)))
  }

  /// Of thirteen validators two are late with whatever they propose: the others' blocks become no
  /// smaller for it in the end.
  @Test func lateValidatorsDoNotKeepOthersSmall() {
    var sizes = [ProposalSize](repeating: ProposalSize(), count: 13)
    var now = Timestamp(microseconds: 0)
    for view in 0..<UInt64(13 * 40) {
      let leader = Int(view % 13)
      let entries = sizes[leader].entries(validators: 13)
      sizes[leader].proposed(entries, view: view, at: now)
      now = Timestamp(microseconds: now.microseconds + 20_000)
      if leader < 2 {
        for place in sizes.indices { sizes[place].skipped(entries) }
      } else {
        sizes[leader].certified(view: view, at: now, delta: Self.delta)
      }
    }
    for size in sizes[2...] {
      #expect(size.entries(validators: 13) >= Limits.proposedEntries / 2)
    }
  }
}
