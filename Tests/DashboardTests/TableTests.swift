import Dashboard
import Domain
import Foundation
import Node
import Testing

/// The table of metrics, and all that is written elsewhere about them.
@Suite struct TableTests {
  private static let top = URL(filePath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private func read(_ path: String) throws -> String {
    try String(contentsOf: Self.top.appending(path: path), encoding: .utf8)
  }

  /// https://prometheus.io/docs/practices/naming/
  @Test(arguments: MetricTable.rows)
  func namesFollowPrometheus(_ row: MetricDescription) {
    #expect(row.name.wholeMatch(of: /(intertie|process)_[a-z]+(_[a-z]+)*/) != nil)
    #expect(row.name.hasSuffix("_total") == (row.kind == .counter))
    #expect(!row.help.isEmpty && row.help.hasSuffix("."))
    #expect(Set(row.labels).count == row.labels.count)
    #expect(row.labels.allSatisfy { $0.wholeMatch(of: /[a-z_]+/) != nil && $0 != "le" })
    for unit in ["seconds", "joules", "bytes"] where row.name.contains(unit) {
      #expect(row.name.hasSuffix(unit) || row.name.hasSuffix(unit + "_total"))
    }
    if case .histogram(let bounds) = row.kind {
      #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 })
      #expect(
        !bounds.isEmpty && !["_bucket", "_sum", "_count"].contains { row.name.hasSuffix($0) })
    }
  }

  @Test func noNameIsThereTwice() {
    #expect(Set(MetricTable.rows.map(\.name)).count == MetricTable.rows.count)
  }

  /// One meter, one member, one peer each would make as many series, and tell about households.
  @Test func noLabelNamesAPerson() {
    let labels = Set(MetricTable.rows.flatMap(\.labels))
    #expect(
      labels == [
        "chain", "class", "direction", "file", "flow", "kind", "outcome", "reason", "stage",
        "version",
      ])
  }

  /// The README's table is this one, row by row.
  @Test func theReadmeHasTheTable() throws {
    let wanted = MetricTable.rows.map { row in
      let labels = row.labels.map { "`\($0)`" }.joined(separator: ", ")
      return "| `\(row.name)` | \(row.kind.word) | \(labels) | \(row.help) |"
    }
    let written = try read("Sources/Dashboard/README.md").split(separator: "\n")
      .filter { $0.hasPrefix("| `intertie_") || $0.hasPrefix("| `process_") }.map { "\($0)" }
    #expect(written == wanted, "it should be:\n\(wanted.joined(separator: "\n"))")
  }

  /// What the alerts and the dashboard ask for exists, with the labels that they name.
  @Test(arguments: ["Docker/alerts.yml", "Docker/grafana.json"])
  func whatIsAskedForExists(_ path: String) throws {
    var names: [String: MetricDescription] = [:]
    for row in MetricTable.rows {
      names[row.name] = row
      if case .histogram = row.kind {
        for suffix in ["_bucket", "_sum", "_count"] { names[row.name + suffix] = row }
      }
    }
    let text = try read(path)
    let asked = text.matches(of: /(?:intertie|process)_[a-z_]+/).map { "\($0.output)" }
    #expect(Set(asked).count >= 10)
    for name in asked { #expect(names[name] != nil, "\(path) asks for \(name)") }
    for match in text.matches(of: /((?:intertie|process)_[a-z_]+)\{([^}]*)\}/) {
      let labels = match.output.2.matches(of: /([a-z_]+)\s*(?:=|!)/).map { "\($0.output.1)" }
      let known = (names["\(match.output.1)"]?.labels ?? []) + ["le", "job", "instance"]
      for label in labels {
        #expect(known.contains(label), "\(path): \(match.output.1) has no label \(label)")
      }
    }
  }

  /// What an operator must be woken for.
  @Test func alertsAreThere() throws {
    let alerts = try read("Docker/alerts.yml").matches(of: /alert: ([A-Za-z]+)/)
      .map { "\($0.output.1)" }
    #expect(
      alerts == [
        "NodeDown", "ChainHalted", "NoBlocks", "QuorumOutOfReach", "NotReady", "InboxFull",
        "SyncsSlow", "ClosesLate", "MemoryHigh", "EvidenceFound", "GridFrozen", "LaneStuck",
      ])
  }
}
