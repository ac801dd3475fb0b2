import Foundation

extension LoadReport {
  /// For people: a table of the kinds, then what else there is to know.
  package var text: String {
    var lines = [headline, ""]
    lines.append(
      Self.row([
        "", "sent", "applied", "a second", "p50", "p90", "p99", "p99.9", "max", "refused",
      ]))
    for kind in kinds {
      lines.append(
        Self.row([
          kind.name, Self.number(kind.sent), Self.number(kind.applied),
          Self.number(kind.appliedPerSecond), Self.time(kind.latency.p50),
          Self.time(kind.latency.p90), Self.time(kind.latency.p99), Self.time(kind.latency.p999),
          Self.time(kind.latency.max), Self.number(kind.rejected.values.reduce(0, +)),
        ]))
    }
    lines.append("")
    lines += remarks
    lines += checkLines
    return lines.joined(separator: "\n") + "\n"
  }

  private var headline: String {
    let pace =
      settings.offeredPerSecond.map {
        "\(Self.number($0)) items a second offered (latency from the intended send time)"
      } ?? "as many as are answered (closed loop)"
    return "\(Self.number(settings.meters)) meters on \(settings.connections) connections, "
      + "\(settings.seconds) s, \(pace), seed \(settings.seed)"
  }

  private var remarks: [String] {
    var lines: [String] = []
    for kind in kinds {
      for (reason, count) in kind.rejected.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
        lines.append("refused         \(kind.name): \(Self.number(count)) \(reason)")
      }
      if kind.busy + kind.broken + kind.dropped + kind.lost > 0 {
        lines.append(
          "trouble         \(kind.name): \(Self.number(kind.busy)) met a busy node, "
            + "\(Self.number(kind.broken)) a broken connection; \(Self.number(kind.retried)) sent "
            + "again, \(Self.number(kind.dropped)) dropped, \(Self.number(kind.lost)) without an "
            + "answer")
      }
    }
    if unsent > 0 {
      lines.append("behind          \(Self.number(unsent)) items were due and never sent")
    }
    if let readings = kinds.first(where: { $0.name == ItemKind.reading.name }) {
      lines.append(
        "readings        \(Self.number(readings.sent - corrections)) first readings of an "
          + "interval, \(Self.number(corrections)) corrections; an interval lasts "
          + "\(grids.map { Self.seconds($0.intervalSeconds) }.max() ?? "")")
    }
    if skipped > 0 {
      lines.append("skipped         \(Self.number(skipped)) turns: no version left")
    }
    for grid in grids {
      lines.append(
        "grid            \(grid.name): \(Self.number(grid.meters)) meters, "
          + "\(Self.number(grid.appliedPerSecond)) applied a second; \(Self.text(grid.health))")
    }
    lines.append(
      "generator       \(String(format: "%.2f", generator.cores)) of \(generator.coresOfMachine) "
        + "cores, \(generator.peakBytes >> 20) MiB")
    return lines
  }

  private static func text(_ health: NodeHealth) -> String {
    let recovery =
      health.recovery.map { String(format: "at rest %.1f s after the end", $0) }
      ?? "not at rest while answers were waited for"
    let silence = health.silent > 0 ? ", \(number(health.silent)) questions without an answer" : ""
    return "at most \(number(health.deepestQueue)) entries waited, closes at most "
      + String(format: "%.2f s late", health.latestClose) + silence + ", " + recovery
  }

  private var checkLines: [String] {
    var text =
      "check           \(check.isClean ? "passed" : "FAILED"): \(Self.number(check.acknowledged)) "
      + "acknowledged, held against \(Self.number(check.entries)) entries in "
      + "\(Self.number(check.blocks)) blocks and \(Self.number(check.receipts)) receipts"
    if check.doubtful > 0 {
      text +=
        "; \(Self.number(check.doubtful)) were in doubt, \(Self.number(check.doubtfulFound)) "
        + "of them are there"
    }
    if check.copies > 0 {
      text +=
        "; \(Self.number(check.copies)) stood there a second time, and were refused in that place"
    }
    if check.departed > 0 {
      text +=
        "; \(Self.number(check.departed)) transfers left for other grids, "
        + "\(Self.number(check.arrived)) arrived, \(Self.number(check.refunded)) came back"
    }
    var lines = [text] + check.texts.map { "                " + $0 }
    if check.faults > check.texts.count {
      lines.append("                and \(check.faults - check.texts.count) more")
    }
    if applied == 0 { lines.append("nothing was applied") }
    return lines
  }

  /// A line for each kind, a header above them; latencies in microseconds. Reasons stand in one
  /// column, separated by spaces.
  package var csv: String {
    var lines = [
      "kind,sent,applied,applied_per_second,refused,busy,broken,retried,dropped,lost,p50_us,p90_us,"
        + "p99_us,p999_us,max_us,reasons"
    ]
    for kind in kinds {
      let reasons = kind.rejected.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let latency = kind.latency
      let columns: [String] = [
        kind.name, "\(kind.sent)", "\(kind.applied)",
        String(format: "%.3f", kind.appliedPerSecond), "\(kind.rejected.values.reduce(0, +))",
        "\(kind.busy)", "\(kind.broken)", "\(kind.retried)", "\(kind.dropped)", "\(kind.lost)",
        "\(latency.p50)", "\(latency.p90)", "\(latency.p99)", "\(latency.p999)",
        "\(latency.max)", reasons.joined(separator: " "),
      ]
      lines.append(columns.joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Figures

  /// The first column to the left, the others to the right.
  private static func row(_ cells: [String]) -> String {
    cells.enumerated().map { index, cell in
      let width = index == 0 ? 10 : 11
      let space = String(repeating: " ", count: max(0, width - cell.count))
      return index == 0 ? cell + space : space + cell
    }.joined()
  }

  /// Microseconds, in the unit that suits them.
  package static func time(_ microseconds: UInt64) -> String {
    switch microseconds {
    case ..<1000: "\(microseconds) µs"
    case ..<100_000: String(format: "%.1f ms", Double(microseconds) / 1000)
    case ..<1_000_000: "\(microseconds / 1000) ms"
    default: String(format: "%.2f s", Double(microseconds) / 1_000_000)
    }
  }

  private static func seconds(_ value: Double) -> String { String(format: "%g s", value) }

  package static func number(_ value: Double) -> String {
    value < 100 ? String(format: "%.1f", value) : number(Int(value.rounded()))
  }

  /// With commas between thousands.
  package static func number(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }
}
