import Consensus
import Domain
import Node

/// One run of a soak, wholly determined by these values but for what it measures of the process.
package struct SoakSettings: Sendable {
  package var seed: UInt64 = 1
  package var validators = 4
  package var periods = 60
  package var periodSeconds: Int64 = 60
  /// Entries a second.
  package var rate: Int
  package var hasFaults = false
  package var service = ServiceTimes(entry: 120, step: 480)
  /// Chain seconds for each second. Meters' figures are kept for the ten days that go by in 864,000
  /// of them at most.
  package var clockRate: Int64 = 1200
  /// Blocks between two snapshots, and below one that are kept.
  package var snapshotEvery: UInt64 = Retention.blocks
  package var keepBlocks: UInt64 = 1000
  /// µs of a message between two nodes.
  package var delay: ClosedRange<Int64> = 2_000...20_000
  /// µs between two faults of nodes, and between two of links.
  package var faultPause: ClosedRange<Int64> = 15_000_000...45_000_000
  /// What goes wrong on purpose, to see that the verdict tells.
  package var planted: PlantedGrowth?

  package init(rate: Int) { self.rate = rate }

  /// Makes chain time so fast that figures have been dropped before the second quarter begins.
  package mutating func letDaysPass() {
    let quarter = max(Int64(periods) * periodSeconds / 4, 1)
    clockRate = min(max(clockRate, 1_000_000 / quarter), 100_000)
  }

  var run: RunSettings {
    var run = RunSettings(calm: validators, seed: seed)
    run.load = LoadSettings(rate: rate, clockRate: clockRate)
    run.service = service
    run.snapshotEvery = snapshotEvery
    run.keepBlocks = keepBlocks
    run.delay = delay
    run.eventLimit = .max
    if hasFaults {
      run.hasPartitions = true
      run.hasNodeFaults = true
      run.faultPause = faultPause
      run.networkPause = faultPause
    }
    return run
  }
}

/// Mistakes of nodes that a soak has to find.
package enum PlantedGrowth: Sendable {
  /// Every node keeps something of each block.
  case table
  /// Checking a signature takes ever longer: by so many µs more with each period.
  case latency(Int64)
  /// Nothing is pruned.
  case noPruning
}

/// A chain under mixed load for a long simulated time, and what becomes of its memory, its latency
/// and its disks.
package final class Soak {
  package let settings: SoakSettings
  package private(set) var periods: [SoakPeriod] = []
  private let run: Simulation
  private var processor = ProcessFigures().processorSeconds
  private var counts = RunCounts()
  private var sums = LoadSums()

  // Samples of the period under way.
  private var samples = 0
  private var sampled = SoakPeriod(number: 0)
  private var tables: [String: [Int]] = [:]

  private static let samplesPerPeriod: Int64 = 12
  /// Seconds after the end in which every call has to be answered.
  private static let settling: Int64 = 60

  package init(_ settings: SoakSettings) {
    self.settings = settings
    var run = settings.run
    if case .noPruning = settings.planted { run.snapshotEvery = .max }
    self.run = Simulation(run)
    if case .table = settings.planted { for node in self.run.nodes { node.hoard = [] } }
  }

  package var load: LoadSums { run.load?.sums ?? LoadSums() }
  /// What all periods' faults were, and how much happened.
  package var totals: RunCounts { run.counts }
  /// The first thing that was wrong; nil while nothing is.
  package var fault: String? { run.violation }
  package var lastEvents: String { run.lastEvents }

  /// Runs all periods, then, unless that is left out, until every call was answered. `told` hears
  /// of each period.
  package func start(
    isSettled: Bool = true, _ told: (SoakPeriod) -> Void = { _ in }
  ) async -> SoakVerdict {
    await run.startLoad()
    for number in 1...settings.periods where run.violation == nil {
      await live(number)
      guard let period = periods.last else { break }
      told(period)
    }
    if isSettled { await run.settleLoad(within: Self.settling * 1_000_000) }
    return verdict
  }

  private var verdict: SoakVerdict {
    let bounds = settings.hasFaults ? SoakVerdict.Bounds.withFaults : SoakVerdict.Bounds()
    let seconds = Int64(settings.periods) * settings.periodSeconds - bounds.closeLag / 1_000_000
    // The first closes when it and the one behind it have ended.
    let closes = max(Int(seconds * settings.clockRate / 3600) - 2, 1)
    return SoakVerdict(
      periods, expectedCloses: closes, fault: run.violation, bounds: bounds)
  }

  private func live(_ number: Int) async {
    let step = settings.periodSeconds * 1_000_000 / Self.samplesPerPeriod
    sampled = SoakPeriod(number: number)
    samples = 0
    tables = [:]
    run.pace.reset()
    run.load?.latency = Latencies()
    for _ in 0..<Self.samplesPerPeriod where run.violation == nil {
      await run.advance(through: run.time + step)
      sample()
    }
    if case .latency(let more) = settings.planted { run.slowDown(by: more) }
    run.forget()
    close()
  }

  private func sample() {
    samples += 1
    sampled.waiting += Double(run.load?.waiting ?? 0)
    var largest: [String: Int] = [:]
    var disk = DiskBytes()
    for node in run.nodes {
      if let replica = node.replica {
        for (name, count) in TableSizes(of: replica).counts {
          largest[name] = max(largest[name] ?? 0, count)
        }
      }
      if let hoard = node.hoard { largest["hoard"] = max(largest["hoard"] ?? 0, hoard.count) }
      let bytes = node.disk.bytes
      disk.kept = max(disk.kept, bytes.kept)
      disk.pruneable = max(disk.pruneable, bytes.pruneable)
      disk.working = max(disk.working, bytes.working)
    }
    for (name, count) in largest { tables[name, default: []].append(count) }
    sampled.keptBytes += Double(disk.kept)
    sampled.pruneableBytes += Double(disk.pruneable)
    sampled.workingBytes += Double(disk.working)
  }

  /// Ends a period: sums become means, and what was counted since the last one is taken.
  private func close() {
    var period = sampled
    let count = Double(max(samples, 1))
    period.waiting /= count
    period.tables = tables.mapValues { TableLevel($0, of: samples) }
    period.keptBytes /= count
    period.pruneableBytes /= count
    period.workingBytes /= count
    period.final = load.final - sums.final
    period.refused = load.refused - sums.refused
    period.latency = run.load?.latency ?? Latencies()
    period.blocks = run.pace.blocks
    period.closes = run.pace.closes
    (period.closeLag, period.gap) = (run.pace.closeLag, run.pace.gap)
    period.nodeLag = run.pace.nodeLag
    period.height = run.pace.height
    period.oldestKept = run.nodes.map(\.oldestKept).min() ?? 0
    period.crashes = run.counts.crashes - counts.crashes
    period.partitions =
      run.counts.partitions + run.counts.clogs - counts.partitions - counts.clogs
    let process = ProcessFigures()
    period.residentBytes = Int(process.residentBytes ?? 0)
    period.processorSeconds = process.processorSeconds - processor
    (processor, counts, sums) = (process.processorSeconds, run.counts, load)
    periods.append(period)
  }
}

extension Simulation {
  /// All nodes, their clients, and what goes wrong.
  func startLoad() async {
    for node in nodes { await start(node) }
    events.push(.clients, at: 50_000)
    if settings.hasPartitions { events.push(.network, at: random.int(settings.networkPause)) }
    if settings.hasNodeFaults { events.push(.fault, at: random.int(settings.faultPause)) }
  }

  /// The faults are over, clients send nothing new: every call has to be answered, and every entry
  /// accounted for.
  func settleLoad(within limit: Int64) async {
    load?.stop()
    heal()
    let end = time + limit
    while oracle.violation == nil, load?.isWaiting == true, time < end {
      await advance(through: time + 200_000)
    }
    if let imbalance = load?.imbalance { oracle.fail(imbalance) }
    // Whoever was behind has the blocks now.
    await advance(through: time + 10_000_000)
    let heights = nodes.map(\.floor.height)
    if let newest = heights.max(), let oldest = heights.min(), newest > oldest + 2 {
      oracle.fail("after the load the nodes are at heights \(heights)")
    }
    oracle.finish(nodes)
  }

  /// What every node has behind it is not needed any more.
  func forget() {
    notary.forget()
    oracle.forget(below: nodes.map(\.floor.height).min() ?? 0)
  }

  func slowDown(by microseconds: Int64) { settings.service.entry += microseconds }
}
