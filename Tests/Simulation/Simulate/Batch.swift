import Foundation
import Simulation
import Synchronization

/// What both simulations, of one chain and of four grids, show of the seed that they ran.
protocol SeededRun: AnyObject, SendableMetatype {
  associatedtype Counts: RunTotals
  var counts: Counts { get }
  var violation: String? { get }
  var hash: UInt64 { get }
  var lastEvents: String { get }
  func printsTrace()
  func run() async
}

/// Counts of many runs.
protocol RunTotals: Sendable {
  init()
  var runs: Int { get }
  var text: String { get }
  mutating func add(_ other: Self)
}

extension Simulation: SeededRun {}
extension CoupledSimulation: SeededRun {}
extension RunCounts: RunTotals {}
extension CoupledCounts: RunTotals {}

/// Seeds of one simulation, shared among the cores.
final class Batch<Run: SeededRun>: Sendable {
  private struct State {
    var next: UInt64
    var counts = Run.Counts()
    var failed: UInt64?
  }

  private let options: Options
  private let seeds: UInt64
  /// What is run, as the summary and the command that replays a seed name it.
  private let name: String
  private let replayed: String
  private let make: @Sendable (UInt64) -> Run
  private let state: Mutex<State>

  init(
    _ options: Options, name: String, arguments: String,
    make: @escaping @Sendable (UInt64) -> Run
  ) {
    self.options = options
    self.name = name
    replayed = arguments
    self.make = make
    seeds = options.seeds ?? 1000
    state = Mutex(State(next: options.first))
  }

  /// All seeds that the options ask for: one with its hash, and its trace if wanted, or many. Ends
  /// the program, with 1 at the first violation.
  func main() async -> Never {
    if let seed = options.seed { await replay(seed) }
    let start = ContinuousClock.now
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<options.jobs { group.addTask { await self.work(since: start) } }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let (counts, failed) = state.withLock { ($0.counts, $0.failed) }
    print(counts.text)
    let rate = String(format: "%.1f", Double(counts.runs) / max(seconds, 0.001))
    print("\(name), seeds from \(options.first): \(rate) seeds a second")
    guard let failed else { exit(0) }
    print("failed: seed \(failed); replay it with")
    print("  .build/release/Simulate \(replayed) --seed \(failed)")
    exit(1)
  }

  private func replay(_ seed: UInt64) async -> Never {
    let run = make(seed)
    if options.isTraced { run.printsTrace() }
    await run.run()
    print(run.counts.text)
    print("seed \(seed), \(name): hash \(String(run.hash, radix: 16))")
    guard let violation = run.violation else { exit(0) }
    if !options.isTraced { print(run.lastEvents) }
    print("VIOLATION: \(violation)")
    exit(1)
  }

  private func work(since start: ContinuousClock.Instant) async {
    while let seed = nextSeed() {
      let run = make(seed)
      await run.run()
      let done = state.withLock { state in
        state.counts.add(run.counts)
        return state.counts.runs
      }
      if done.isMultiple(of: 250) { print("\(done) of \(seeds) in \(ContinuousClock.now - start)") }
      guard let violation = run.violation else { continue }
      state.withLock { $0.failed = min($0.failed ?? seed, seed) }
      print("\(run.lastEvents)\nVIOLATION in seed \(seed): \(violation)")
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
}
