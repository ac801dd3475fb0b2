import Consensus
import Domain
import Testing

/// A mistake that the simulation must find.
struct PlantedBug: CustomTestStringConvertible, Sendable {
  let name: String
  let bug: PlantedBugs
  var isCrashHeavy = false
  /// All crashes take the disk with them, as far as f bears it; no validator is Byzantine.
  var isWipeHeavy = false
  /// What the oracle has to say: the mistake itself, not some other trouble.
  let sign: String
  /// Seeds tried at most.
  var seeds: UInt64 = 400

  var testDescription: String { name }
}

@Suite(.serialized) struct PlantedBugTests {
  static let bugs = [
    PlantedBug(
      name: "finalize after nullify", bug: .finalizeAfterNullify,
      sign: "signed nullify and finalize"),
    PlantedBug(
      name: "nullify not persisted", bug: .nullifyNotPersisted, isCrashHeavy: true,
      sign: "signed nullify and finalize"),
    PlantedBug(
      name: "notarize not persisted", bug: .notarizeNotPersisted, isCrashHeavy: true,
      sign: "signed two notarizes"),
    PlantedBug(
      name: "parent across a view that is not nullified", bug: .parentAcrossGap,
      sign: "is not nullified"),
    PlantedBug(name: "quorum one too small", bug: .quorumTooSmall, sign: "without a quorum"),
    PlantedBug(
      name: "send before the sync", bug: .sendBeforeSync, isCrashHeavy: true, sign: "signed"),
    PlantedBug(
      name: "votes at once after a wipe", bug: .votesAfterWipe, isCrashHeavy: true,
      isWipeHeavy: true, sign: "signed"),
  ]

  @Test(arguments: bugs)
  func theSimulationFinds(_ planted: PlantedBug) {
    for seed in 1...planted.seeds {
      var settings = ClusterSettings(
        validators: 4, seed: seed, planted: planted.bug, isCrashHeavy: planted.isCrashHeavy)
      settings.healSeconds = 30
      if planted.isWipeHeavy {
        settings.byzantine = 0
        settings.wipePercent = 100
      }
      let cluster = Cluster(settings)
      cluster.run()
      guard let violation = cluster.oracle.violation, violation.contains(planted.sign) else {
        continue
      }
      print("| \(planted.name) | found by seed \(seed) | \(violation) |")
      return
    }
    Issue.record("\(planted.name): not found in \(planted.seeds) seeds")
  }

  /// All of 2f + 1 validators crash right after their nullify of a view became durable, the last
  /// one is down: only when each counts its own nullify again do three make a nullification.
  @Test(arguments: [false, true])
  func aWholeQuorumThatCrashedOnItsNullifiesGoesOn(_ isPlanted: Bool) {
    var settings = ClusterSettings(calm: 4, seed: 11)
    settings.hasWork = false
    if isPlanted { settings.planted = .ownNullifyNotRecounted }
    let cluster = Cluster(settings)
    // Validator 1 leads view 1 and never comes up.
    let others = [0, 2, 3]
    cluster.plannedCrash = { _, effects in
      effects.contains {
        if case .persist(.vote(let vote)) = $0 { vote.subject.kind == .nullify } else { false }
      }
    }
    for node in others {
      cluster.boot(node)
      cluster.nodes[node].isWorkPending = true
      cluster.step(node, .work(isPending: true))
    }
    // Until each has crashed once; what they sent until then has left none of them.
    cluster.advance(through: 500_000)
    cluster.plannedCrash = nil
    for node in others {
      #expect(cluster.nodes[node].journal.count == 2, "nullify alone is durable")
    }
    cluster.advance(through: 20_000_000)
    #expect(cluster.oracle.violation == nil)
    for node in others {
      if isPlanted {
        #expect(cluster.nodes[node].chain.isEmpty, "the planted bug is a deadlock")
      } else {
        #expect(!cluster.nodes[node].chain.isEmpty)
      }
    }
  }
}
