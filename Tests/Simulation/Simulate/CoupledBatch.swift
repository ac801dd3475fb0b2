import Foundation
import Simulation
import Synchronization

/// Runs seeds of four grids and the backbone, on all cores.
final class CoupledBatch: Sendable {
  private struct State {
    var next: UInt64
    var counts = CoupledCounts()
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

  static func main(_ options: Options) async -> Never {
    if options.isTable {
      print(await PlantedLaneTable.text(seeds: options.seeds ?? 100))
      exit(0)
    }
    if let seed = options.seed { await replay(seed, options) }
    await CoupledBatch(options).run()
  }

  /// One seed, with its hash, and its trace if wanted.
  private static func replay(_ seed: UInt64, _ options: Options) async -> Never {
    let run = CoupledSimulation(CoupledSettings(seed: seed))
    if options.isTraced { run.printsTrace() }
    await run.run()
    print(run.counts.text)
    print("seed \(seed), coupled: hash \(String(run.hash, radix: 16))")
    guard let violation = run.violation else { exit(0) }
    if !options.isTraced { print(run.lastEvents) }
    print("VIOLATION: \(violation)")
    exit(1)
  }

  private func run() async -> Never {
    let start = ContinuousClock.now
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<options.jobs { group.addTask { await self.work(since: start) } }
    }
    let took = ContinuousClock.now - start
    let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
    let (counts, failed) = state.withLock { ($0.counts, $0.failed) }
    print(counts.text)
    let rate = String(format: "%.1f", Double(counts.runs) / max(seconds, 0.001))
    print("coupled, seeds from \(options.first): \(rate) seeds a second")
    guard let failed else { exit(0) }
    print("failed: seed \(failed); replay it with")
    print("  .build/release/Simulate --coupled --seed \(failed)")
    exit(1)
  }

  private func work(since start: ContinuousClock.Instant) async {
    while let seed = nextSeed() {
      let run = CoupledSimulation(CoupledSettings(seed: seed))
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
