import GRPCCore

extension LoadRun {
  /// Holds what was acknowledged against the chains. What cannot be looked at, since no node
  /// answers, is told as that.
  func check(
    _ grids: [LoadGrid], _ records: [Acknowledged], _ figures: [GridFigures.State],
    connections: [Int]
  ) async -> CheckFindings {
    var findings = CheckFindings()
    for (grid, record) in zip(grids, records) {
      findings.add(await EndCheck(grid: grid, items: record.items).runOnNodes())
    }
    let departed = figures.reduce(0) { $0 + $1.departed.values.reduce(0, +) }
    do {
      findings.add(
        try await TravelCheck(grids: grids, figures: figures, connections: connections).run())
    } catch {
      findings.unchecked.append(
        .init(
          subject: "transfers to other grids", acknowledged: departed,
          reason: Self.text(error)))
    }
    return findings
  }

  private static func text(_ error: any Error) -> String {
    (error as? RPCError).map { "\($0.code): \($0.message)" } ?? "\(error)"
  }
}
