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
  package init(_ block: DecidedBlock, _ execution: Execution) {
    self.init(
      height: block.header.height, hash: block.hash, header: block.header.encoded,
      body: block.body, finalization: block.finality?.encoded ?? [], time: block.header.time,
      stateRoot: execution.attestation.stateRoot,
      receiptsRoot: execution.attestation.receiptsRoot, receipts: execution.receipts,
      trades: execution.trades, history: execution.ledger.history,
      intervals: execution.records, figures: execution.closes.flatMap(\.meter.figures),
      readings: execution.readings)
  }
}

extension CommitBatch {
  package var isEmpty: Bool {
    journal.isEmpty && executed.isEmpty && snapshot == nil && evidence.isEmpty
      && journalFloor == nil && journalEpoch == nil
  }
}

extension StoredEvidence {
  init(_ evidence: Evidence) {
    self.init(
      epoch: evidence.first.subject.epoch, view: evidence.first.subject.view,
      signer: evidence.first.signer, bytes: evidence.encoded)
  }
}

extension StoredJournalRecord {
  init(_ record: JournalRecord, epoch: UInt64) {
    self.init(epoch: epoch, view: record.view, kind: record.kind, bytes: record.encoded)
  }
}

/// When the state is worth a snapshot: a start then executes about so many blocks again. One is
/// kept as soon as a final header attests it, so that every stored state can be proven to others;
/// that is nearly always the next header or the one behind it.
package struct Retention: Sendable {
  package static let blocks: UInt64 = 2000
  private static let bytes = 64 << 20
  /// Blocks in which a state must be attested; then the next one is taken instead.
  private static let reach: UInt64 = 64

  private var snapshotHeight: UInt64
  private var bytesSince = 0
  /// Waits for its attestation.
  private var pending: StoredSnapshot?
  private let keepBlocks: UInt64?
  private let every: UInt64

  /// `keepBlocks`: bodies to keep below the newest snapshot; nil keeps all. `every`: blocks after
  /// which the state is worth a snapshot.
  package init(snapshotHeight: UInt64, keepBlocks: UInt64?, every: UInt64 = Self.blocks) {
    self.snapshotHeight = snapshotHeight
    self.keepBlocks = keepBlocks
    self.every = every
  }

  /// The height below which bodies and history may go; nil while nothing may.
  package var oldestKept: UInt64? {
    guard let keepBlocks, snapshotHeight > keepBlocks else { return nil }
    return snapshotHeight - keepBlocks
  }

  /// The newest state that one of `decided` attests, when it is time for a snapshot.
  package mutating func snapshot(after decided: [Decided]) -> StoredSnapshot? {
    var snapshot: StoredSnapshot?
    for item in decided {
      let header = item.block.header
      bytesSince += item.block.body.count
      if let attested = pending, header.attested.height == attested.height {
        snapshot = attested
        snapshotHeight = attested.height
        bytesSince = 0
        pending = nil
      }
      guard let chunks = item.execution.chunks,
        bytesSince >= Self.bytes || header.height - snapshotHeight >= every,
        pending.map({ header.height - $0.height > Self.reach }) ?? true
      else { continue }
      pending = StoredSnapshot(
        height: header.height, stateRoot: item.execution.attestation.stateRoot,
        accountsRoot: item.execution.ledger.root, chunks: chunks)
    }
    return snapshot
  }
}
