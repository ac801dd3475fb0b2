import Consensus
import Foundation
import Simulation
import Synchronization

/// Runs many seeds of the simulation on all cores; ends with 1 and the seed at the first violation.
@main
struct Simulate {
  static func main() async {
    let options = Options(Array(CommandLine.arguments.dropFirst()))
    guard let options else {
      print(Options.usage)
      exit(2)
    }
    if options.isDirected { await direct() }
    if options.isCoupled { await CoupledBatch.main(options) }
    if options.isTable {
      print(await PlantedBugTable.text(seeds: options.seeds ?? 400))
      return
    }
    if let seed = options.seed { await replay(seed, options) }
    await Batch(options).run()
  }

  /// The scenarios that are set up by hand.
  private static func direct() async -> Never {
    let (right, heights) = await Simulation.quorumThatCrashedOnItsNullifies(planted: [])
    print("a quorum crashed on its nullifies: heights \(heights), \(right.violation ?? "well")")
    let (_, stuck) = await Simulation.quorumThatCrashedOnItsNullifies(
      planted: .ownNullifyNotRecounted)
    print("  with the planted bug: heights \(stuck)")
    let lost = await Simulation.disksLostOneAfterTheOther()
    print("\(lost.lastEvents)\ntwo disks lost: \(lost.violation ?? "well")")
    exit(0)
  }

  /// One seed, with its hash, and its trace if wanted.
  private static func replay(_ seed: UInt64, _ options: Options) async -> Never {
    let run = Simulation(options.settings(seed))
    if options.isTraced { run.printsTrace() }
    await run.run()
    print(run.counts.text)
    print("seed \(seed), n = \(options.validators): hash \(String(run.hash, radix: 16))")
    guard let violation = run.violation else { exit(0) }
    if !options.isTraced { print(run.lastEvents) }
    print("VIOLATION: \(violation)")
    exit(1)
  }
}

/// The command's arguments.
struct Options: Sendable {
  static let usage = """
    Simulate [--validators N] [--crash-heavy] [--seeds COUNT] [--first SEED] [--jobs N]
    Simulate [--validators N] [--crash-heavy] --seed SEED [--trace]
    Simulate --table [--seeds COUNT]
    Simulate --coupled [--table] [--seeds COUNT] [--first SEED] [--jobs N] [--seed SEED] [--trace]
    Simulate --directed
    """

  var validators = 4
  var isCrashHeavy = false
  var seeds: UInt64?
  var first: UInt64 = 1
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  var seed: UInt64?
  var isTraced = false
  var isTable = false
  var isDirected = false
  /// Four grids and the backbone, instead of one chain.
  var isCoupled = false

  init?(_ arguments: [String]) {
    let environment = ProcessInfo.processInfo.environment
    seed = environment["INTERTIE_SIM_SEED"].flatMap { UInt64($0) }
    isTraced = environment["INTERTIE_SIM_TRACE"] == "1"
    var rest = arguments[...]
    while let name = rest.popFirst() {
      switch name {
      case "--crash-heavy": isCrashHeavy = true
      case "--trace": isTraced = true
      case "--table": isTable = true
      case "--directed": isDirected = true
      case "--coupled": isCoupled = true
      default:
        guard let number = rest.popFirst().flatMap({ UInt64($0) }), set(name, number) else {
          return nil
        }
      }
    }
    guard (1...16).contains(validators), jobs > 0 else { return nil }
  }

  private mutating func set(_ name: String, _ number: UInt64) -> Bool {
    switch name {
    case "--validators": validators = Int(clamping: number)
    case "--seeds": seeds = number
    case "--first": first = number
    case "--jobs": jobs = Int(clamping: number)
    case "--seed": seed = number
    default: return false
    }
    return true
  }

  func settings(_ seed: UInt64) -> RunSettings {
    RunSettings(validators: validators, seed: seed, isCrashHeavy: isCrashHeavy)
  }
}

/// Seeds from `first` on, shared among the cores.
final class Batch: Sendable {
  private struct State {
    var next: UInt64
    var counts = RunCounts()
    var failed: UInt64?
  }

  private let options: Options
  private let seeds: UInt64
  private let state: Mutex<State>

  init(_ options: Options) {
    self.options = options
    seeds = options.seeds ?? 1000
    state = Mutex(State(next: options.first))
  }

  func run() async {
    let start = ContinuousClock.now
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<options.jobs { group.addTask { await self.work(since: start) } }
    }
    let seconds = Double((ContinuousClock.now - start).components.seconds)
    let (counts, failed) = state.withLock { ($0.counts, $0.failed) }
    print(counts.text)
    let rate = String(format: "%.1f", Double(counts.runs) / max(seconds, 1))
    print("n = \(options.validators), seeds from \(options.first): \(rate) seeds a second")
    guard let failed else { return }
    print("failed: seed \(failed); replay it with")
    let heavy = options.isCrashHeavy ? " --crash-heavy" : ""
    print(
      "  INTERTIE_SIM_SEED=\(failed) .build/release/Simulate --validators \(options.validators)"
        + heavy)
    exit(1)
  }

  private func work(since start: ContinuousClock.Instant) async {
    while let seed = nextSeed() {
      let run = Simulation(options.settings(seed))
      await run.run()
      let done = state.withLock { state in
        state.counts.add(run.counts)
        return state.counts.runs
      }
      if done.isMultiple(of: 500) { print("\(done) of \(seeds) in \(ContinuousClock.now - start)") }
      guard let violation = run.violation else { continue }
      report(seed, violation, run)
      return
    }
  }

  private func nextSeed() -> UInt64? {
    state.withLock { state in
      guard state.failed == nil, state.next - options.first < seeds else { return nil }
      defer { state.next += 1 }
      return state.next
    }
  }

  private func report(_ seed: UInt64, _ violation: String, _ run: Simulation) {
    state.withLock { $0.failed = min($0.failed ?? seed, seed) }
    print("\(run.lastEvents)\nVIOLATION in seed \(seed): \(violation)")
  }
}
