import Consensus

/// A mistake that the simulation must find.
package struct PlantedBug: Sendable, CustomStringConvertible {
  package let name: String
  package var description: String { name }
  package let bug: PlantedBugs
  package var validators = 4
  package var isCrashHeavy = false
  /// What the oracle has to say: the mistake itself, not some other trouble.
  package let signs: [String]
  /// Seeds tried at most.
  package var seeds: UInt64 = 400

  package static let all = [
    PlantedBug(
      name: "finalize after nullify", bug: .finalizeAfterNullify,
      signs: ["signed nullify and finalize", "nullified and finalized"]),
    PlantedBug(
      name: "nullify not persisted", bug: .nullifyNotPersisted, isCrashHeavy: true,
      signs: ["signed nullify and finalize"]),
    PlantedBug(
      name: "notarize not persisted", bug: .notarizeNotPersisted, isCrashHeavy: true,
      signs: ["signed two notarizes"]),
    PlantedBug(
      name: "parent across a view that is not nullified", bug: .parentAcrossGap,
      signs: ["is not nullified"]),
    PlantedBug(name: "quorum one too small", bug: .quorumTooSmall, signs: ["without a quorum"]),
    PlantedBug(
      name: "send before the sync", bug: .sendBeforeSync, isCrashHeavy: true,
      signs: ["signed two", "signed nullify and finalize"]),
    PlantedBug(
      name: "one validator acts before the sync", bug: .sendBeforeSync, validators: 1,
      isCrashHeavy: true, signs: ["acknowledged"]),
    PlantedBug(
      name: "a lost disk votes at once", bug: .votesAfterWipe,
      signs: ["signed two", "signed nullify and finalize"]),
    PlantedBug(
      name: "new validators accepted by one too few", bug: .acceptedByTooFew,
      signs: ["too early"]),
  ]

  /// One run with the mistake in every honest node.
  package func settings(_ seed: UInt64, checksDurability: Bool) -> RunSettings {
    var settings = RunSettings(
      validators: validators, seed: seed, planted: bug, isCrashHeavy: isCrashHeavy)
    settings.healSeconds = 30
    settings.checksDurability = checksDurability
    return settings
  }

  /// The first seed that shows it, by its consequences alone, and what was seen.
  package func firstSeed(of seeds: UInt64) async -> (seed: UInt64, violation: String)? {
    for seed in 1...seeds {
      let run = Simulation(settings(seed, checksDurability: false))
      await run.run()
      if let violation = run.violation, signs.contains(where: { violation.contains($0) }) {
        return (seed, violation)
      }
    }
    return nil
  }

  /// Seeds in which it shows itself, of so many.
  package func hits(of seeds: UInt64, checksDurability: Bool) async -> Int {
    var hits = 0
    for seed in 1...seeds {
      let run = Simulation(settings(seed, checksDurability: checksDurability))
      await run.run()
      if run.violation != nil { hits += 1 }
    }
    return hits
  }
}

/// The table of planted bugs, as Markdown.
package enum PlantedBugTable {
  package static func text(seeds: UInt64) async -> String {
    var lines = [
      "| planted bug | first seed, by its consequences | seeds with a violation | what was seen |",
      "|---|---|---|---|",
    ]
    for bug in PlantedBug.all {
      let first = await bug.firstSeed(of: seeds)
      let tried = min(seeds, 40)
      let hits = await bug.hits(of: tried, checksDurability: true)
      lines.append(
        "| \(bug.name) | \(first.map { "\($0.seed)" } ?? "none of \(seeds)") | \(hits) of \(tried) "
          + "| \(first?.violation ?? "") |")
    }
    return lines.joined(separator: "\n")
  }
}
