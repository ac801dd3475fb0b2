import Domain
import Node
import Testing

@Suite struct ProposalSizeTests {
  @Test func oneValidatorAloneIsNotHeldBack() {
    var size = ProposalSize()
    size.skipped(Limits.proposedEntries)
    #expect(size.entries(validators: 1) == Limits.blockEntries)
  }

  @Test func largeProposalsThatFailMakeSmallerOnes() {
    var size = ProposalSize()
    #expect(size.entries(validators: 4) == Limits.proposedEntries)
    #expect(size.handedOn(validators: 4) == Limits.proposedEntries / 2)
    size.skipped(Limits.proposedEntries)
    #expect(size.entries(validators: 4) == Limits.proposedEntries / 2)
    // It did not fail for its size, and a leader that was down proposed nothing.
    size.skipped(10)
    #expect(size.entries(validators: 4) == Limits.proposedEntries / 2)
    for _ in 0..<100 { size.skipped(Limits.proposedEntries) }
    #expect((1...100).contains(size.entries(validators: 4)))
    #expect(size.handedOn(validators: 100) >= 1)
  }

  @Test func finalBlocksMakeLargerOnes() {
    var size = ProposalSize()
    for _ in 0..<100 { size.skipped(Limits.proposedEntries) }
    let least = size.entries(validators: 4)
    // A small one proves nothing.
    size.finished(least / 3)
    #expect(size.entries(validators: 4) == least)
    size.finished(least)
    #expect(size.entries(validators: 4) > least)
    for _ in 0..<100 { size.finished(size.entries(validators: 4)) }
    #expect(size.entries(validators: 4) == Limits.proposedEntries)
  }
}
