import Consensus
import Domain
import Storage

// From what executing a block gave to what storage keeps of it.

extension IntervalClose {
  /// The interval's totals; `trades` are all of the interval, those between closes included.
  func record(height: UInt64, continuous trades: TradeTotals) -> IntervalRecord {
    var record = IntervalRecord(interval: meter.interval, height: height)
    record.balance = sheet
    record.held = held
    record.retail = assessment.retail
    record.feedIn = assessment.feedIn
    record.isUtilityAvailable = assessment.isUtilityAvailable
    record.referencePrice = auction.referencePrice
    record.clearingPrice = auction.clearingPrice
    var totals = trades
    totals.add(self.trades)
    record.trades = totals.count
    record.tradedWattHours = totals.wattHours
    record.tradedValue = totals.value
    record.tradedSurplus = auction.tradedSurplus
    record.optimalSurplus = auction.optimalSurplus
    record.commission = assessment.commissions.reduce(.zero) { $0 + $1.amount }
    record.reward = RewardTokens(rewards.reduce(0) { $0 + $1.amount })
    record.arrears = arrears
    record.estimated = meter.estimated
    record.late = meter.late
    return record
  }
}

/// Number, energy and value of some trades.
package struct TradeTotals: Hashable, Sendable {
  package var count: Int64 = 0
  package var wattHours: Int64 = 0
  /// What buyers paid.
  package var value: Money = .zero

  package mutating func add(_ trades: [PricedTrade]) {
    count += Int64(trades.count)
    for trade in trades {
      wattHours += trade.trade.wattHours
      // Turnover has no bound as supply has; it stays at the top rather than stop the chain.
      value = Money(Int64(clamping: Int128(value.raw) + Int128(trade.buyerPays.raw)))
    }
  }
}

extension ExecutedBlock {
  init(_ block: DecidedBlock, _ execution: Execution) {
    self.init(
      height: block.header.height, hash: block.hash, header: block.header.encoded,
      body: block.body, finalization: block.finalization, time: block.header.time,
      stateRoot: execution.attestation.stateRoot,
      receiptsRoot: execution.attestation.receiptsRoot, receipts: execution.receipts,
      trades: execution.trades, history: execution.ledger.history,
      intervals: execution.records, figures: execution.closes.flatMap(\.meter.figures),
      readings: execution.readings)
  }
}

extension CommitBatch {
  /// Adds what is not outdated by this batch's own floor: a decided view needs no journal.
  mutating func append(_ journal: [JournalRecord], epoch: UInt64) {
    for record in journal where record.view >= journalFloor ?? 0 {
      self.journal.append(
        StoredJournalRecord(
          epoch: epoch, view: record.view, kind: record.kind, bytes: record.encoded))
    }
  }

  var isEmpty: Bool { journal.isEmpty && executed.isEmpty && snapshot == nil }
}

/// When the state is worth a snapshot: a start then executes at most these blocks again.
package struct Retention: Sendable {
  private static let blocks: UInt64 = 2000
  private static let bytes = 64 << 20

  private var snapshotHeight: UInt64
  private var bytesSince = 0
  private let keepBlocks: UInt64?

  /// `keepBlocks`: bodies to keep below the newest snapshot; nil keeps all.
  package init(snapshotHeight: UInt64, keepBlocks: UInt64?) {
    self.snapshotHeight = snapshotHeight
    self.keepBlocks = keepBlocks
  }

  /// The height below which bodies and history may go; nil while nothing may.
  var oldestKept: UInt64? {
    guard let keepBlocks, snapshotHeight > keepBlocks else { return nil }
    return snapshotHeight - keepBlocks
  }

  /// The state after the newest of `decided` that closed an interval, when it is time for one.
  mutating func snapshot(after decided: [(block: DecidedBlock, execution: Execution)])
    -> StoredSnapshot?
  {
    var snapshot: StoredSnapshot?
    for (block, execution) in decided {
      bytesSince += block.body.count
      let height = block.header.height
      guard let chunks = execution.chunks,
        bytesSince >= Self.bytes || height - snapshotHeight >= Self.blocks
      else { continue }
      snapshot = StoredSnapshot(
        height: height, stateRoot: execution.attestation.stateRoot, chunks: chunks)
      snapshotHeight = height
      bytesSince = 0
    }
    return snapshot
  }
}
