import CoreMetrics
import Domain
import Storage
import Synchronization

/// What final intervals and trades come to.
final class MarketMetrics: Sendable {
  private let intervals: Counter
  private let stored: Gauge
  private let traded: Counter
  private let flows: [Flow]
  private let lastPrice: Gauge
  private let auctionPrice: Gauge
  private let couplingPrice: Gauge
  private let referencePrice: Gauge
  private let retailPrice: Gauge
  private let feedInPrice: Gauge

  /// One column of the energy balance. Corrections of earlier intervals can make it negative: what
  /// a counter cannot go back is set against what comes next.
  private final class Flow: Sendable {
    let column: @Sendable (EnergyBalanceSheet) -> Energy
    let counter: Counter
    private let debt = Mutex<Int64>(0)

    init(_ counter: Counter, _ column: @escaping @Sendable (EnergyBalanceSheet) -> Energy) {
      self.counter = counter
      self.column = column
    }

    func add(_ sheet: EnergyBalanceSheet) {
      let growth = debt.withLock { debt -> Int64 in
        let (sum, overflow) = column(sheet).raw.addingReportingOverflow(debt)
        debt = overflow ? 0 : min(sum, 0)
        return overflow ? 0 : max(sum, 0)
      }
      counter.increment(by: growth)
    }
  }

  init(_ instruments: Instruments, chain: String) {
    intervals = instruments.counter(MetricTable.Trading.intervals, chain)
    stored = instruments.gauge(MetricTable.Trading.stored)
    traded = instruments.counter(MetricTable.Trading.traded)
    func flow(_ name: String, _ column: @escaping @Sendable (EnergyBalanceSheet) -> Energy) -> Flow
    { Flow(instruments.counter(MetricTable.Trading.energy, name), column) }
    flows = [
      flow("generated") { $0.generation }, flow("consumed") { $0.consumption },
      flow("utility_import") { $0.utilityImport }, flow("utility_export") { $0.utilityExport },
      flow("tie_import") { $0.tieImport }, flow("tie_export") { $0.tieExport },
      flow("unserved") { $0.unserved }, flow("curtailed") { $0.curtailed },
    ]
    func price(_ kind: String) -> Gauge { instruments.gauge(MetricTable.Trading.price, kind) }
    lastPrice = price("last")
    auctionPrice = price("auction")
    couplingPrice = price("coupling")
    referencePrice = price("reference")
    retailPrice = price("retail")
    feedInPrice = price("feed_in")
  }

  func count(_ execution: Execution) {
    if let last = execution.trades.last { lastPrice.record(last.trade.price.raw) }
    for record in execution.records { count(record) }
  }

  private func count(_ record: IntervalRecord) {
    for flow in flows { flow.add(record.balance) }
    // A Wh is a thousand mWh; the sum of an interval is far within 64 bits.
    traded.increment(by: record.tradedWattHours.multipliedReportingOverflow(by: 1000).partialValue)
    show(record)
    // Last: who waits for it finds the interval's figures.
    intervals.increment()
  }

  /// What gauges tell of the newest final interval.
  func show(_ record: IntervalRecord) {
    stored.record(record.held.raw)
    if let price = record.clearingPrice { auctionPrice.record(price.raw) }
    if let price = record.couplingPrice { couplingPrice.record(price.raw) }
    referencePrice.record(record.referencePrice.raw)
    retailPrice.record(record.retail.raw)
    feedInPrice.record(record.feedIn.raw)
  }
}
