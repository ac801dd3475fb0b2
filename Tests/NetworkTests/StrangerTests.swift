import Foundation
import ProcessSupport
import TestSupport
import Testing

extension NetworkTests {
  /// Whoever has no key that the nodes know gets nowhere, and the nodes go on.
  struct StrangerTests {
    private static let impostor = 4
    private static let victim = 3
    private static let longestPause = Duration.seconds(10)
    /// In the crowd, from a node's start until it and all others are linked again, seconds.
    private static let returnSeconds = 10.0
    private static let residentBytes = 600 << 20

    @Test func strangersGetNowhere() async throws {
      let seed = Trial.seed
      try await alone(240, "the strangers, seed \(seed)") {
        try await Self.run(Trial(seed: seed, others: 1))
      }
    }

    private static func run(_ trial: Trial) async throws {
      let nodes = Array(trial.community.validators.indices)
      let reckoning = Reckoning(trial, nodes: nodes)
      try await trial.run {
        trial.pulse.begin(.calm)
        trial.pulse.reset(.calm)
        try await letAnImpostorTry(trial)
        try await crowdTheDoors(trial, nodes)
        let longest = trial.pulse.longest(.calm)
        print("strangers: longest pause between final blocks \(longest.text)")
        try demand(longest < longestPause, "no block for too long")
      } end: {
        _ = try await reckoning.level()
        try await reckoning.hear()
        _ = try await reckoning.readDisks()
        print("strangers: seed \(trial.seed), \(trial.told)")
      }
    }

    /// A node with a key that is in no one's file, first as itself, then in a validator's place.
    private static func letAnImpostorTry(_ trial: Trial) async throws {
      let network = trial.network
      try await network.introduce([0, 1, 2, 3], to: impostor)
      try await network.start([impostor], forClients: false)
      let place = try await network.place(impostor)
      try await expectNothing(of: place, trial, growing: 20)

      try await network.kill(victim)
      await network.lead(victim, to: try await network.peerPort(impostor))
      try await expectNothing(of: place, trial, growing: 20)
      try await network.terminate(impostor)
      try await network.start([victim])
      try await trial.pulse.arrival(of: [0, 1, 2, 3], at: trial.pulse.highest, within: 60)
    }

    /// While the others agree on so many blocks, the stranger gets none.
    private static func expectNothing(of place: NodePlace, _ trial: Trial, growing count: UInt64)
      async throws
    {
      _ = try await trial.pulse.growth(above: trial.pulse.highest + count, within: 60)
      let status = try await place.connect { try await $0.current() }
      try demand(status.height == 0, "a stranger has come to height \(status.height)")
      try demand(status.failure.isEmpty, status.failure)
    }

    /// Garbage, silence, calls without a certificate and with a foreign one, from many sides at
    /// once, at the peer ports; in the midst of it a node is killed and finds the others again.
    private static func crowdTheDoors(_ trial: Trial, _ nodes: [Int]) async throws {
      var random = SplitMix64(seed: ~trial.seed)
      var ports: [Int] = []
      for node in nodes { ports.append(try await trial.network.peerPort(node)) }
      let rabble = try Rabble(folder: trial.network.path, ports: ports)
      let height = trial.pulse.highest
      async let pushed = rabble.push(seconds: 8, seed: random.next())
      try await Task.sleep(for: .seconds(1))
      try await restartInTheCrowd(trial)
      let counts = try await pushed
      try demand(trial.pulse.highest > height + 4, "the chain stood still in the flood")
      _ = try await trial.pulse.growth(above: trial.pulse.highest + 4, within: 30)
      try await trial.network.checkRunning()
      var peak = 0
      for node in nodes {
        peak = max(peak, await trial.network.peakResidentBytes(node) ?? 0)
        try await wait(30, for: "node \(node)'s connections to the others") {
          try await isLinked(node, trial)
        }
      }
      print("strangers: \(counts); a node's peak \(peak >> 20) MiB")
      try demand(peak < residentBytes, "a node's memory grew to \(peak) bytes")
      try demand(counts.let == 0, "\(counts.let) strangers were let in")
      try demand(counts.refused > 0 && counts.garbage > 0, "no stranger came: \(counts)")
    }

    private static func restartInTheCrowd(_ trial: Trial) async throws {
      try await trial.network.kill(victim)
      try await trial.network.start([victim])
      let start = ContinuousClock.now
      try await wait(returnSeconds, for: "node \(victim) to be among the others in the crowd") {
        try await isLinked(victim, trial)
      }
      let height = trial.pulse.highest
      try await trial.pulse.arrival(of: [victim], at: height, within: returnSeconds)
      print("strangers: a node was back in the crowd after \((ContinuousClock.now - start).text)")
    }

    private static func isLinked(_ node: Int, _ trial: Trial) async throws -> Bool {
      let place = try await trial.network.place(node)
      let peers = try await place.connect { try await $0.current().peers }
      return peers.count == 3
        && peers.allSatisfy { $0.isOutgoingConnected && $0.isIncomingConnected }
    }
  }
}
