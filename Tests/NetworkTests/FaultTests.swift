import Foundation
import ProcessSupport
import TestSupport
import Testing

extension NetworkTests {
  /// Four nodes under load, killed, stopped, wiped and cut off at random.
  /// INTERTIE_NETWORK_SECONDS sets for how long, INTERTIE_SEED what the run draws.
  struct FaultTests {
    /// The longest that a mended network may take to its next final block, on a machine with other
    /// things to do.
    private static let longestGap = Duration.seconds(10)

    @Test func nothingAcknowledgedIsLostAndAllNodesAgree() async throws {
      let seconds = Double(Trial.environment("INTERTIE_NETWORK_SECONDS") ?? 40)
      let seed = Trial.seed
      print("network: seed \(seed), \(seconds) s of faults")
      try await alone(300 + 3 * seconds, "the run of seed \(seed)") {
        try await Self.run(Trial(seed: seed), seconds: seconds)
      }
    }

    private static func run(_ trial: Trial, seconds: Double) async throws {
      let start = ContinuousClock.now
      let nodes = Array(trial.community.validators.indices)
      let reckoning = Reckoning(trial, nodes: nodes)
      try await trial.run {
        var mischief = Mischief(
          trial.network, trial.pulse, nodes: nodes.count, random: SplitMix64(seed: ~trial.seed))
        try await mischief.run(seconds: seconds)
        let longest = mischief.deeds.map(\.gap).max() ?? .zero
        print("network: \(mischief.deeds.count) faults: \(mischief.deeds.summary())")
        print(
          "network: longest pause between final blocks: calm \(trial.pulse.longest(.calm).text), "
            + "with one node impaired \(trial.pulse.longest(.impaired).text), after a mending "
            + longest.text)
        try demand(longest < longestGap, "\(longest.text) without a block after a mending")
      } end: {
        let height = try await reckoning.level()
        try await reckoning.hear()
        let heights = try await reckoning.readDisks()
        let pages = trial.notebook.pages
        try demand(
          pages.acknowledgedReadings > 100 && pages.commands.count > 100, "little was taken")
        try demand(heights.allSatisfy { $0 >= height }, "disks at \(heights) after \(height)")
        print(
          "network: seed \(trial.seed), \(trial.told); heights on disk \(heights), "
            + "\(Int((ContinuousClock.now - start) / .seconds(1))) s in all")
      }
    }
  }
}
