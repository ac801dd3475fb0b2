import Domain
import Foundation
import Node
import Wire

/// The backbone in words.
enum BackboneTexts {
  typealias Row = (String, String)

  private static func kWh(_ wattHours: Int64) -> String {
    Amounts.text(micro: wattHours * 1000, decimals: 3) + " kWh"
  }

  private static func price(_ micro: Int64) -> String { Amounts.text(micro: micro) + " ¤/kWh" }

  private static func kW(_ milliwatts: Int64) -> String {
    Amounts.text(micro: milliwatts, decimals: 3) + " kW"
  }

  // MARK: For `status`

  /// How this node's replica of the backbone is, and what waits between the two chains.
  static func health(_ overview: Intertie_V1_OverviewResponse) -> [Row] {
    let own = overview.own
    var rows = [
      ("backbone", "\(overview.name), chain \(Hex.encode(overview.chainID))"),
      (
        "", "height \(overview.height), \(overview.connected) of \(overview.peers) peers connected"
      ),
    ]
    if let grid = overview.grids.first(where: { $0.grid == own.grid }) {
      let out = own.sent - min(own.sent, grid.received)
      let `in` = grid.sent - min(grid.sent, own.received)
      rows.append(
        (
          "",
          "\(out) packets to it and \(`in`) from it are waiting; \(own.underWay) transfers "
            + "and withdrawals without an answer"
        ))
      if grid.hasConflict { rows.append(("", "this grid is frozen: it signed two histories")) }
    } else {
      rows.append(
        ("", "this grid is not entered: the backbone's operator does it with backbone register"))
    }
    if let obstacle = ChainHealth(overview).obstacle, overview.failure.isEmpty {
      rows.append(("", "it waits: \(obstacle)"))
    }
    // Of a grid that is not entered none comes.
    if own.hasOpenRound, overview.grids.contains(where: { $0.grid == own.grid }) {
      rows.append(("", "round \(own.openRound) waits for its result"))
    }
    if !overview.failure.isEmpty { rows.append(("", "stopped: \(overview.failure)")) }
    return rows
  }

  // MARK: For `backbone status`

  static func overview(_ overview: Intertie_V1_OverviewResponse) -> [Row] {
    var rows: [Row] = [
      ("name", overview.name), ("chain", Hex.encode(overview.chainID)),
      ("height", "\(overview.height)"), ("state root", Hex.encode(overview.stateRoot)),
      ("block time", StatusCommand.time(overview.blockTimeUs)),
      ("epoch", "\(overview.epoch), \(ValidatorCounts(of: overview.validators.count))"),
      ("peers", "\(overview.connected) of \(overview.peers) connected"),
      ("money", "\(Amounts.text(micro: overview.money)) ¤ in all grids"),
      ("treasury", "\(Amounts.text(micro: overview.treasury)) TSL that no grid has"),
      ("clean energy", "\(Amounts.text(micro: overview.cleanMwh)) kWh rewarded"),
      ("network fund", "\(Amounts.text(micro: overview.fund)) ¤ left by roundings"),
      ("health", ChainHealth(overview).text),
    ]
    let directory = GridDirectory(overview)
    for grid in overview.grids { rows += self.grid(grid, isOwn: grid.grid == overview.own.grid) }
    if overview.grids.isEmpty { rows.append(("grids", "none is entered")) }
    rows += overview.lines.map { line in
      (
        "line \(line.line)",
        "\(directory.label(line.from)) to \(directory.label(line.to)): \(kW(line.forthMw)) forth, "
          + "\(kW(line.backMw)) back, fee \(price(line.fee)), owner "
          + (PublicKey(line.owner)?.text(as: .account) ?? "?")
      )
    }
    if overview.hasLastRound {
      rows += round(overview.lastRound, directory, intervalSeconds: nil).enumerated().map {
        ($0 == 0 ? "last" : "", $1)
      }
    }
    return rows
  }

  private static func grid(_ grid: Intertie_V1_BackboneGrid, isOwn: Bool) -> [Row] {
    var rows: [Row] = [
      ("grid", grid.name + (isOwn ? " (this node's)" : "")),
      ("", "id \(Hex.encode(grid.grid))"),
      (
        "",
        "reserve \(Amounts.text(micro: grid.reserveMoney)) ¤, "
          + "\(Amounts.text(micro: grid.reserveTsl)) TSL, "
          + "\(Amounts.text(micro: grid.reserveEct)) ECT"
      ),
      ("", "lane: \(grid.received) packets from it executed, \(grid.sent) sent to it"),
    ]
    if grid.hasCheckpoint {
      rows.append(
        (
          "",
          "checkpoint: block \(grid.checkpoint.height), interval \(grid.checkpoint.interval), "
            + "\(Amounts.text(micro: grid.checkpoint.heldMwh)) kWh held"
        ))
    } else {
      rows.append(("", "no checkpoint so far"))
    }
    rows.append(
      (
        "",
        "exported \(kWh(grid.exportedWh)) in all rounds; rated at \(kW(grid.cleanPowerMw)) "
          + "clean, \(Amounts.text(micro: grid.cleanMwh)) kWh rewarded"
      ))
    if grid.hasOpenRound { rows.append(("", "its bid in round \(grid.openRound) waits")) }
    if grid.hasConflict {
      rows.append(
        (
          "",
          "FROZEN at block \(grid.conflict.shownAt): it signed two blocks at height "
            + "\(grid.conflict.height), \(Hex.encode(grid.conflict.first)) and "
            + Hex.encode(grid.conflict.second)
        ))
    }
    return rows
  }

  // MARK: Rounds

  static func round(
    _ round: Intertie_V1_CouplingRound, _ directory: GridDirectory, intervalSeconds: Int64?
  ) -> [String] {
    let time = intervalSeconds.map { "  \(StatusCommand.time(round.round * $0 * 1_000_000))" } ?? ""
    var lines = [
      "round \(round.round)\(time)  block \(round.height)  surplus "
        + "\(Amounts.text(micro: round.surplus)) ¤"
    ]
    for grid in round.grids {
      lines.append(
        "  grid \(directory.label(grid.grid))  "
          + (grid.hasPrice ? price(grid.price) : "no price: nobody within reach has bid")
          + "  bought \(kWh(grid.boughtWh))  sold \(kWh(grid.soldWh))  "
          + (grid.money < 0 ? "paid " : "got ")
          + "\(Amounts.text(micro: Int64(clamping: grid.money.magnitude))) ¤")
    }
    for line in round.lines {
      let room = line.flowWh < 0 ? line.backWh : line.forthWh
      let flow = line.flowWh.magnitude
      var text = "  line \(line.line)  \(kWh(Int64(clamping: flow))) of \(kWh(room))"
      if line.flowWh != 0 { text += line.flowWh < 0 ? " back" : " forth" }
      if flow > 0, flow == room.magnitude { text += ", full" }
      lines.append(
        text + "  fee \(Amounts.text(micro: line.wheeling)) ¤  rent "
          + "\(Amounts.text(micro: line.rent)) ¤")
    }
    return lines
  }
}
