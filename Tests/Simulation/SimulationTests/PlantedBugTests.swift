import Consensus
import Simulation
import Testing

@Suite(.serialized) struct PlantedBugTests {
  @Test(arguments: PlantedBug.all)
  func theSimulationFinds(_ bug: PlantedBug) async {
    guard let first = await bug.firstSeed(of: bug.seeds) else {
      Issue.record("\(bug.name): not found in \(bug.seeds) seeds")
      return
    }
    print("| \(bug.name) | found by seed \(first.seed) | \(first.violation) |")
  }

  /// Three of four crash on their nullifies: whether they go on depends on counting their own
  /// again.
  @Test func aWholeQuorumThatCrashedOnItsNullifiesGoesOn() async {
    let (right, heights) = await Simulation.quorumThatCrashedOnItsNullifies(planted: [])
    #expect(right.violation == nil)
    #expect(heights.allSatisfy { $0 > 0 })
    let (wrong, stuck) = await Simulation.quorumThatCrashedOnItsNullifies(
      planted: .ownNullifyNotRecounted)
    #expect(wrong.violation == nil)
    #expect(stuck.allSatisfy { $0 == 0 }, "the planted bug is a deadlock")
  }

  /// A disk that was lost makes its node forget what it has witnessed of others.
  @Test func twoDisksLostOneAfterTheOtherAreNoForgery() async {
    let run = await Simulation.disksLostOneAfterTheOther()
    #expect(run.violation == nil, "\(run.lastEvents)")
  }
}
