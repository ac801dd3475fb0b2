import Foundation

extension DemoReport {
  var chainLines: [String] {
    func pair(_ name: String, _ text: String) -> String { "  " + DemoText.left(name, 14) + text }
    let span = days == 1 ? "a day" : "\(days) days"
    let rate = { (count: Int) in String(format: "%.1f", Double(count) / seconds) }
    let milliseconds = { (micro: Int64) in String(format: "%.0f ms", Double(micro) / 1000) }
    let refused =
      readings.refused.isEmpty
      ? "none refused"
      : "refused: "
        + readings.refused.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        .joined(separator: ", ")
    return [
      "Chain",
      pair(
        "readings",
        "\(DemoText.count(readings.sent)) sent, \(DemoText.count(readings.acknowledged)) "
          + "acknowledged as durable, \(refused), \(readings.late) late"),
      pair(
        "",
        "acknowledged after \(milliseconds(readings.medianDelayMicroseconds)) (median), "
          + "\(milliseconds(readings.longestDelayMicroseconds)) (longest)"),
      pair(
        "settings",
        "\(settings.sent) of agents, \(settings.misplaced) not at the close that they were for"),
      pair(
        "pace",
        "\(span) in \(String(format: "%.0f", seconds)) s: \(rate(readings.sent)) readings and "
          + "\(rate(market.trades)) trades a second, set by the replay"),
      pair(
        "audit",
        "passed: \(DemoText.count(audit.blocks)) blocks replayed from genesis, "
          + "\(DemoText.count(audit.signatures)) signatures and \(audit.intervals) closes"),
      pair("", "checked: the \(intervals) of the days and those just before and after it"),
      pair("chain", audit.chain),
      pair("state root", audit.stateRoot),
    ]
  }

  /// What a reader must know to judge the figures.
  var noteLines: [String] {
    let cost = DemoText.money(energy.capacity * 200)
    let storage = "\(DemoText.kWh(energy.capacity)) kWh at 200 ¤/kWh are \(cost) ¤"
    return [
      "Notes",
      "  Load, generation and retail prices are measured data (see its README); 1 ¤ is 1 USD here.",
      "  It has no export price: a feed-in of \(DemoText.price(market.feedIn)) ¤/kWh is assumed.",
      "  It is hourly: the net of each hour is split evenly into four intervals, to the mWh.",
    ] + oddities + aboveCapacity + [
      "  Civil time of the data is taken as the chain's UTC. No agent knows a forecast.",
      "  'alone': imports at retail, exports at feed-in; neither storage nor neighbours.",
      "  'saved' counts no cost of the storage: \(storage).",
      "  'stored': what is left in storage, at feed-in; not in 'here'. 'comm.': commission in TSL,",
      "  of which each home was given 5; not in 'here' either.",
    ]
  }

  private var aboveCapacity: [String] {
    guard energy.closesAboveCapacity > 0 else { return [] }
    return [
      "  More was held than the capacity after \(energy.closesAboveCapacity) closes: overflow that",
      "  a neighbour buys to store stays in storage until the next close.",
    ]
  }

  private var oddities: [String] {
    guard bills.contains(where: { $0.home == "home_15" }) else { return [] }
    return [
      "  It is odd in places: home_15's roof generates nothing; home_12 and home_15 consume",
      "  nothing at night, and by day what looks like generation. Their bills mean no more than",
      "  that.",
    ]
  }
}
