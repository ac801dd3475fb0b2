import Domain
import Foundation

/// What a run came to. As JSON each figure has its unit in its name; what is called neither by a
/// unit nor by a share is a number of items, or of what it is named after.
package struct LoadReport: Hashable, Sendable, Codable {
  /// What was asked for.
  package struct Settings: Hashable, Sendable, Codable {
    package var meters: Int
    package var connections: Int
    package var seconds: Int
    package var seed: UInt64
    /// Items a second that were asked for; none: as many as are answered.
    @OrNull package var offeredPerSecond: Double?
    /// Of the kinds, in parts of 1.
    package var mixShares: [String: Double]
    package var readingsPerBatch: Int
    package var commandsPerCall: Int
    package var gatherMilliseconds: Double
    package var graceSeconds: Int
    package var retries: Int
  }

  /// Microseconds, to three digits.
  package struct Latency: Hashable, Sendable, Codable {
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
    package var unsent: Int
    /// Answers of which the latencies are: of items that a block has.
    package var latencySamples: UInt64
    /// None: there are no such answers.
    @OrNull package var latencyMicroseconds: Latency?
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
    package var health: GridHealth
  }

  package struct Generator: Hashable, Sendable, Codable {
    /// CPU time of this program while the load ran, seconds, and cores that it kept busy.
    package var processorSeconds: Double
    package var cores: Double
    package var coresOfMachine: Int
    package var peakBytes: Int64
    /// How late a task of it was woken at most: what it sent and heard may be as late.
    package var latestSeconds: Double

    /// Whether it is to blame for figures itself.
    package var isOverloaded: Bool { latestSeconds > LoadLimits.lateness }
  }

  /// Of the program that wrote this.
  package var version: String
  /// When the load began: date and time as RFC 3339 has them, in UTC.
  package var startTime: String
  /// Seconds that the load lasted, which all rates are over.
  package var loadSeconds: Double
  /// Whether somebody ended it before `settings.seconds` were over.
  package var isStopped: Bool
  package var settings: Settings
  package var grids: [Grid]
  package var kinds: [Kind]
  /// Items that were due and never sent, since answers came too slowly.
  package var unsent: Int
  /// Readings that were corrections of an interval, and turns of meters without a version left.
  package var corrections: Int
  package var skipped: Int
  /// What the chains have of this run from before the load, and no other figure counts: readings
  /// that tried whether there is an interval to read, and commands that enrolled members.
  package var readingsBeforeLoad: Int
  package var commandsBeforeLoad: Int
  package var generator: Generator
  package var check: CheckFindings
  /// By second; counts of all grids, the largest of their latencies.
  package var perSecond: [SecondFigures]

  package init(
    plan: LoadPlan, period: LoadPeriod, grids: [LoadGrid], connections: [Int],
    figures: [GridFigures.State], findings: CheckFindings, health: [GridHealth],
    usage: ProcessUsage, late: Int64, sums: LaneSums, version: String
  ) {
    self.version = version
    startTime = period.start.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    loadSeconds = period.seconds
    isStopped = period.isStopped
    settings = Settings(plan, connections: connections.reduce(0, +))
    self.grids = zip(grids, figures).map { grid, figures in
      Grid(
        grid, figures, health[grid.number], connections: connections[grid.number], period)
    }
    kinds = ItemKind.allCases.filter { plan.mix[$0] > 0 }.map { kind in
      var sum = KindTally()
      for grid in figures { sum.add(grid[kind]) }
      return Kind(kind, sum, period)
    }
    unsent = kinds.reduce(0) { $0 + $1.unsent }
    corrections = sums.corrections
    skipped = sums.skipped
    readingsBeforeLoad = grids.reduce(0) { $0 + $1.readingsBefore }
    commandsBeforeLoad = grids.reduce(0) { $0 + $1.commandsBefore }
    generator = Generator(
      processorSeconds: usage.processor, cores: usage.processor / max(usage.wall, 0.001),
      coresOfMachine: ProcessInfo.processInfo.activeProcessorCount,
      peakBytes: ProcessUsage.peakBytes, latestSeconds: Double(late) / 1_000_000)
    check = findings
    perSecond = Self.perSecond(figures, due: sums.due, unsent: unsent)
  }

  /// The seconds of all grids together. `due`: how many items were due by the end of each second of
  /// the load; `unsent`: how many of them never were.
  private static func perSecond(_ figures: [GridFigures.State], due: [Int], unsent: Int)
    -> [SecondFigures]
  {
    let length = figures.map(\.seconds.count).max() ?? 0
    return (0..<length).compactMap { second in
      var joined = SecondFigures.joined(
        figures.map { second < $0.seconds.count ? $0.seconds[second] : nil })
      let issued = figures.reduce(0) { $0 + $1.issued(bySecond: second) }
      joined?.unsent = second < due.count - 1 ? max(0, due[second] - issued) : unsent
      return joined
    }
  }

  package var applied: Int { kinds.reduce(0) { $0 + $1.applied } }
  package var refused: Int { kinds.reduce(0) { $0 + $1.rejected.values.reduce(0, +) } }

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
    mixShares = [:]
    for kind in ItemKind.allCases where plan.mix[kind] > 0 { mixShares[kind.name] = plan.mix[kind] }
    readingsPerBatch = plan.batch
    commandsPerCall = plan.commandsPerCall
    gatherMilliseconds = Double(plan.gather) / 1000
    graceSeconds = plan.grace
    retries = plan.retries
  }
}

extension LoadReport.Latency {
  /// Nil for none.
  package init?(_ latencies: Latencies) {
    guard latencies.totalCount > 0 else { return nil }
    p50 = latencies.valueAtPercentile(50)
    p90 = latencies.valueAtPercentile(90)
    p99 = latencies.valueAtPercentile(99)
    p999 = latencies.valueAtPercentile(99.9)
    max = latencies.max
  }
}

extension LoadReport.Kind {
  package init(_ kind: ItemKind, _ tally: KindTally, _ period: LoadPeriod) {
    name = kind.name
    sent = tally.sent
    applied = tally.applied
    appliedPerSecond = period.rate(tally.appliedInTime)
    rejected = Dictionary(
      uniqueKeysWithValues: tally.rejected.map { ("\($0.key)", $0.value) })
    busy = tally.busy
    broken = tally.broken
    retried = tally.retried
    dropped = tally.dropped
    lost = tally.lost
    unsent = tally.unsent
    latencySamples = tally.latencies.totalCount
    latencyMicroseconds = LoadReport.Latency(tally.latencies)
  }
}

extension LoadReport.Grid {
  fileprivate init(
    _ grid: LoadGrid, _ tally: GridFigures.State, _ health: GridHealth, connections: Int,
    _ period: LoadPeriod
  ) {
    name = grid.name
    chain = "\(grid.chain)"
    nodes = grid.nodes.map(\.address.description)
    meters = grid.count
    self.connections = connections
    applied = tally.kinds.reduce(0) { $0 + $1.applied }
    appliedPerSecond = period.rate(tally.kinds.reduce(0) { $0 + $1.appliedInTime })
    self.health = health
    intervalSeconds = Double(grid.clock.intervalMicroseconds) / 1_000_000
  }
}
