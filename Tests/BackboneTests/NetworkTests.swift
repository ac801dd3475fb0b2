import Domain
import Testing

@testable import Backbone

@Suite struct NetworkTests {
  static let seeds: UInt64 = 400
  static let steps = 150

  @Test func everyTransferEndsOnce() {
    let clock = ContinuousClock()
    var sum = ToyNetwork.Tally()
    let took = clock.measure {
      for seed in 1...Self.seeds {
        do {
          var network = try ToyNetwork(seed: seed)
          try network.run(steps: Self.steps)
          sum.add(network.tally)
        } catch {
          Issue.record("seed \(seed): \(error)")
          return
        }
      }
    }
    print("| \(Self.seeds) seeds of \(Self.steps) steps in \(took) | \(sum) |")
    // What the simulation is about did happen.
    #expect(sum.arrivals > 10_000 && sum.refunds > 4000 && sum.fills > 400)
    #expect(sum.releases > 4000 && sum.restarts > 5000 && sum.duplicates > 20_000)
    #expect(sum.gaps > 1000 && sum.frozen > 80 && sum.checkpoints > 5000)
  }

  /// What the fault says when it is this mistake, and not some other trouble.
  static func signs(of planted: PlantedBug) -> [String] {
    switch planted {
    case .backboneRepeats: ["are not the reserve", "ended more than once", "two results"]
    case .backboneSkips: ["out of order", "are not the reserve"]
    case .backboneVoidsWhatItMoved: ["are not the reserve"]
    case .gridRepeats: ["are not the reserve", "ended more than once"]
    case .gridSkips: ["are not the reserve"]
    case .refundsByClock: ["are not the reserve"]
    case .endsHoldByClock: ["a hold ended twice"]
    }
  }

  @Test(arguments: PlantedBug.allCases)
  func theSimulationFinds(_ planted: PlantedBug) {
    for seed in UInt64(1)...100 {
      do {
        var network = try ToyNetwork(seed: seed, planted: planted)
        try network.run(steps: Self.steps)
      } catch {
        guard Self.signs(of: planted).contains(where: { "\(error)".contains($0) }) else {
          continue
        }
        print("| \(planted) | found by seed \(seed) | \(error) |")
        return
      }
    }
    Issue.record("\(planted): not found in 100 seeds")
  }
}

extension ToyNetwork.Tally {
  mutating func add(_ other: Self) {
    arrivals += other.arrivals
    refunds += other.refunds
    fills += other.fills
    releases += other.releases
    restarts += other.restarts
    duplicates += other.duplicates
    gaps += other.gaps
    frozen += other.frozen
    checkpoints += other.checkpoints
  }
}
