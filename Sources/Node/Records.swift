import Consensus
import Domain
import Storage

// From what executing a block gave to what storage keeps of it.

extension IntervalClose {
  /// The interval's totals; `height` is that of the block in which it became final.
  func record(height: UInt64) -> IntervalRecord {
    var record = IntervalRecord(interval: interval, height: height)
    record.balance = sheet
    record.held = held
    record.retail = closed.retail
    record.feedIn = closed.feedIn
    record.isUtilityAvailable = closed.isUtilityAvailable
    record.referencePrice = closed.referencePrice
    record.clearingPrice = closed.clearingPrice
    record.trades = closed.trades.count
    record.tradedWattHours = closed.trades.wattHours
    record.tradedValue = closed.trades.value
    record.tradedSurplus = closed.tradedSurplus
    record.optimalSurplus = closed.optimalSurplus
    record.commission = closed.commission
    record.reward = RewardTokens(rewards.reduce(0) { $0 + $1.amount })
    record.arrears = arrears
    record.estimated = closed.estimated
    record.late = closed.late
    if let fill {
      record.couplingPrice = fill.price
      record.couplingBought = fill.bought
      record.couplingSold = fill.sold
      record.couplingMoney = fill.money
    }
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

  func encode(into writer: inout CanonicalWriter) {
    writer.write(count)
    writer.write(wattHours)
    writer.write(value)
  }

  package init() {}

  init(from reader: inout CanonicalReader) throws(Rejection) {
    count = try reader.read(Int64.self)
    wattHours = try reader.read(Int64.self)
    value = try reader.read(Money.self)
  }
}

extension ExecutedBlock {
  package init(_ block: DecidedBlock, _ execution: Execution) {
    self.init(
      height: block.header.height, hash: block.hash, header: block.header.encoded,
      body: block.body, finalization: block.finality?.encoded ?? [], time: block.header.time,
      roots: BlockRoots(execution.attestation), receipts: execution.receipts,
      packets: execution.packets, rounds: execution.rounds, trades: execution.trades,
      history: execution.ledger.history,
      intervals: execution.records, closed: execution.metered.map(\.interval),
      figures: Self.figures(of: execution.metered),
      readings: execution.readings)
  }

  /// Of nearly always one close, which keeps its array; of many, room is made once.
  private static func figures(of closes: [MeterClose]) -> [MeteredInterval] {
    if closes.count == 1 { return closes[0].figures }
    var figures: [MeteredInterval] = []
    figures.reserveCapacity(closes.reduce(0) { $0 + $1.figures.count })
    for close in closes { figures += close.figures }
    return figures
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
