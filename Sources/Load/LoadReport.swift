import Domain
import Foundation

/// What a run came to.
package struct LoadReport: Hashable, Sendable, Codable {
  /// What was asked for.
  package struct Settings: Hashable, Sendable, Codable {
    package var meters: Int
    package var connections: Int
    package var seconds: Int
    package var seed: UInt64
    /// Items a second that were asked for; none: as many as are answered.
    package var offeredPerSecond: Double?
    /// Shares of the kinds, in parts of 1.
    package var mix: [String: Double]
    package var batch: Int
    package var commandsPerCall: Int
    package var gatherMilliseconds: Double
    package var retries: Int
  }

  /// Microseconds, to three digits.
  package struct Latency: Hashable, Sendable, Codable {
    package var count: UInt64
    package var p50: UInt64
    package var p90: UInt64
    package var p99: UInt64
    package var p999: UInt64
    package var max: UInt64
  }

  package struct Kind: Hashable, Sendable, Codable {
    package var name: String
    package var sent: Int
    package var applied: Int
    package var appliedPerSecond: Double
    package var rejected: [String: Int]
    package var busy: Int
    package var broken: Int
    package var retried: Int
    package var dropped: Int
    package var lost: Int
    package var latency: Latency
  }

  package struct Grid: Hashable, Sendable, Codable {
    package var name: String
    package var chain: String
    package var nodes: [String]
    package var meters: Int
    package var connections: Int
    package var applied: Int
    package var appliedPerSecond: Double
    /// Length of an interval on the clock of this machine.
    package var intervalSeconds: Double
    package var health: NodeHealth
  }

  package struct Generator: Hashable, Sendable, Codable {
    /// CPU time of this program while the load ran, seconds, and cores that it kept busy.
    package var processorSeconds: Double
    package var cores: Double
    package var coresOfMachine: Int
    package var peakBytes: Int64
  }

  package var settings: Settings
  package var grids: [Grid]
  package var kinds: [Kind]
  /// Items that were due and never sent, since answers came too slowly.
  package var unsent: Int
  /// Readings that were corrections of an interval, and turns of meters without a version left.
  package var corrections: Int
  package var skipped: Int
  package var generator: Generator
  package var check: CheckFindings
  /// By second; counts of all grids, the largest of their latencies.
  package var seconds: [SecondFigures]

  package init(
    plan: LoadPlan, grids: [LoadGrid], connections: [Int], tallies: [Tally.State],
    findings: CheckFindings, health: [NodeHealth], usage: ProcessUsage, unsent: Int,
    corrections: Int, skipped: Int
  ) {
    settings = Settings(plan, connections: connections.reduce(0, +))
    self.grids = zip(grids, tallies).map { grid, tally in
      Grid(
        grid, tally, health[grid.number], connections: connections[grid.number],
        seconds: plan.seconds)
    }
    kinds = ItemKind.allCases.filter { plan.mix[$0] > 0 }.map { kind in
      var sum = KindTally()
      for tally in tallies { sum.add(tally[kind]) }
      return Kind(kind, sum, seconds: plan.seconds)
    }
    self.unsent = unsent
    self.corrections = corrections
    self.skipped = skipped
    generator = Generator(
      processorSeconds: usage.processor, cores: usage.processor / max(usage.wall, 0.001),
      coresOfMachine: ProcessInfo.processInfo.activeProcessorCount,
      peakBytes: ProcessUsage.peakBytes)
    check = findings
    let length = tallies.map(\.seconds.count).max() ?? 0
    seconds = (0..<length).compactMap { second in
      SecondFigures.joined(
        tallies.map { second < $0.seconds.count ? $0.seconds[second] : nil })
    }
  }

  package var applied: Int { kinds.reduce(0) { $0 + $1.applied } }
  package var refused: Int { kinds.reduce(0) { $0 + $1.rejected.values.reduce(0, +) } }
  package var appliedPerSecond: Double { kinds.reduce(0) { $0 + $1.appliedPerSecond } }

  /// Whether something was applied and the check found nothing wrong.
  package var isClean: Bool { check.isClean && applied > 0 }
}

extension LoadReport.Settings {
  fileprivate init(_ plan: LoadPlan, connections: Int) {
    meters = plan.meters
    self.connections = connections
    seconds = plan.seconds
    seed = plan.seed
    if case .open(let rate) = plan.pace { offeredPerSecond = rate }
    mix = [:]
    for kind in ItemKind.allCases where plan.mix[kind] > 0 { mix[kind.name] = plan.mix[kind] }
    batch = plan.batch
    commandsPerCall = plan.commandsPerCall
    gatherMilliseconds = Double(plan.gather) / 1000
    retries = plan.retries
  }
}

extension LoadReport.Latency {
  package init(_ latencies: Latencies) {
    count = latencies.totalCount
    p50 = latencies.valueAtPercentile(50)
    p90 = latencies.valueAtPercentile(90)
    p99 = latencies.valueAtPercentile(99)
    p999 = latencies.valueAtPercentile(99.9)
    max = latencies.max
  }
}

extension LoadReport.Kind {
  package init(_ kind: ItemKind, _ tally: KindTally, seconds: Int) {
    name = kind.name
    sent = tally.sent
    applied = tally.applied
    appliedPerSecond = Double(tally.appliedInTime) / Double(seconds)
    rejected = Dictionary(
      uniqueKeysWithValues: tally.rejected.map { ("\($0.key)", $0.value) })
    busy = tally.busy
    broken = tally.broken
    retried = tally.retried
    dropped = tally.dropped
    lost = tally.lost
    latency = LoadReport.Latency(tally.latencies)
  }
}

extension LoadReport.Grid {
  fileprivate init(
    _ grid: LoadGrid, _ tally: Tally.State, _ health: NodeHealth, connections: Int, seconds: Int
  ) {
    name = grid.name
    chain = "\(grid.chain)"
    nodes = grid.nodes.map(\.address.description)
    meters = grid.count
    self.connections = connections
    applied = tally.kinds.reduce(0) { $0 + $1.applied }
    let inTime = tally.kinds.reduce(0) { $0 + $1.appliedInTime }
    appliedPerSecond = Double(inTime) / Double(seconds)
    self.health = health
    intervalSeconds = Double(grid.clock.intervalMicroseconds) / 1_000_000
  }
}
