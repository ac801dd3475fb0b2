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
        Self.row(
          [
            kind.name, Self.number(kind.sent), Self.number(kind.applied),
            Self.number(kind.appliedPerSecond),
          ] + kind.percentiles.map { $0.map(Self.time) ?? "–" }
            + [Self.number(kind.rejected.values.reduce(0, +))]))
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
    let length =
      isStopped
      ? String(format: "STOPPED after %.1f s of \(settings.seconds) s", loadSeconds)
      : "\(settings.seconds) s"
    return Self.count(settings.meters, "meter") + " on "
      + Self.count(settings.connections, "connection") + ", \(length), \(pace), seed "
      + "\(settings.seed)"
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
      lines.append("behind          \(Self.count(unsent, "item")) due and never sent")
    }
    if let readings = kinds.first(where: { $0.name == ItemKind.reading.name }) {
      lines.append(
        "readings        \(Self.count(readings.sent - corrections, "first reading")) of an "
          + "interval, \(Self.count(corrections, "correction")); an interval lasts "
          + "\(grids.map { Self.seconds($0.intervalSeconds) }.max() ?? "")")
    }
    if skipped > 0 {
      lines.append("skipped         \(Self.count(skipped, "turn")): no version left")
    }
    if readingsBeforeLoad > 0 {
      lines.append(
        "before          \(Self.count(readingsBeforeLoad, "reading")) to try whether there is an "
          + "interval to read: on the chain, too, and not in these figures")
    }
    if commandsBeforeLoad > 0 {
      lines.append(
        "before          \(Self.count(commandsBeforeLoad, "command")) to enrol members: on the "
          + "chain, too, and not in these figures")
    }
    for grid in grids {
      lines.append(
        "grid            \(grid.name): \(Self.count(grid.meters, "meter")), "
          + "\(Self.number(grid.appliedPerSecond)) applied a second; \(Self.text(grid.health))")
    }
    lines.append(
      "generator       \(String(format: "%.2f", generator.cores)) of \(generator.coresOfMachine) "
        + "cores, \(generator.peakBytes >> 20) MiB")
    if generator.isOverloaded {
      lines.append(
        "                it could not keep up, and was late itself by "
          + String(format: "%.1f s", generator.latestSeconds)
          + ": these figures are not the nodes' alone")
    }
    return lines
  }

  private static func text(_ health: GridHealth) -> String {
    let recovery =
      health.atRestAfterSeconds.map { String(format: "at rest %.1f s after the end", $0) }
      ?? "not at rest while answers were waited for"
    let silence = health.silent > 0 ? ", \(count(health.silent, "question")) without an answer" : ""
    guard health.answers > 0 else { return "how it was is unknown" + silence + ", " + recovery }
    return "at most \(number(health.deepestQueueEntries)) entries waited, closes at most "
      + String(format: "%.2f s late", health.latestCloseSeconds) + silence + ", " + recovery
  }

  private var checkLines: [String] {
    var text =
      "check           \(check.verdict.rawValue): \(Self.number(check.acknowledged)) acknowledged"
    if check.blocks > 0 || check.unchecked.isEmpty {
      text +=
        ", held against \(Self.number(check.entries)) entries in "
        + "\(Self.count(check.blocks, "block")) and \(Self.count(check.receipts, "receipt"))"
    }
    if check.doubtful > 0 {
      text += "; \(Self.number(check.doubtful)) were in doubt"
      if check.unchecked.isEmpty {
        text += ", \(Self.number(check.doubtfulFound)) of them are there"
      }
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
    for part in check.unchecked {
      lines.append(
        "                \(part.subject): \(Self.number(part.acknowledged)) acknowledged and not "
          + "checked; \(part.reason)")
    }
    if check.faults > check.texts.count {
      lines.append("                and \(check.faults - check.texts.count) more")
    }
    if applied == 0 { lines.append("nothing was applied") }
    return lines
  }

  /// A line for each kind, a header above them; latencies in microseconds, empty where nothing was
  /// answered. Reasons stand in one column, separated by spaces.
  package var csv: String {
    var lines = [
      "kind,sent,applied,applied_per_second,refused,busy,broken,retried,dropped,lost,unsent,p50_us,"
        + "p90_us,p99_us,p999_us,max_us,reasons"
    ]
    for kind in kinds {
      let reasons = kind.rejected.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let columns: [String] = [
        kind.name, "\(kind.sent)", "\(kind.applied)",
        String(format: "%.3f", kind.appliedPerSecond), "\(kind.rejected.values.reduce(0, +))",
        "\(kind.busy)", "\(kind.broken)", "\(kind.retried)", "\(kind.dropped)", "\(kind.lost)",
        "\(kind.unsent)",
      ]
      let latencies = kind.percentiles.map { $0.map { "\($0)" } ?? "" }
      lines.append(
        (columns + latencies + [reasons.joined(separator: " ")])
          .joined(separator: ","))
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

  package static func seconds(_ value: Double) -> String { String(format: "%g s", value) }

  package static func number(_ value: Double) -> String {
    value < 100 ? String(format: "%.1f", value) : number(Int(value.rounded()))
  }

  /// A number of things whose plural has an s.
  package static func count(_ value: Int, _ thing: String) -> String {
    "\(number(value)) \(thing)\(value == 1 ? "" : "s")"
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

extension LoadReport.Kind {
  /// p50, p90, p99, p99.9 and the largest, microseconds; none without an answer.
  fileprivate var percentiles: [UInt64?] {
    let latency = latencyMicroseconds
    return [latency?.p50, latency?.p90, latency?.p99, latency?.p999, latency?.max]
  }
}
