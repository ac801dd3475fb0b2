import Consensus
import Domain
import Storage

/// What an audit found, all of it from the chain alone.
package struct AuditReport: Sendable, Encodable {
  package var chain: String
  package var blocks: UInt64
  package var intervals: Int
  package var readings: Int
  package var commands: Int
  package var rejected: Int
  package var trades: Int
  package var signatures: Int
  /// Sums over all intervals, mWh.
  package var generation: Int64
  package var consumption: Int64
  package var utilityImport: Int64
  package var utilityExport: Int64
  package var unserved: Int64
  package var curtailed: Int64
  /// WATT held at the end, mWh.
  package var held: Int64
  package var stateRoot: String
}

/// Replays a chain from its genesis over bare cores: hash chain, every signature and certificate,
/// every root, every invariant of every core at every close, the energy balance of every interval,
/// summed here apart from the ledger; and that the stored receipts, totals and trades, which
/// clients are served, are those of the replay. The store's own links and numbers are checked too.
package struct Audit: Sendable {
  private let store: Store
  private let genesis: Genesis

  package init(store: Store, genesis: Genesis) {
    self.store = store
    self.genesis = genesis
  }

  /// Throws `NodeFailure` with the first thing that is wrong. `progress` gets the height now and
  /// then.
  package func run(progress: @Sendable (UInt64, UInt64) -> Void) async throws(NodeFailure)
    -> AuditReport
  {
    let chain = genesis.chainID
    let tip = try Recovery.storing { try store.verifyChain() }
    let pipeline: BarePipeline
    do { pipeline = try await BarePipeline(genesis: genesis) } catch {
      throw .invalid("the genesis gives no state (\(error))")
    }
    var genesisState = pipeline
    var replay = Replay(pipeline: pipeline, chain: chain, height: 0)
    var report = AuditReport(chain: chain)
    let end = tip?.height ?? 0
    let empty = Digest.sha256([])
    var newest = Attestation(
      height: 0,
      stateRoot: StateRoot.compose(
        accounts: genesisState.ledger.root(), checkpoint: genesisState.checkpoint),
      receiptsRoot: empty, outboxRoot: empty)
    var links = AuditedLinks(genesis: newest, chain: chain)
    var height: UInt64 = 0
    while height < end {
      let from = height + 1
      let blocks = try Recovery.storing { try store.blocks(from: from, through: end, limit: 64) }
      for stored in blocks {
        let registry = replay.pipeline.registry
        let (block, execution) = try await replay.execute(stored)
        try links.check(block, execution, registry: registry)
        try await checkSignatures(block)
        try checkRecords(execution, tradesBefore: Int64(report.trades))
        try report.add(block, execution)
        newest = execution.attestation
        height = block.header.height
        try checkEnergy(report, replay.pipeline)
      }
      progress(height, end)
    }
    try links.checkEnd()
    do { try store.checkInvariants() } catch { throw .invariant(error.description) }
    report.stateRoot = "\(newest.stateRoot)"
    return report
  }

  /// What clients are served is what execution gave: receipts, interval totals and trades.
  private func checkRecords(_ execution: Execution, tradesBefore: Int64) throws(NodeFailure) {
    let height = execution.attestation.height
    let receipts = try Recovery.storing { try store.receipts(at: height) }
    if let receipts, receipts != execution.receipts {
      throw .invariant("the stored receipts of block \(height) are not those of its execution")
    }
    for record in execution.records {
      let kept = try Recovery.storing {
        try store.intervals(from: record.interval, through: record.interval, limit: 1)
      }
      guard kept.first == record else {
        throw .invariant("the stored totals of interval \(record.interval.index) are wrong")
      }
    }
    var checked = 0
    while checked < execution.trades.count {
      let after = tradesBefore + Int64(checked)
      let limit = min(Limits.historyPage, execution.trades.count - checked)
      let kept = try Recovery.storing { try store.trades(after: after, limit: limit) }
      let expected = execution.trades[checked..<checked + limit]
      guard kept.map(\.priced) == Array(expected) else {
        throw .invariant("the stored trades after \(after) are not those of block \(height)")
      }
      checked += limit
    }
  }

  private func checkSignatures(_ block: DecidedBlock) async throws(NodeFailure) {
    let signed = await Verifier(chain: block.header.chain)
      .areSigned(block.entries.map { ($0.content, $0.signed) })
    if let index = signed.firstIndex(of: false) {
      throw .invariant("entry \(index) of block \(block.header.height) is not signed by its author")
    }
  }

  /// Over all intervals together: what came in less what went out is what is held.
  private func checkEnergy(_ report: AuditReport, _ pipeline: BarePipeline) throws(NodeFailure) {
    let balance =
      report.generation + report.utilityImport + report.unserved - report.consumption
      - report.utilityExport - report.curtailed
    guard balance == pipeline.ledger.totals().held.raw else {
      throw .invariant("energy held is not what the intervals sum up to: \(balance) mWh")
    }
  }
}

extension AuditReport {
  fileprivate init(chain: ChainID) {
    self.init(
      chain: "\(chain)", blocks: 0, intervals: 0, readings: 0, commands: 0, rejected: 0, trades: 0,
      signatures: 0, generation: 0, consumption: 0, utilityImport: 0, utilityExport: 0,
      unserved: 0, curtailed: 0, held: 0, stateRoot: "")
  }

  fileprivate mutating func add(_ block: DecidedBlock, _ execution: Execution)
    throws(NodeFailure)
  {
    blocks += 1
    readings += execution.readings
    commands += block.entries.count - execution.readings
    rejected += execution.receipts.count { $0.rejection != nil }
    trades += execution.trades.count
    signatures += block.entries.count
    for close in execution.closes {
      let sheet = close.sheet
      guard sheet.isBalanced else {
        throw .invariant("interval \(close.meter.interval.index) does not balance")
      }
      intervals += 1
      generation += sheet.generation.raw
      consumption += sheet.consumption.raw
      utilityImport += sheet.utilityImport.raw
      utilityExport += sheet.utilityExport.raw
      unserved += sheet.unserved.raw
      curtailed += sheet.curtailed.raw
      held = close.held.raw
    }
  }
}
