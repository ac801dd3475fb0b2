import Domain
import Wire

/// Holds what left for other grids against the histories of those who sent and received it: each
/// transfer has arrived or come back, once.
package struct TravelCheck: Sendable {
  package var grids: [LoadGrid]
  package var figures: [GridFigures.State]
  /// Connections to each grid: they tell who sends abroad.
  package var connections: [Int]

  package init(grids: [LoadGrid], figures: [GridFigures.State], connections: [Int]) {
    self.grids = grids
    self.figures = figures
    self.connections = connections
  }

  /// Receivers on a grid.
  package static func receivers(of grid: LoadGrid) -> [PublicKey] {
    grid.keys.members.prefix(LoadLimits.travellers).map(\.publicKey)
  }

  /// Asks until all has arrived, or for a while; then once more, for what should not arrive.
  package func run() async throws -> CheckFindings {
    let departed = figures.reduce(0) { $0 + $1.departed.values.reduce(0, +) }
    let perhaps = figures.reduce(0) { $0 + $1.perhaps.values.reduce(0, +) }
    var findings = CheckFindings()
    guard departed + perhaps > 0 else { return findings }
    let deadline = Monotonic.now + LoadLimits.travelSeconds * 1_000_000
    var isLast = false
    while true {
      findings.arrived = 0
      for grid in grids {
        for member in Self.receivers(of: grid) {
          findings.arrived += try await count(.receivedFromAbroad, of: member, on: grid)
        }
      }
      if isLast { break }
      isLast = findings.arrived >= departed + perhaps || Monotonic.now >= deadline
      await Monotonic.sleep(until: Monotonic.now + 1_000_000)
      try Task.checkCancellation()
    }
    for grid in grids {
      for member in senders(of: grid) {
        findings.refunded += try await count(.refunded, of: member, on: grid)
      }
    }
    findings.judge(departed: departed, perhaps: perhaps)
    return findings
  }

  private func senders(of grid: LoadGrid) -> [PublicKey] {
    let lanes = connections[grid.number]
    return (0..<lanes).flatMap { lane in
      let numbers = LoadPlan.numbers(grid.count, on: lane, of: lanes)
      return numbers.prefix(CommandBook.travellers(numbers.count, connections: lanes))
        .map { grid.keys.members[$0].publicKey }
    }
  }

  /// Lines of that kind in an account's history since the load began.
  private func count(
    _ kind: Intertie_V1_HistoryKind, of member: PublicKey, on grid: LoadGrid
  ) async throws -> Int {
    var found = 0
    var cursor: UInt64 = 0
    repeat {
      let request = Intertie_V1_HistoryRequest.with {
        $0.account = member.data
        $0.cursor = cursor
      }
      let page = try await grid.node.asking {
        try await grid.node.ledger.history(request, options: LoadConnection.options)
      }
      let recent = page.lines.prefix { $0.height > grid.height }
      found += recent.count { $0.kind == kind }
      cursor = recent.count == page.lines.count ? page.nextCursor : 0
    } while cursor != 0
    return found
  }
}

extension CheckFindings {
  /// Holds what arrived and came back against what was sent for sure, and what perhaps was.
  package mutating func judge(departed: Int, perhaps: Int) {
    self.departed = departed
    let ended = arrived + refunded
    if ended < departed {
      fault("\(departed - ended) transfers to other grids neither arrived nor came back")
    } else if ended > departed + perhaps {
      fault("\(ended - departed - perhaps) transfers arrived that nobody sent")
    } else if departed > 0, ended < departed + perhaps {
      // One that perhaps was sent may have arrived in the place of one that surely was.
      unchecked.append(
        .init(
          subject: "transfers to other grids", acknowledged: departed,
          reason: "\(perhaps) more were in doubt, \(ended) of \(departed + perhaps) arrived or "
            + "came back: nobody can tell which"))
    }
  }
}
