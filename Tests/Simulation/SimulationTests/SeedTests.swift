import Consensus
import Foundation
import Simulation
import Testing

/// A number of runs with seeds that follow each other.
struct SeedRange: CustomTestStringConvertible, Sendable {
  var validators: Int
  var isCrashHeavy = false
  var count: UInt64

  var testDescription: String {
    "n = \(validators)\(isCrashHeavy ? ", crash-heavy" : ""), \(count) seeds"
  }

  /// Runs them from `first` on; what happened. Every violation is an issue with its trace.
  func run(from first: UInt64 = 1) async -> RunCounts {
    var counts = RunCounts()
    for seed in first..<first + count {
      let settings = RunSettings(
        validators: validators, seed: seed, isCrashHeavy: isCrashHeavy)
      let run = Simulation(settings)
      await run.run()
      counts.add(run.counts)
      guard let violation = run.violation else { continue }
      let heavy = isCrashHeavy ? " --crash-heavy" : ""
      Issue.record(
        """
        \(violation)
        \(run.lastEvents)
        Replay: INTERTIE_SIM_SEED=\(seed) .build/release/Simulate --validators \(validators)\(heavy)
        """)
      return counts
    }
    return counts
  }
}

/// Runs one at a time, so that they share no core with each other.
@Suite(.serialized) struct SeedTests {
  @Test(arguments: [
    SeedRange(validators: 4, count: 240), SeedRange(validators: 4, isCrashHeavy: true, count: 120),
    SeedRange(validators: 7, count: 40), SeedRange(validators: 7, isCrashHeavy: true, count: 20),
    SeedRange(validators: 1, count: 60), SeedRange(validators: 1, isCrashHeavy: true, count: 60),
  ])
  func seedsHoldSafetyAndProgress(_ range: SeedRange) async {
    let counts = await range.run()
    print("\(range.testDescription): \(counts.text)")
    // A simulation in which nothing goes wrong shows nothing.
    #expect(counts.runs == Int(range.count))
    #expect(counts.blocks > 0 && counts.applied > 0 && counts.acknowledged > 0)
    #expect(counts.crashes > 0 && counts.pauses > 0 && counts.clockJumps > 0)
    #expect(counts.intervals > 0 && counts.snapshots > 0 && counts.startsFromSnapshot > 0)
    #expect(counts.epochs > 0 && counts.diskFailures > 0 && counts.retries > 0)
    guard range.validators > 1 else { return }
    #expect(counts.nullified > 0 && counts.served > 0 && counts.partitions > 0)
    #expect(counts.evidence > 0 && counts.forgeries > 0 && counts.badMessages > 0)
    #expect(counts.refusals == counts.damages)
    // Rare things are seen in many seeds.
    if range.count >= 100 { #expect(counts.wipes > 0 && counts.damages > 0) }
  }

  /// Seeds that nobody has run before; they are printed.
  @Test(arguments: [1, 4, 7])
  func freshSeedsToo(_ validators: Int) async {
    let first = UInt64.random(in: 1_000_000..<1 << 40)
    let range = SeedRange(validators: validators, count: 12)
    print("fresh: n = \(validators), 12 seeds from \(first)")
    let counts = await range.run(from: first)
    #expect(counts.blocks > 0)
  }

  /// Without faults no view is nullified, nobody is accused, and nothing takes long.
  @Test(arguments: [1, 4, 7])
  func aCalmRunHasNoFaults(_ validators: Int) async {
    let run = Simulation(RunSettings(calm: validators, seed: 5))
    await run.run()
    let counts = run.counts
    #expect(run.violation == nil)
    #expect(counts.nullified == 0 && counts.evidence == 0 && counts.badMessages == 0)
    #expect(counts.crashes == 0 && counts.retries == 0)
    #expect(counts.blocks > 10 && counts.acknowledged > 10)
  }

  /// Nor where each close keeps every node busy for longer than any timer, 400 and 600 ms: the
  /// view's time begins anew behind it.
  @Test func aLongCloseSkipsNoView() async {
    var settings = RunSettings(calm: 4, seed: 5)
    settings.service = ServiceTimes(entry: 0, step: 0, close: 1_500_000)
    let run = Simulation(settings)
    await run.run()
    #expect(run.violation == nil)
    #expect(run.counts.nullified == 0 && run.counts.intervals > 2)
  }
}
