import Backbone
import Domain

/// Holds the chains of a network against each other, each of them replayed before: the replicas of
/// the backbone are one history; what one chain executed is byte for byte what the other sent, in
/// order, from the first packet on; supply and packets under way are the reserve, for each grid and
/// asset; no TSL, no money and no energy came from nowhere.
///
/// The chains may end at any heights. A packet that was executed and that its sender's chain, as
/// given, has not sent is a fault: it was forged, or a newer copy of that chain has to be given.
package struct NetworkAudit: Sendable {
  private let replicas: [AuditedChain<BackbonePipeline>]
  private let copies: [AuditedChain<BarePipeline>]

  /// Chains in any order; several copies of one chain are held against each other.
  package init(
    backbone: [AuditedChain<BackbonePipeline>], grids: [AuditedChain<BarePipeline>]
  ) {
    replicas = backbone
    copies = grids
  }

  /// Throws `invariant` with the first thing that is wrong, `invalid` when the chains are not of
  /// one network.
  package func check() throws(NodeFailure) -> NetworkReport {
    let backbone = try longest(of: replicas, "the backbone")
    let core = backbone.state.core
    var grids: [NetworkReport.Grid] = []
    var given: Set<ChainID> = []
    var exported: Int128 = 0
    for copy in copies {
      guard let id = copy.state.lane?.grid else {
        throw .invalid("grid \(copy.report.chain) is part of no backbone")
      }
      guard given.insert(id).inserted else { continue }
      let grid = try longest(
        of: copies.filter { $0.state.lane?.grid == id }, "grid \(id)")
      grids.append(try check(grid, id, backbone))
      exported += Int128(grid.report.tieExport) - Int128(grid.report.tieImport)
    }
    let missing = core.gridRecords.map(\.grid).filter { !given.contains($0) }
    if missing.isEmpty, grids.allSatisfy({ $0.toGrid.sent == $0.toGrid.executed }) {
      // Every result is executed: what left the grids has come to grids.
      guard exported == 0 else {
        throw .invariant("\(exported) mWh more left the grids than came to them")
      }
    }
    return try report(backbone, grids, missing: missing)
  }

  /// The longest of these copies of one chain, which the others have to be beginnings of.
  private func longest<State>(
    of copies: [AuditedChain<State>], _ what: String
  ) throws(NodeFailure) -> AuditedChain<State> {
    guard var longest = copies.first else { throw .invalid("no chain of \(what) is given") }
    for copy in copies where copy.hashes.count > longest.hashes.count { longest = copy }
    for copy in copies {
      guard copy.report.chain == longest.report.chain else {
        throw .invalid("two chains are given for \(what), with different geneses")
      }
      let pairs = zip(copy.hashes, longest.hashes).enumerated()
      if let height = pairs.first(where: { $0.element.0 != $0.element.1 })?.offset {
        throw .invariant("two histories of \(what) part at block \(height + 1)")
      }
    }
    return longest
  }

  // MARK: A grid and the backbone

  private func check(
    _ grid: AuditedChain<BarePipeline>, _ id: ChainID, _ backbone: AuditedChain<BackbonePipeline>
  ) throws(NodeFailure) -> NetworkReport.Grid {
    guard let lane = grid.state.lane, lane.backbone == backbone.state.core.chain else {
      throw .invalid("grid \(id) is part of another backbone")
    }
    let name = "\(id)" + (backbone.state.core.grid(id).map { " (\($0.name))" } ?? "")
    let below = grid.lanes.all.first ?? AuditedLane(peer: lane.backbone, isToBackbone: true)
    let above =
      backbone.lanes.lane(with: id)
      ?? AuditedLane(peer: id, isToBackbone: false)
    try compare(sent: below.sent, executed: above.executed, from: "grid \(name)")
    try compare(sent: above.sent, executed: below.executed, from: "the backbone to grid \(name)")
    try checkTieLine(grid, id, below, backbone.rounds)
    let underWay = AuditedLane.underWay(
      fromGrid: below.sent, behind: above.executed.count, fromBackbone: above.sent,
      behind: below.executed.count)
    func backing(_ asset: Asset) throws(NodeFailure) -> NetworkReport.Backing {
      let supply = grid.state.ledger.supply(of: asset)
      let reserve = backbone.state.core.grid(id)?.reserve[asset] ?? 0
      guard Int128(supply) + underWay.up[asset] + underWay.down[asset] == Int128(reserve) else {
        throw .invariant(
          "grid \(name): supply \(supply) of \(asset), \(underWay.up[asset]) under way to the "
            + "backbone and \(underWay.down[asset]) to the grid are not the reserve \(reserve)")
      }
      return NetworkReport.Backing(
        supply: supply, toBackbone: Int64(clamping: underWay.up[asset]),
        toGrid: Int64(clamping: underWay.down[asset]), reserve: reserve)
    }
    return NetworkReport.Grid(
      name: backbone.state.core.grid(id)?.name ?? "", audit: grid.report,
      isFrozen: backbone.state.core.grid(id)?.isFrozen ?? false,
      toBackbone: NetworkReport.Way(
        sent: UInt64(below.sent.count), executed: UInt64(above.executed.count)),
      toGrid: NetworkReport.Way(
        sent: UInt64(above.sent.count), executed: UInt64(below.executed.count)),
      money: try backing(.money), tsl: try backing(.tsl), ect: try backing(.ect))
  }

  private func compare(
    sent: [AuditedPacket], executed: [AuditedPacket], from source: String
  ) throws(NodeFailure) {
    let pairs = zip(sent, executed).enumerated()
    if let place = pairs.first(where: { $0.element.0.leaf != $0.element.1.leaf })?.offset {
      throw .invariant("packet \(place + 1) of \(source) was executed as another than was sent")
    }
    guard executed.count <= sent.count else {
      throw .invariant(
        "packet \(sent.count + 1) of \(source) was executed and is not in the chain that sent it; "
          + "if its copy here is an old one, give the newest")
    }
  }

  /// What the grid has booked on tie lines is what those rounds gave it whose results it executed.
  private func checkTieLine(
    _ grid: AuditedChain<BarePipeline>, _ id: ChainID, _ lane: AuditedLane, _ rounds: [RoundRecord]
  ) throws(NodeFailure) {
    var shares: [Interval: RoundRecord.Grid] = [:]
    for record in rounds {
      for share in record.grids where share.grid == id { shares[record.round] = share }
    }
    var net: Int128 = 0
    var last: Interval?
    for packet in lane.executed {
      guard case .result(let round, let bought, let sold, let money) = packet.effect else {
        continue
      }
      guard last.map({ $0 < round }) ?? true, let share = shares[round], share.bought == bought,
        share.sold == sold, share.money.raw == money
      else {
        throw .invariant("grid \(id) has executed a result that round \(round.index) did not have")
      }
      last = round
      net += Int128(sold) - Int128(bought)
    }
    let booked = Int128(grid.report.tieExport) - Int128(grid.report.tieImport)
    guard booked == net * 1000 else {
      throw .invariant(
        "grid \(id) has booked \(booked) mWh out of tie lines; its rounds gave \(net * 1000)")
    }
  }

  // MARK: All together

  private func report(
    _ backbone: AuditedChain<BackbonePipeline>, _ grids: [NetworkReport.Grid], missing: [ChainID]
  ) throws(NodeFailure) -> NetworkReport {
    let core = backbone.state.core
    var report = NetworkReport(
      backbone: backbone.report, replicas: replicas.count, grids: grids,
      gridsNotGiven: missing.map { "\($0)" }, exchanged: 0, wheeling: 0, rent: 0, fund: 0,
      issued: "\(core.issued)", withdrawn: "\(core.withdrawn)", treasury: core.treasury.raw,
      storageTokens: 0)
    for record in backbone.rounds {
      report.fund += record.fund.raw
      for share in record.grids { report.exchanged += max(share.sold - share.bought, 0) * 1000 }
      for line in record.lines {
        report.wheeling += line.wheeling.raw
        report.rent += line.rent.raw
      }
    }
    guard report.fund == core.fund.raw else {
      throw .invariant("the fund has \(core.fund.raw) µ¤, the rounds gave \(report.fund)")
    }
    var tokens = Int128(core.treasury.raw)
    for record in core.gridRecords { tokens += Int128(record.reserve.tsl) }
    guard tokens == Int128(Limits.storageTokens) else {
      throw .invariant("\(tokens) micro-TSL exist instead of \(Limits.storageTokens)")
    }
    report.storageTokens = Int64(clamping: tokens)
    return report
  }
}
