import Consensus
import Domain
import Foundation
import Testing

/// Seeds of each size and kind; INTERTIE_SEEDS asks for another number.
let seedsPerSize: UInt64 = {
  if let asked = ProcessInfo.processInfo.environment["INTERTIE_SEEDS"].flatMap(UInt64.init) {
    return max(asked, 1)
  }
  #if DEBUG
    return 8
  #else
    return 100
  #endif
}()

/// What happened in a number of runs.
struct ClusterCounts {
  var blocks = 0
  var nullified = 0
  var crashes = 0
  var wipes = 0
  var changes = 0
  /// Longest way from the end of the faults to progress everywhere, and all of them, ms.
  var slowest: Int64 = 0
  var healing: Int64 = 0
  var evidence = 0
  var served = 0
  var events = 0

  mutating func add(_ cluster: Cluster) {
    blocks += cluster.heights.max() ?? 0
    nullified += cluster.oracle.nullifiedViews
    crashes += cluster.crashes
    wipes += cluster.wipes
    changes += cluster.nodes.contains { $0.epoch == 2 } ? 1 : 0
    slowest = max(slowest, cluster.healing / 1000)
    healing += cluster.healing / 1000
    evidence += cluster.oracle.accused.count
    served += cluster.served
    events += cluster.steps
  }
}

@Suite struct ClusterTests {
  @Test(arguments: [1, 4, 7], [false, true])
  func seedsHoldSafetyAndProgress(_ validators: Int, _ isCrashHeavy: Bool) {
    var seen = ClusterCounts()
    for seed in 1...seedsPerSize {
      let settings = ClusterSettings(
        validators: validators, seed: seed, isCrashHeavy: isCrashHeavy)
      let cluster = Cluster(settings)
      cluster.run()
      #expect(
        cluster.oracle.violation == nil,
        "n = \(validators), crash-heavy \(isCrashHeavy), seed \(seed)")
      seen.add(cluster)
    }
    // A simulation in which nothing goes wrong shows nothing.
    #expect(seen.blocks > 0)
    if seedsPerSize >= 100 {
      #expect(seen.crashes > 0)
      #expect(seen.changes > 0)
      if validators > 1 { #expect(seen.nullified > 0 && seen.evidence > 0 && seen.served > 0) }
      if validators > 1 { #expect(seen.wipes > 0) }
    }
    print("n = \(validators), crash-heavy \(isCrashHeavy), \(seedsPerSize) seeds: \(seen)")
  }

  /// Quorums of another form than 2f + 1 of 3f + 1, and more validators.
  @Test(arguments: [2, 3, 5, 6, 10])
  func otherNumbersOfValidatorsHoldToo(_ validators: Int) {
    for seed in 1...(seedsPerSize + 9) / 10 {
      let cluster = Cluster(ClusterSettings(validators: validators, seed: seed))
      cluster.run()
      #expect(cluster.oracle.violation == nil, "n = \(validators), seed \(seed)")
    }
  }

  @Test(arguments: [1, 4])
  func aSeedReplaysExactly(_ validators: Int) {
    let settings = ClusterSettings(validators: validators, seed: 77)
    let first = Cluster(settings)
    first.run()
    let second = Cluster(settings)
    second.run()
    #expect(first.trace == second.trace && first.steps == second.steps)
    let third = Cluster(ClusterSettings(validators: validators, seed: 78))
    third.run()
    #expect(third.trace != first.trace)
  }

  @Test(arguments: [1, 4, 7])
  func anIdleChainBeatsAndNullifiesNothing(_ validators: Int) {
    var settings = ClusterSettings(calm: validators, seed: 3)
    settings.hasWork = false
    settings.faultSeconds = 60
    let cluster = Cluster(settings)
    for node in cluster.nodes.indices { cluster.boot(node) }
    cluster.advance(through: 61_000_000)
    #expect(cluster.oracle.violation == nil)
    #expect(cluster.oracle.nullifiedViews == 0)
    // A beat each 5 s; with several validators, none but it: all are final within Δ.
    for height in cluster.heights { #expect((11...13).contains(height)) }
  }

  @Test func workIsFinalAndAttestedAndThenTheChainRests() {
    var settings = ClusterSettings(calm: 4, seed: 5)
    settings.hasWork = false
    let cluster = Cluster(settings)
    for node in cluster.nodes.indices { cluster.boot(node) }
    for node in cluster.nodes.indices {
      cluster.nodes[node].isWorkPending = true
      cluster.step(node, .work(isPending: true))
    }
    cluster.advance(through: 4_000_000)
    #expect(cluster.oracle.violation == nil && cluster.oracle.nullifiedViews == 0)
    for node in cluster.nodes {
      let bodies = node.chain.map { !$0.block.body.isEmpty }
      let attested = node.chain.map(\.block.header.attested.height).max() ?? 0
      let newest = bodies.lastIndex(of: true).map { UInt64($0 + 1) } ?? 0
      #expect(newest > 0 && attested >= newest, "\(bodies), attested \(attested)")
      #expect(node.chain.count <= 8, "\(bodies)")
    }
  }
}
