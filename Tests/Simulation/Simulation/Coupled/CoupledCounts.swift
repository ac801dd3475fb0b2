/// What happened in one run of four grids, or in many.
package struct CoupledCounts: Sendable {
  package var runs = 0
  package var events = 0
  package var steps = 0
  package var messages = 0
  package var blocks = 0
  package var gridBlocks = 0
  package var starts = 0
  package var startsFromSnapshot = 0
  package var snapshots = 0
  package var crashes = 0
  package var wipes = 0
  package var halts = 0
  package var diskFailures = 0
  package var partitions = 0
  package var cuts = 0
  package var calls = 0
  package var roleCalls = 0
  package var badEntries = 0
  package var withheld = 0
  package var forgeries = 0
  package var replays = 0
  package var deliveries = 0
  package var joins = 0
  package var questions = 0
  package var closed = 0
  package var settlement = SettlementFigures()
  /// Virtual µs from the end of the faults until all was well; of many runs, the longest.
  package var healing: Int64 = 0

  package init() {}

  mutating func close(_ run: CoupledSimulation) {
    runs = 1
    blocks = run.oracle.blocks.count
    gridBlocks = run.oracle.lanes.reduce(0) { $0 + $1.hashes.count }
    closed = run.oracle.lanes.reduce(0) { $0 + $1.closed }
    settlement = run.oracle.figures
    settlement.frozen = run.oracle.lanes.count { $0.isFrozen }
  }

  private static let sums: [WritableKeyPath<CoupledCounts, Int> & Sendable] = [
    \.runs, \.events, \.steps, \.messages, \.blocks, \.gridBlocks, \.starts, \.startsFromSnapshot,
    \.snapshots, \.crashes, \.wipes, \.halts, \.diskFailures, \.partitions, \.cuts, \.calls,
    \.roleCalls, \.badEntries, \.withheld, \.forgeries, \.replays, \.deliveries,
    \.joins, \.questions, \.closed,
    \.settlement.rounds, \.settlement.cleared, \.settlement.delivered, \.settlement.refused,
    \.settlement.credits, \.settlement.refunds, \.settlement.withdrawals, \.settlement.frozen,
    \.settlement.rewards, \.settlement.fills,
  ]

  package mutating func add(_ other: CoupledCounts) {
    for sum in Self.sums { self[keyPath: sum] += other[keyPath: sum] }
    settlement.wattHours += other.settlement.wattHours
    healing = max(healing, other.healing)
  }

  /// In a few lines.
  package var text: String {
    """
    \(runs) runs: \(blocks) blocks of the backbone, \(gridBlocks) of honest grids, \(closed) \
    intervals final; \(settlement.rounds) rounds, \(settlement.fills) bids filled, \
    \(settlement.wattHours / 1000) kWh between grids
      \(settlement.credits) transfers credited, \(settlement.refunds) refunded, \
    \(settlement.withdrawals) withdrawals paid out, \(settlement.rewards) rewards
      \(deliveries) deliveries carried, \(replays) again, \(settlement.delivered) taken and \
    \(settlement.refused) refused by the backbone; \(forgeries) forgeries, \
    \(settlement.frozen) grids frozen, \(halts) liars halted
      \(crashes) crashes, \(starts) starts (\(startsFromSnapshot) from a snapshot), \(wipes) lost \
    disks, \(joins) of them joined by a state and \(questions) questions for packets, \
    \(diskFailures) failed commits
      \(partitions) partitions, \(cuts) couriers stopped, \(messages) messages, \(badEntries) bad \
    entries; longest time until all was well \(healing / 1000) ms
    """
  }
}
