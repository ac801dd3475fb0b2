import Domain
import Foundation
import Wire

/// Some lines on a terminal that are redrawn in place, or a line every six hours where nobody
/// watches; on standard error, so that the report alone is on standard output.
actor UnionProgress {
  private let plan: UnionPlan
  private let plans: [DemoPlan]
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var board: UnionBoard
  private var drawn: ContinuousClock.Instant?
  /// Lines that stand on the terminal.
  private var height = 0
  /// The newest final interval of each community.
  private var newest: [Int64]
  private var isClosed = false

  init(_ plan: UnionPlan, _ plans: [DemoPlan]) {
    self.plan = plan
    self.plans = plans
    board = UnionBoard(plan, plans, isPlain: !isTerminal)
    newest = plans.map { $0.first.index - 1 }
  }

  /// A final interval of a community by itself.
  func showAlone(_ totals: Intertie_V1_IntervalTotals, of place: Int) {
    guard let done = step(totals, of: place) else { return }
    if isTerminal {
      draw([board.bar(done) + " · each by itself"], isLast: done == board.intervals)
    } else if done % (plans[0].calendar.intervalsPerDay) == 0 {
      write("\(board.moment(done)): each by itself\n")
    }
  }

  /// A final interval of a community that is coupled.
  func show(_ totals: Intertie_V1_IntervalTotals, of place: Int) {
    board.note(totals, of: place)
    _ = step(totals, of: place)
  }

  /// A round that has closed.
  func show(_ round: Intertie_V1_CouplingRound) {
    guard !isClosed else { return }
    board.note(round)
    let done = round.round - plans[0].first.index + 1
    if isTerminal {
      draw(board.lines(done), isLast: done == board.intervals)
    } else if done % (plans[0].calendar.intervalsPerDay / 4) == 0 {
      write(board.line(done) + "\n")
    }
  }

  /// What stands there stays, and nothing more comes.
  func close() { isClosed = true }

  /// How many intervals all communities have behind them, when that has changed.
  private func step(_ totals: Intertie_V1_IntervalTotals, of place: Int) -> Int64? {
    let first = plans[0].first.index
    guard totals.interval >= first, totals.interval <= plans[0].last.index else { return nil }
    let before = newest.min() ?? first - 1
    newest[place] = max(newest[place], totals.interval)
    let now = newest.min() ?? first - 1
    return now > before ? now - first + 1 : nil
  }

  private func draw(_ lines: [String], isLast: Bool) {
    let now = ContinuousClock.now
    if let drawn, now - drawn < .milliseconds(120), !isLast { return }
    drawn = now
    let up = height > 0 ? "\u{1b}[\(height)A" : ""
    write(up + lines.map { "\r\u{1b}[K" + $0 + "\n" }.joined())
    height = lines.count
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

/// What the live view shows: time, each grid's price in the newest round on a common scale, what it
/// sends or gets, and how far each line is used.
struct UnionBoard: Sendable {
  private let plan: UnionPlan
  private let plans: [DemoPlan]
  private let isPlain: Bool
  private var newest: Intertie_V1_CouplingRound?
  private var bands: [(feedIn: Int64, retail: Int64)]
  /// Rounds so far, and those with all grids.
  private var rounds = 0
  private var complete = 0
  /// How often each line was full.
  private var full: [Int]

  /// Columns of the scale, and the price at its right end; what is dearer stands there, too.
  private static let columns = 34
  private static let top: Int64 = 600_000
  private static let barColumns = 10

  init(_ plan: UnionPlan, _ plans: [DemoPlan], isPlain: Bool) {
    self.plan = plan
    self.plans = plans
    self.isPlain = isPlain
    bands = plans.map { ($0.genesis.tariff.feedIn[0].raw, $0.genesis.tariff.retail[0].raw) }
    full = UnionPlan.lines.map { _ in 0 }
  }

  var intervals: Int64 { plans[0].last.index - plans[0].first.index + 1 }

  mutating func note(_ totals: Intertie_V1_IntervalTotals, of place: Int) {
    bands[place] = (totals.feedInPrice, totals.retailPrice)
  }

  mutating func note(_ round: Intertie_V1_CouplingRound) {
    newest = round
    rounds += 1
    if round.grids.count == plans.count { complete += 1 }
    for (place, line) in UnionPlan.lines.enumerated() {
      if let used = round.lines.first(where: { $0.line == line.number }), Self.isFull(used) {
        full[place] += 1
      }
    }
  }

  private static func isFull(_ line: Intertie_V1_RoundLine) -> Bool {
    line.flowWh != 0
      && line.flowWh.magnitude == (line.flowWh < 0 ? line.backWh : line.forthWh).magnitude
  }

  func moment(_ done: Int64) -> String {
    DemoText.moment(plans[0].start.advanced(bySeconds: done * plans[0].calendar.intervalSeconds))
  }

  func bar(_ done: Int64) -> String {
    let filled = Int(20 * done / max(1, intervals))
    return String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
      + " " + moment(done)
  }

  private func share(of place: Int) -> Intertie_V1_RoundGrid? {
    newest?.grids.first { $0.grid == plans[place].genesis.chainID.data }
  }

  /// mWh in an interval as kW.
  private func kilowatts(_ wattHours: Int64) -> String {
    DemoText.decimal(wattHours * 1000 * (3600 / plans[0].calendar.intervalSeconds), 1)
  }

  // MARK: On a terminal

  func lines(_ done: Int64) -> [String] {
    var lines = [
      "\(bar(done)) · \(complete) of \(done) intervals coupled everywhere", "",
      "  " + DemoText.left("price, ¤/kWh", 15) + DemoText.right("", 7) + "  0"
        + String(repeating: " ", count: Self.columns - 4) + "0.60" + "   sends or gets",
    ]
    for place in plans.indices { lines.append(grid(place)) }
    lines.append("")
    for place in UnionPlan.lines.indices { lines.append(line(place)) }
    return lines
  }

  /// The band between the utility's prices, and in it the grid's own price.
  private func grid(_ place: Int) -> String {
    let share = share(of: place)
    var scale = [Character](repeating: " ", count: Self.columns)
    let band = bands[place]
    for column in Self.column(band.feedIn)...Self.column(band.retail) { scale[column] = "─" }
    let price = share.flatMap { $0.hasPrice ? $0.price : nil }
    if let price { scale[Self.column(price)] = "●" }
    let net = share.map { $0.soldWh - $0.boughtWh } ?? 0
    let flow =
      net == 0 ? "–" : (net > 0 ? "sends " : "gets  ") + "\(kilowatts(abs(net))) kW"
    return "  " + DemoText.left(plan.names[place], 15)
      + DemoText.right(price.map { DemoText.price($0) } ?? "–", 7) + " ▕" + String(scale) + "▏ "
      + flow
  }

  private static func column(_ price: Int64) -> Int {
    Int(min(max(price, 0), top) * Int64(columns - 1) / top)
  }

  private func line(_ place: Int) -> String {
    let line = UnionPlan.lines[place]
    let used = newest?.lines.first { $0.line == line.number }
    let flow = used?.flowWh ?? 0
    let room = max(1, used.map { flow < 0 ? $0.backWh : $0.forthWh } ?? 1)
    let filled = Int((abs(flow) * Int64(Self.barColumns) + room - 1) / room)
    let arrow = flow == 0 ? "  " : flow > 0 ? "→ " : "← "
    return "  "
      + DemoText.left("\(plan.names[line.from]) – \(plan.names[line.to])", 31)
      + arrow + DemoText.right(kilowatts(abs(flow)), 5) + " of "
      + DemoText.right(DemoText.decimal(line.power.raw, 1), 4) + " kW ▕"
      + String(repeating: "█", count: filled)
      + String(repeating: " ", count: Self.barColumns - filled) + "▏ "
      + (flow != 0 && abs(flow) == room ? "full" : "    ") + " · full in \(full[place]) rounds"
  }

  // MARK: Elsewhere

  func line(_ done: Int64) -> String {
    let prices = plans.indices.map { place in
      share(of: place).flatMap { $0.hasPrice ? DemoText.price($0.price) : nil } ?? "–"
    }
    let flows = UnionPlan.lines.map { line in
      guard let used = newest?.lines.first(where: { $0.line == line.number }) else { return "–" }
      return Self.isFull(used) ? "full" : "\(kilowatts(used.flowWh))"
    }
    return "\(moment(done)): prices \(prices.joined(separator: " ")) · lines, kW: "
      + "\(flows.joined(separator: " ")) · \(complete) of \(done) intervals coupled everywhere"
  }
}
