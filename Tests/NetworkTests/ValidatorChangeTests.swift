import Domain
import Foundation
import ProcessSupport
import Testing

extension NetworkTests {
  /// A fifth node joins four validators while clients go on, becomes a validator, and one of the
  /// four leaves.
  struct ValidatorChangeTests {
    private static let newcomer = 4
    private static let leaver = 0
    /// The longest that final blocks may pause for.
    private static let longestPause = Duration.seconds(2)

    @Test func oneIsAddedAndOneRemovedUnderLoad() async throws {
      let seed = Trial.seed
      try await alone(300, "the change of validators, seed \(seed)") {
        try await Self.run(Trial(seed: seed, others: 1))
      }
    }

    private static func run(_ trial: Trial) async throws {
      let network = trial.network
      let nodes = Array(0...newcomer)
      let office = try Office(trial)
      var officials: Set = [trial.community.lead.publicKey]
      for node in nodes { officials.insert(await network.key(node)) }
      let reckoning = Reckoning(trial, nodes: nodes, officials: officials)
      try await trial.run {
        try await join(trial)
        let adding = try await office.change(
          "--add", newcomer, accepting: [4, 0, 1, 2], epoch: 2, validators: 5)
        let removing = try await office.change(
          "--remove", leaver, accepting: [1, 2, 3, 4], epoch: 3, validators: 4)
        print(
          "validators: longest pause between final blocks while one was added \(adding.text), "
            + "while one was removed \(removing.text)")
        try demand(max(adding, removing) < longestPause, "no block for too long")
        try await goOnWithout(leaver, 1, trial)
      } end: {
        _ = try await reckoning.level()
        try await reckoning.hear()
        let heights = try await reckoning.readDisks()
        print("validators: seed \(trial.seed), \(trial.told); heights on disk \(heights)")
      }
    }

    /// The newcomer starts with an empty folder; the others learn of it while they run.
    private static func join(_ trial: Trial) async throws {
      _ = try await trial.pulse.growth(above: 100, within: 60)
      try await trial.network.acquaint(newcomer, with: [0, 1, 2, 3])
      let height = trial.pulse.highest
      let start = ContinuousClock.now
      try await trial.network.start([newcomer])
      try await trial.pulse.standing(
        of: [newcomer], within: 60, for: "the newcomer at height \(height)"
      ) { $0.height >= height }
      print(
        "validators: a newcomer had caught up with \(height) blocks "
          + "\((ContinuousClock.now - start).text) after its start")
    }

    /// The leaver is needed no more, and neither is one of the four that are left: the newcomer
    /// counts.
    private static func goOnWithout(_ first: Int, _ second: Int, _ trial: Trial) async throws {
      try await trial.network.kill(first)
      try await trial.network.kill(second)
      let height = trial.pulse.highest
      _ = try await trial.pulse.growth(above: height + 3, within: 30)
      try await trial.network.start([first, second])
      try await trial.pulse.standing(
        of: [first, second], within: 60, for: "nodes \(first) and \(second) again"
      ) { $0.height > height && $0.epoch == 3 }
    }
  }

  /// The operator and the validators at their command lines.
  private struct Office: Sendable {
    let trial: Trial
    let operatorKey: String

    init(_ trial: Trial) throws {
      self.trial = trial
      operatorKey = trial.network.path + "/operator.key"
      try NodeFolder.save(trial.community.lead, at: operatorKey)
    }

    /// Proposes and accepts a change, and waits until all nodes are in the new epoch and go on;
    /// the longest pause between final blocks meanwhile.
    func change(
      _ what: String, _ node: Int, accepting: [Int], epoch: UInt64, validators: Int
    ) async throws -> Duration {
      let (network, pulse) = (trial.network, trial.pulse)
      let clerk = try await network.place(2)
      pulse.begin(.calm)
      pulse.reset(.calm)
      let key = await network.key(node).text(as: .node)
      try await command(["propose", what, key, "--key", operatorKey], clerk)
      for node in accepting {
        try await command(["accept", "--key", await network.folder(node).key], clerk)
      }
      let sealed = pulse.highest
      try await pulse.standing(
        of: Array(0...4), within: 60, for: "epoch \(epoch) with \(validators) validators"
      ) { $0.epoch == epoch && $0.validators == validators && $0.height > sealed }
      _ = try await pulse.growth(above: pulse.highest + 4, within: 30)
      return pulse.longest(.calm)
    }

    private func command(_ arguments: [String], _ place: NodePlace) async throws {
      let (code, text) = try await Executable.intertie(
        ["validators"] + arguments
          + ["--node", "127.0.0.1:\(place.port)", "--ca", place.certificate], within: 30)
      guard code == 0 else {
        throw Fault("'intertie validators \(arguments[0])' ended with \(code): \(text)")
      }
    }
  }
}
