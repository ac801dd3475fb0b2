/// What happened in one run, or in many.
package struct RunCounts: Sendable {
  package var runs = 0
  package var events = 0
  package var steps = 0
  package var messages = 0
  package var badMessages = 0
  package var sieved = 0
  package var blocks = 0
  package var views = 0
  package var nullified = 0
  package var epochs = 0
  package var intervals = 0
  package var starts = 0
  package var startsFromSnapshot = 0
  package var snapshots = 0
  package var crashes = 0
  package var pauses = 0
  package var wipes = 0
  package var damages = 0
  package var refusals = 0
  package var diskFailures = 0
  package var clockJumps = 0
  package var partitions = 0
  package var clogs = 0
  package var forgeries = 0
  package var evidence = 0
  package var served = 0
  package var calls = 0
  package var callsAfterwards = 0
  package var retries = 0
  package var acknowledged = 0
  package var applied = 0
  /// Virtual µs from the end of the faults until all was well; of many runs, the longest.
  package var healing: Int64 = 0

  package init() {}

  mutating func close(_ run: Simulation) {
    runs = 1
    blocks = Int(run.oracle.chain.height)
    views = Int(run.oracle.chain.last?.header.view ?? 0)
    nullified = run.oracle.nullified.count
    epochs = run.oracle.epochs.count - 1
    evidence = run.oracle.accused.count
    applied = run.oracle.applied.count
    intervals = run.oracle.books.closed
  }

  private static let sums: [WritableKeyPath<RunCounts, Int> & Sendable] = [
    \.runs, \.events, \.steps, \.messages, \.badMessages, \.sieved, \.blocks, \.views, \.nullified,
    \.epochs, \.intervals, \.starts, \.startsFromSnapshot, \.snapshots, \.crashes, \.pauses,
    \.wipes, \.damages, \.refusals, \.diskFailures, \.clockJumps, \.partitions, \.clogs,
    \.forgeries, \.evidence, \.served, \.calls, \.callsAfterwards, \.retries, \.acknowledged,
    \.applied,
  ]

  package mutating func add(_ other: RunCounts) {
    for sum in Self.sums { self[keyPath: sum] += other[keyPath: sum] }
    healing = max(healing, other.healing)
  }

  /// In a few lines.
  package var text: String {
    """
    \(runs) runs: \(blocks) blocks in \(views) views, \(nullified) nullified; \(epochs) changes of \
    validators, \(intervals) intervals closed
      \(calls) calls, \(retries) tried again, \(acknowledged) entries acknowledged, \
    \(applied) applied
      \(crashes) crashes, \(starts) starts \
    (\(startsFromSnapshot) from a snapshot of \(snapshots)), \
    \(pauses) pauses, \(clockJumps) clock jumps
      \(wipes) lost disks, \(damages) damaged (\(refusals) refused), \
    \(diskFailures) failed commits
      \(partitions) partitions, \(clogs) clogs, \(messages) messages, \(sieved) sieved, \
    \(badMessages) bad, \(forgeries) forged, \(evidence) validators accused
      \(served) answers from history; longest time until all was well \(healing / 1000) ms
    """
  }
}
