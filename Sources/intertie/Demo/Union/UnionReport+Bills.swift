import Domain
import Foundation

extension UnionReport {
  private func cells(_ texts: [String]) -> String {
    zip(texts, [30, 10, 9, 12, 12, 10, 9]).enumerated().map { place, cell in
      place == 0 ? DemoText.left(cell.0, cell.1) : DemoText.right(cell.0, cell.1)
    }.joined()
  }

  private func line(_ name: String, _ own: HomeBill, _ coupled: HomeBill) -> String {
    "  "
      + cells([
        name, DemoText.kWh(own.consumed), DemoText.kWh(own.generated), DemoText.money(own.alone),
        DemoText.money(own.net), DemoText.money(coupled.net),
        DemoText.money(Self.cents(own.net) - Self.cents(coupled.net)),
      ])
  }

  /// Each home's bill three ways; what is left in storage is taken off at feed-in.
  var billLines: [String] {
    var text = [
      "Bills, ¤ (energy in kWh)",
      "  "
        + cells([
          "", "consumed", "roof", "utility", "community", "coupled", "saved",
        ]),
    ]
    for grid in grids {
      text.append("  \(grid.name)")
      text += zip(grid.alone.bills, grid.coupled.bills).map { line("  \($0.home)", $0, $1) }
      text.append(line("  together", grid.alone.together, grid.coupled.together))
    }
    let own = grids.reduce(HomeBill(home: "")) { $0.plus($1.alone.together) }
    let coupled = grids.reduce(HomeBill(home: "")) { $0.plus($1.coupled.together) }
    return text + [line("all homes", own, coupled)] + verdict
  }

  /// Whether everybody is better off, to the cent: payments are rounded to the millionth.
  private var verdict: [String] {
    let pairs = grids.flatMap { grid in
      zip(grid.alone.bills, grid.coupled.bills).map { (own: $0, coupled: $1) }
    }
    let better = pairs.count { $0.own.net - $0.coupled.net >= Self.cent }
    let worse = pairs.count { $0.coupled.net - $0.own.net >= Self.cent }
    let losers = pairs.count { $0.coupled.net - $0.coupled.alone >= Self.cent }
    var text = [
      "  Coupled, \(better) of \(pairs.count) homes pay less than in a community of their own, "
        + "\(pairs.count - better - worse) the same to the cent, \(worse) more."
    ]
    if worse > 0 {
      text.append(
        "  More pays who bought cheaply from neighbours that now sell where it is worth more.")
    }
    if losers > 0 {
      text.append(
        "  Somewhat more than with the utility alone: \(losers), who stored energy in vain."
      )
    } else {
      text.append("  No home pays more than with the utility alone.")
    }
    return text
  }

  static let cent: Int64 = 10_000

  // MARK: Chains

  private var settingsText: String {
    let sent = grids.reduce(0) { $0 + $1.coupled.settings.sent }
    let alone = grids.reduce(0) { $0 + $1.alone.settings.misplaced }
    let coupled = grids.reduce(0) { $0 + $1.coupled.settings.misplaced }
    return "\(DemoText.count(sent)) of agents in each pass; not at the close that they were for: "
      + "\(alone) alone, \(coupled) coupled"
  }

  private func pair(_ name: String, _ text: String) -> String {
    "  " + DemoText.left(name, 11) + text
  }

  var chainLines: [String] {
    let reports = grids.map(\.coupled)
    let readings = reports.reduce(0) { $0 + $1.readings.sent }
    let acknowledged = reports.reduce(0) { $0 + $1.readings.acknowledged }
    let late = reports.reduce(0) { $0 + $1.readings.late }
    let median = reports.map(\.readings.medianDelayMicroseconds).max() ?? 0
    let longest = reports.map(\.readings.longestDelayMicroseconds).max() ?? 0
    let missed = gridIntervals - coupledIntervals
    let packets = network.grids.reduce(UInt64(0)) {
      $0 + $1.toBackbone.executed + $1.toGrid.executed
    }
    let blocks = grids.reduce(network.backbone.blocks) {
      $0 + $1.coupled.audit.blocks + $1.alone.audit.blocks
    }
    let signatures = grids.reduce(network.backbone.signatures) {
      $0 + $1.coupled.audit.signatures + $1.alone.audit.signatures
    }
    let milliseconds = { (micro: Int64) in String(format: "%.0f ms", Double(micro) / 1000) }
    return [
      "Chains",
      pair(
        "coupled",
        "\(DemoText.count(coupledIntervals)) of \(DemoText.count(gridIntervals)) intervals of the "
          + "grids (\(DemoText.percent(Int64(coupledIntervals), of: Int64(gridIntervals)))) in "
          + "\(rounds) rounds, \(completeRounds) with all grids"),
      pair(
        "",
        missed == 0
          ? "none closed alone"
          : "\(missed) closed alone: the round before had no result yet, or the bid came late"),
      pair(
        "readings",
        "\(DemoText.count(readings)) sent, \(DemoText.count(acknowledged)) acknowledged as "
          + "durable, \(late) late; after \(milliseconds(median)) (median),"),
      pair("", "\(milliseconds(longest)) (longest)"),
      pair("settings", settingsText),
      pair(
        "packets", "\(DemoText.count(packets)) between the grids and the backbone, each proven"),
      pair(
        "pace",
        String(
          format: "%.0f s in all; an interval in %.2f s, by itself in %.2f s", seconds, paceCoupled,
          paceAlone)),
      pair(
        "audit",
        "passed: \(DemoText.count(blocks)) blocks of nine chains replayed from their geneses, "
          + "\(DemoText.count(signatures))"),
      pair("", "signatures; the backbone and its grids held against each other, packet by packet"),
      pair("backbone", network.backbone.chain),
    ]
  }

  /// What a reader must know to judge the figures.
  var noteLines: [String] {
    let feedIn = DemoText.price(DemoPlan.feedIn.raw)
    return [
      "Notes",
      "  This is a composition: roofs in California have no line to London. Sierra's days begin on",
      "  17 April 2017, London's on 22 April 2013: laid over each other by weekday and civil hour.",
      "  Load, generation and retail prices are measured data (see its README; London's are",
      "  from UK Power Networks / Low Carbon London, London Datastore). Lines, storage and the",
      "  utility's feed-in of \(feedIn) ¤/kWh are assumptions. 1 ¤ is 1 USD, a pound is 1.50 ¤.",
      "  Sierra's data is hourly, London's half-hourly: the net of each is split evenly into",
      "  quarters of an hour, to the mWh. No agent knows a forecast.",
      "  'utility': imports at retail, exports at feed-in, neither storage nor neighbours.",
      "  'community', 'coupled': what the chains of both passes say, of equal meters and habits.",
      "  What is left in storage is taken off all bills at feed-in.",
      "  'saved' counts no cost of storage and lines.",
    ]
  }
}
