extension PlantedLaneBug {
  /// The first seed, of so many, whose run shows the mistake, and what was seen.
  package func firstSeed(of seeds: UInt64) async -> (seed: UInt64, violation: String)? {
    for seed in 1...seeds {
      guard let violation = await violation(seed) else { continue }
      if signs.contains(where: { violation.contains($0) }) { return (seed, violation) }
    }
    return nil
  }

  /// What a run with the mistake in it shows; nil for nothing.
  package func violation(_ seed: UInt64) async -> String? {
    var settings = CoupledSettings(seed: seed, planted: self)
    settings.healSeconds = 20
    if self == .carriesBeforeSync {
      // It takes a crash in a commit, and a lane that was empty before it.
      settings.crashPermille = 100
      settings.clientPause = 2000
      settings.sync = 200...20_000
    }
    let run = CoupledSimulation(settings)
    await run.run()
    return run.violation
  }
}

/// The table of planted bugs in the lanes, as Markdown.
package enum PlantedLaneTable {
  package static func text(seeds: UInt64) async -> String {
    var lines = [
      "| planted bug | first seed | seeds with a violation | what was seen |", "|---|---|---|---|",
    ]
    for bug in PlantedLaneBug.allCases {
      let first = await bug.firstSeed(of: seeds)
      let tried = min(seeds, 20)
      var hits = 0
      for seed in 1...tried where await bug.violation(seed) != nil { hits += 1 }
      lines.append(
        "| \(bug.rawValue) | \(first.map { "\($0.seed)" } ?? "none of \(seeds)") "
          + "| \(hits) of \(tried) | \(first?.violation ?? "") |")
    }
    return lines.joined(separator: "\n")
  }
}
