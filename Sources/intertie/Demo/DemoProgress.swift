import Domain
import Foundation
import Wire

/// One line on a terminal that moves with the days, or a line a day where nobody watches; on
/// standard error, so that the report alone is on standard output.
actor DemoProgress {
  private let plan: DemoPlan
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var started: ContinuousClock.Instant?
  private var drawn: ContinuousClock.Instant?
  private var trades: UInt64 = 0
  private var held: Int64 = 0
  private var price: Int64?
  /// Of the day so far.
  private var dayTraded: Int64 = 0
  private var dayMoney: Int64 = 0

  init(plan: DemoPlan) { self.plan = plan }

  func show(_ totals: Intertie_V1_IntervalTotals) {
    trades += totals.trades
    held += totals.storedMwh
    dayTraded += totals.tradedWh
    dayMoney += totals.tradedMoney
    if totals.tradedWh > 0 { price = totals.tradedMoney * 1000 / totals.tradedWh }
    let interval = Interval(totals.interval)
    guard interval >= plan.first, interval <= plan.last else { return }
    let done = interval.index - plan.first.index + 1
    if isTerminal {
      let now = ContinuousClock.now
      if let drawn, now - drawn < .milliseconds(100), interval < plan.last { return }
      drawn = now
      write("\r\u{1b}[K" + line(totals, done: done, now: now) + (interval == plan.last ? "\n" : ""))
    } else if done % plan.calendar.intervalsPerDay == 0 {
      write(dayLine(totals) + "\n")
    }
  }

  private func line(
    _ totals: Intertie_V1_IntervalTotals, done: Int64, now: ContinuousClock.Instant
  ) -> String {
    let all = plan.last.index - plan.first.index + 1
    let filled = Int(20 * done / all)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
    let end = plan.calendar.end(of: Interval(totals.interval))
    let begun = started ?? now
    started = begun
    let seconds = max(0.001, (now - begun) / .seconds(1))
    let readings = Double(done - 1) * Double(plan.measured.homes.count) / seconds
    let band =
      "\(DemoText.price(totals.feedInPrice))–\(DemoText.price(totals.retailPrice))"
    return "\(bar) \(DemoText.moment(end)) · last price \(price.map { DemoText.price($0) } ?? "–") "
      + "(\(band)) · \(trades) trades · \(DemoText.kWh(held)) kWh stored · "
      + "\(String(format: "%.0f", readings)) readings/s"
  }

  private func dayLine(_ totals: Intertie_V1_IntervalTotals) -> String {
    defer { (dayTraded, dayMoney) = (0, 0) }
    let start = plan.calendar.start(of: Interval(totals.interval))
    let mean = dayTraded > 0 ? DemoText.price(dayMoney * 1000 / dayTraded) : "–"
    return "\(DemoText.day(start)): \(DemoText.kWh(dayTraded * 1000)) kWh traded at \(mean) on "
      + "average, \(trades) trades so far, \(DemoText.kWh(held)) kWh stored"
  }

  /// Says what goes on before the days begin.
  static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
