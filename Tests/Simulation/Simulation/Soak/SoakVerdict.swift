/// Whether a soak held, by rules over its periods: none is left to the eye. Quarters are of the
/// periods, and what is compared is the second, when everything has come to its level, with the
/// last.
package struct SoakVerdict: Sendable {
  package struct Finding: Sendable {
    package var rule: String
    package var isHeld: Bool
    /// The figures that decided.
    package var text: String
  }

  /// What may be.
  package struct Bounds: Sendable {
    /// A mean of the last quarter over that of the second, of tables both the median and the
    /// largest, in per cent, and beyond that.
    package var growth = 10.0
    package var tableSlack = 64.0
    package var byteSlack = 16_000_000.0
    /// p50 and p99 of the last quarter over those of the second, in per cent, and beyond that: a
    /// tick, µs.
    package var latencyGrowth = 10.0
    package var latencyTick: Int64 = 10_000
    /// For p99, in place of both.
    package var tailGrowth = 10.0
    package var tailTick: Int64 = 10_000
    /// The latest close, and the longest that a node or a call comes late, µs.
    package var closeLag: Int64 = 1_000_000
    package var nodeLag: Int64 = 1_000_000
    package var call: Int64 = 5_000_000

    package init() {}

    /// With nodes that crash and links that break for up to three seconds, anything may be late by
    /// that and by what it takes to come right again; and a quarter has not the same faults as
    /// another.
    package static var withFaults: Bounds {
      var bounds = Bounds()
      bounds.growth = 25
      bounds.tableSlack = 512
      bounds.tailGrowth = 50
      // One that lasts longest more.
      bounds.tailTick = 3_000_000
      bounds.closeLag = 15_000_000
      bounds.nodeLag = 20_000_000
      bounds.call = 30_000_000
      return bounds
    }
  }

  package private(set) var findings: [Finding] = []
  private let bounds: Bounds

  package var isHeld: Bool { findings.allSatisfy(\.isHeld) }

  package var text: String {
    findings.map { "\($0.isHeld ? "held  " : "BROKEN") \($0.rule): \($0.text)" }
      .joined(separator: "\n")
  }

  /// `expectedCloses` at least in the time of all periods; `fault` what the oracle found, if
  /// anything.
  package init(
    _ periods: [SoakPeriod], expectedCloses: Int, fault: String?, bounds: Bounds = Bounds()
  ) {
    self.bounds = bounds
    add("nothing lost, nothing twice, one chain", fault == nil, fault ?? "the oracle saw no fault")
    guard periods.count >= 4 else {
      add("length", false, "\(periods.count) periods have no quarters")
      return
    }
    let second = Array(periods[periods.count / 4..<periods.count / 2])
    let last = Array(periods[(periods.count * 3 / 4)...])
    judgeMemory(second, last)
    judgeTables(second, last)
    judgeLatency(second, last, periods)
    judgePruning(second, last)
    judgeCloses(periods, expectedCloses)
    let lag = periods.map(\.nodeLag).max() ?? 0
    add(
      "nodes keep up", lag <= bounds.nodeLag,
      "the slowest was \(lag / 1000) ms behind, \(bounds.nodeLag / 1000) ms may be")
  }

  private mutating func add(_ rule: String, _ isHeld: Bool, _ text: String) {
    findings.append(Finding(rule: rule, isHeld: isHeld, text: text))
  }

  private func mean(_ periods: [SoakPeriod], _ value: (SoakPeriod) -> Double) -> Double {
    periods.reduce(0) { $0 + value($1) } / Double(max(periods.count, 1))
  }

  /// The median of the periods' medians, and the largest of all.
  private func level(_ name: String, _ periods: [SoakPeriod]) -> TableLevel {
    let tables = periods.map { $0.tables[name] ?? TableLevel(0) }
    var level = TableLevel(tables.map(\.median), of: tables.count)
    level.largest = tables.map(\.largest).max() ?? 0
    return level
  }

  private func isLevel(_ before: Double, _ after: Double, slack: Double) -> Bool {
    after <= before * (1 + bounds.growth / 100) + slack
  }

  private mutating func judgeMemory(_ second: [SoakPeriod], _ last: [SoakPeriod]) {
    let (before, after) = (
      mean(second) { Double($0.residentBytes) }, mean(last) { Double($0.residentBytes) }
    )
    add(
      "memory is level", before > 0 && isLevel(before, after, slack: bounds.byteSlack),
      "resident \(SoakPeriod.megabytes(before)) MB in the second quarter, "
        + "\(SoakPeriod.megabytes(after)) MB in the last")
  }

  /// A table that came later counts from nothing.
  private mutating func judgeTables(_ second: [SoakPeriod], _ last: [SoakPeriod]) {
    let names = Set((second + last).flatMap(\.tables.keys)).sorted()
    var grown: [String] = []
    for name in names {
      let (before, after) = (level(name, second), level(name, last))
      func hasGrown(_ before: Int, _ after: Int) -> Bool {
        !isLevel(Double(before), Double(after), slack: bounds.tableSlack)
      }
      guard hasGrown(before.median, after.median), hasGrown(before.largest, after.largest)
      else { continue }
      grown.append("\(name) from \(before.median) to \(after.median)")
    }
    add(
      "tables are level", grown.isEmpty && !names.isEmpty,
      grown.isEmpty ? "\(names.count) tables, none of them grew" : grown.joined(separator: "; "))
  }

  private mutating func judgeLatency(
    _ second: [SoakPeriod], _ last: [SoakPeriod], _ all: [SoakPeriod]
  ) {
    func merged(_ periods: [SoakPeriod]) -> Latencies {
      periods.reduce(into: Latencies()) { $0.add($1.latency) }
    }
    let (before, after) = (merged(second), merged(last))
    for (percent, growth, tick) in [
      (50.0, bounds.latencyGrowth, bounds.latencyTick), (99, bounds.tailGrowth, bounds.tailTick),
    ] {
      let (old, new) = (before.percentile(percent), after.percentile(percent))
      let limit = Int64(Double(old) * (1 + growth / 100)) + tick
      add(
        "p\(Int(percent)) is level", before.count > 0 && after.count > 0 && new <= limit,
        "\(old / 1000) ms in the second quarter, \(new / 1000) ms in the last, at most "
          + "\(limit / 1000) ms")
    }
    let longest = all.map(\.latency.maximum).max() ?? 0
    add(
      "every call is answered", longest <= bounds.call,
      "the longest took \(longest / 1000) ms, \(bounds.call / 1000) ms may be")
  }

  private mutating func judgePruning(_ second: [SoakPeriod], _ last: [SoakPeriod]) {
    let (from, to) = (second.last?.oldestKept ?? 0, last.last?.oldestKept ?? 0)
    let made = (last.last?.height ?? 0) - (second.last?.height ?? 0)
    let (before, after) = (
      mean(second) { $0.pruneableBytes + $0.workingBytes },
      mean(last) { $0.pruneableBytes + $0.workingBytes }
    )
    add(
      "pruning goes on", from > 0 && to >= from + made / 2,
      "the oldest body went from height \(from) to \(to) while \(made) blocks were made")
    add(
      "the disk is level but for what is kept for ever",
      isLevel(before, after, slack: bounds.byteSlack),
      "\(SoakPeriod.megabytes(before)) MB in the second quarter, "
        + "\(SoakPeriod.megabytes(after)) MB in the last")
  }

  private mutating func judgeCloses(_ periods: [SoakPeriod], _ expected: Int) {
    let closes = periods.reduce(0) { $0 + $1.closes }
    let lag = periods.map(\.closeLag).max() ?? 0
    add(
      "intervals close on time", lag <= bounds.closeLag && closes >= expected,
      "\(closes) closed, at least \(expected) have to be, the latest \(lag / 1000) ms after its "
        + "time, \(bounds.closeLag / 1000) ms may be")
  }
}
