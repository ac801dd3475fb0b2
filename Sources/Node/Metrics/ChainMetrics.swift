import Consensus
import CoreMetrics
import Domain
import Storage
import Synchronization

/// What one chain counts as it goes: once a step, a block or a call, never once an entry.
///
/// What can be looked up instead, as the depth of a queue, is looked up when somebody asks; see
/// `NodeMetrics`.
package final class ChainMetrics: Sendable {
  private let blocks: Counter
  private let blockEntries: Recorder
  private let blockBytes: Counter
  private let readings: Counter
  private let commands: Counter
  private let orders: Counter
  private let deliveries: Counter
  private let trades: Counter
  private let nullified: Counter
  private let submit: Timer
  private let finality: Timer
  private let step: Timer
  private let commit: Timer
  private let sync: Timer
  private let placed: Timer
  private let full: Timer
  private let verify: Timer
  private let close: Timer
  private let pool: Gauge
  private let refused: Counter
  private let rounds: Counter
  let retries: Counter
  /// By the reason's raw value; nil where there is no such reason.
  private let rejectedInBlocks: [Counter?]
  private let rejectedAtAdmission: [Counter?]
  /// Nil on the backbone.
  private let market: MarketMetrics?

  convenience init(of genesis: some ChainGenesis, _ factory: any MetricsFactory) {
    let isBackbone = genesis is BackboneGenesis
    self.init(
      Instruments(factory: factory), chain: isBackbone ? "backbone" : "grid",
      hasMarket: !isBackbone)
  }

  init(_ instruments: Instruments, chain: String, hasMarket: Bool) {
    blocks = instruments.counter(MetricTable.Work.blocks, chain)
    blockEntries = instruments.recorder(MetricTable.Work.entries, chain)
    blockBytes = instruments.counter(MetricTable.Work.bytes, chain)
    readings = instruments.counter(MetricTable.Work.readings, chain)
    commands = instruments.counter(MetricTable.Work.commands, chain)
    orders = instruments.counter(MetricTable.Work.orders, chain)
    deliveries = instruments.counter(MetricTable.Work.deliveries, chain)
    trades = instruments.counter(MetricTable.Work.trades, chain)
    nullified = instruments.counter(MetricTable.Agreement.nullified, chain)
    submit = instruments.timer(MetricTable.Times.submit, chain)
    finality = instruments.timer(MetricTable.Times.finality, chain)
    step = instruments.timer(MetricTable.Times.step, chain)
    commit = instruments.timer(MetricTable.Times.commit, chain)
    sync = instruments.timer(MetricTable.Times.sync, chain)
    placed = instruments.timer(MetricTable.Times.admission, chain, "placed")
    full = instruments.timer(MetricTable.Times.admission, chain, "full")
    verify = instruments.timer(MetricTable.Times.verify, chain)
    close = instruments.timer(MetricTable.Times.close, chain)
    pool = instruments.gauge(MetricTable.Queues.pool, chain)
    refused = instruments.counter(MetricTable.Queues.refused, chain)
    rounds = instruments.counter(MetricTable.Crossing.rounds, chain)
    retries = instruments.counter(MetricTable.Crossing.retries, chain)
    func rejected(_ stage: String) -> [Counter?] {
      (0...Rejection.highest).map { raw in
        Rejection(rawValue: UInt8(raw)).map {
          instruments.counter(MetricTable.Work.rejections, chain, stage, "\($0)")
        }
      }
    }
    rejectedInBlocks = rejected("block")
    rejectedAtAdmission = rejected("admission")
    market = hasMarket ? MarketMetrics(instruments, chain: chain) : nil
  }

  /// What the newest final interval has shown before this node has executed one.
  func recall(_ record: IntervalRecord?) { if let record { market?.show(record) } }

  // MARK: Calls

  /// A call found no room.
  fileprivate func refused(in time: Duration) {
    refused.increment()
    full.recordNanoseconds(time.nanoseconds)
  }

  fileprivate func admitted(in time: Duration) { placed.recordNanoseconds(time.nanoseconds) }

  fileprivate func verified(in time: Duration) { verify.recordNanoseconds(time.nanoseconds) }

  /// A call has its results. Refusals that never came into a block are counted here, the others
  /// with their block; a call without anything for a block has no time to speak of.
  fileprivate func answered(_ results: [EntryResult], in time: Duration) {
    tally(rejectedAtAdmission, of: results.lazy.filter { $0.position == nil }.map(\.receipt))
    if results.contains(where: { $0.position != nil }) {
      submit.recordNanoseconds(time.nanoseconds)
    }
  }

  // MARK: Steps

  fileprivate func executed(_ step: Step, in time: Duration) {
    guard step.decided.contains(where: { $0.execution.hasClosed }) else { return }
    close.recordNanoseconds(time.nanoseconds)
  }

  fileprivate func committed(in time: Duration, synced: Duration) {
    commit.recordNanoseconds(time.nanoseconds)
    sync.recordNanoseconds(synced.nanoseconds)
  }

  fileprivate func finished(_ step: Step, in time: Duration, waiting: Int, clock: ChainClock) {
    pool.record(waiting)
    let skipped = step.certified.reduce(0) { $0 + ($1.kind == .nullify ? 1 : 0) }
    if skipped > 0 { nullified.increment(by: skipped) }
    if !step.batch.isEmpty { self.step.recordNanoseconds(time.nanoseconds) }
    guard !step.decided.isEmpty else { return }
    let now = clock.now
    for item in step.decided { count(item, now: now, rate: clock.calendar.rate) }
  }

  private func count(_ item: Decided, now: Timestamp, rate: Int64) {
    let (block, execution) = (item.block, item.execution)
    blocks.increment()
    blockEntries.record(block.entries.count)
    blockBytes.increment(by: block.body.count)
    let age = now.microseconds.subtractingReportingOverflow(block.header.time.microseconds)
    if !age.overflow { finality.recordMicroseconds(max(0, age.partialValue / rate)) }
    var (placed, brought) = (0, 0)
    for (entry, receipt) in zip(block.entries, execution.receipts) {
      switch entry.content {
      case .reading: continue
      case .command(let command):
        if receipt.rejection == nil, command.body.isOrder { placed += 1 }
      default: brought += 1
      }
    }
    readings.increment(by: execution.readings)
    commands.increment(by: block.entries.count - execution.readings - brought)
    orders.increment(by: placed)
    deliveries.increment(by: brought)
    trades.increment(by: execution.trades.count)
    rounds.increment(by: execution.rounds.count + execution.closes.count { $0.fill != nil })
    tally(rejectedInBlocks, of: execution.receipts)
    market?.count(execution)
  }

  private func tally(_ counters: [Counter?], of receipts: some Sequence<Receipt>) {
    var counts: [Int] = []
    for receipt in receipts {
      guard let reason = receipt.rejection else { continue }
      if counts.isEmpty { counts = Array(repeating: 0, count: counters.count) }
      counts[Int(reason.rawValue)] += 1
    }
    for (reason, count) in counts.enumerated() where count > 0 {
      counters[reason]?.increment(by: count)
    }
  }
}

/// Takes the time of one call, if anybody wants to know.
struct CallWatch {
  private let metrics: ChainMetrics?
  private let began: ContinuousClock.Instant?

  init(_ metrics: ChainMetrics?) {
    self.metrics = metrics
    began = metrics.map { _ in ContinuousClock.now }
  }

  /// It has its places in the inbox.
  func admitted() {
    guard let metrics, let began else { return }
    metrics.admitted(in: ContinuousClock.now - began)
  }

  /// There was no room for it.
  func refused() {
    guard let metrics, let began else { return }
    metrics.refused(in: ContinuousClock.now - began)
  }

  /// The signatures of its entries are checked; a watch that began with that.
  func verified() {
    guard let metrics, let began else { return }
    metrics.verified(in: ContinuousClock.now - began)
  }

  func answered(_ results: [EntryResult]) {
    guard let metrics, let began else { return }
    metrics.answered(results, in: ContinuousClock.now - began)
  }
}

/// Takes the time of one step, if anybody wants to know.
struct StepWatch {
  private let metrics: ChainMetrics?
  private let began: ContinuousClock.Instant?
  private var executed: ContinuousClock.Instant?

  init(_ metrics: ChainMetrics?) {
    self.metrics = metrics
    began = metrics.map { _ in ContinuousClock.now }
  }

  /// The replica has taken its inputs.
  mutating func executed(_ step: Step) {
    guard let metrics, let began else { return }
    let now = ContinuousClock.now
    executed = now
    metrics.executed(step, in: now - began)
  }

  /// The step is durable; for so long of that the disk was waited for.
  func committed(synced: Duration) {
    guard let metrics, let executed else { return }
    metrics.committed(in: ContinuousClock.now - executed, synced: synced)
  }

  /// All that it asked for has left.
  func finished(_ step: Step, waiting: Int, clock: ChainClock) {
    guard let metrics, let began else { return }
    metrics.finished(step, in: ContinuousClock.now - began, waiting: waiting, clock: clock)
  }
}

extension Duration {
  /// Held at Int64's ends.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let whole = Int128(seconds) * 1_000_000_000 + Int128(attoseconds / 1_000_000_000)
    return Int64(clamping: whole)
  }
}

extension Rejection {
  fileprivate static let highest = Int(allCases.map(\.rawValue).max() ?? 0)
}

extension Execution {
  /// An interval's close or a coupling round was part of it.
  fileprivate var hasClosed: Bool { !metered.isEmpty || !closes.isEmpty || !rounds.isEmpty }
}

extension CommandBody {
  fileprivate var isOrder: Bool { if case .place = self { true } else { false } }
}
