/// Running numbers of a chain, since its genesis. They are part of its state, so that a node that
/// joins by snapshot goes on with the numbers that all others have.
package struct ChainTotals: Hashable, Sendable {
  /// Entries of all blocks, and the readings among them.
  package var entries: Int64
  package var readings: Int64
  package var trades: Int64
  package var historyLines: Int64

  package init(
    entries: Int64 = 0, readings: Int64 = 0, trades: Int64 = 0, historyLines: Int64 = 0
  ) {
    self.entries = entries
    self.readings = readings
    self.trades = trades
    self.historyLines = historyLines
  }
}

/// How much the store holds.
package struct StoreCounts: Hashable, Sendable {
  /// Height of the newest block; 0 when there is only the genesis.
  package var height: UInt64
  /// Blocks below this height have lost their bodies; 0 when none has.
  package var prunedBelow: UInt64
  /// Pruned ones included.
  package var totals: ChainTotals
  /// Since genesis, or since the snapshot that the store began with.
  package var corrections: Int64
  package var intervals: Int64
  /// Snapshots kept, and the chunks that they share.
  package var snapshots: Int64 = 0
  package var chunks: Int64 = 0
  /// Records of validators that broke the protocol.
  package var evidence: Int64 = 0
  /// Bytes of the database file and of its write-ahead log.
  package var databaseBytes: Int64 = 0
  package var logBytes: Int64 = 0

  package var entries: Int64 { totals.entries }
  package var readings: Int64 { totals.readings }
  package var trades: Int64 { totals.trades }
  package var historyLines: Int64 { totals.historyLines }

  package init(
    height: UInt64, prunedBelow: UInt64, totals: ChainTotals, corrections: Int64, intervals: Int64
  ) {
    self.height = height
    self.prunedBelow = prunedBelow
    self.totals = totals
    self.corrections = corrections
    self.intervals = intervals
  }
}
