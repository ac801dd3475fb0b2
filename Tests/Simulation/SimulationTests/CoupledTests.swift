import Foundation
import Simulation
import Testing

/// Four grids and the backbone. Runs one at a time, so that they share no core with each other.
@Suite(.serialized) struct CoupledTests {
  private static func run(_ seeds: Range<UInt64>) async -> CoupledCounts {
    var counts = CoupledCounts()
    for seed in seeds {
      let run = CoupledSimulation(CoupledSettings(seed: seed))
      await run.run()
      counts.add(run.counts)
      guard let violation = run.violation else { continue }
      Issue.record(
        """
        \(violation)
        \(run.lastEvents)
        Replay: .build/release/Simulate --coupled --seed \(seed)
        """)
      return counts
    }
    return counts
  }

  @Test func seedsHoldTheSettlement() async {
    let counts = await Self.run(1..<17)
    print("coupled, 16 seeds: \(counts.text)")
    // A simulation in which nothing happens, or nothing goes wrong, shows nothing.
    #expect(counts.runs == 16)
    let settlement = counts.settlement
    #expect(settlement.rounds > 0 && settlement.fills > 0 && settlement.wattHours > 0)
    #expect(settlement.credits > 0 && settlement.refunds > 0 && settlement.withdrawals > 0)
    #expect(settlement.rewards > 0 && settlement.refused > 0 && settlement.frozen > 0)
    #expect(counts.crashes > 0 && counts.startsFromSnapshot > 0 && counts.partitions > 0)
    #expect(counts.cuts > 0 && counts.forgeries > 0 && counts.replays > 0 && counts.wipes > 0)
  }

  /// Seeds that nobody has run before; they are printed.
  @Test func freshSeedsToo() async {
    let first = UInt64.random(in: 1_000_000..<1 << 40)
    print("fresh: coupled, 4 seeds from \(first)")
    let counts = await Self.run(first..<first + 4)
    #expect(counts.blocks > 0)
  }

  @Test func aSeedReplaysExactly() async {
    let first = CoupledSimulation(CoupledSettings(seed: 5))
    await first.run()
    let second = CoupledSimulation(CoupledSettings(seed: 5))
    await second.run()
    #expect(first.hash == second.hash && first.counts.events == second.counts.events)
    #expect(first.counts.events > 1000)
    let third = CoupledSimulation(CoupledSettings(seed: 6))
    await third.run()
    #expect(third.hash != first.hash)
  }

  @Test(arguments: PlantedLaneBug.allCases)
  func theSimulationFinds(_ bug: PlantedLaneBug) async {
    guard let first = await bug.firstSeed(of: 60) else {
      Issue.record("\(bug.rawValue): not found in 60 seeds")
      return
    }
    print("| \(bug.rawValue) | found by seed \(first.seed) | \(first.violation) |")
  }
}
