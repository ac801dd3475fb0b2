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
/// every root, every invariant of every core at every close, and the energy balance of every
/// interval, summed here apart from the ledger.
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
    var replay = Replay(pipeline: pipeline, chain: chain, height: 0)
    var report = AuditReport(chain: chain)
    let end = tip?.height ?? 0
    var previous: Attestation?
    var height: UInt64 = 0
    while height < end {
      let from = height + 1
      let blocks = try Recovery.storing { try store.blocks(from: from, through: end, limit: 64) }
      for stored in blocks {
        let (block, execution) = try await replay.execute(stored)
        try check(block, attested: previous)
        try await checkSignatures(block)
        try report.add(block, execution)
        previous = execution.attestation
        height = block.header.height
        try checkEnergy(report, replay.pipeline)
      }
      progress(height, end)
    }
    var last = replay.pipeline
    report.stateRoot =
      previous.map { "\($0.stateRoot)" }
      ?? "\(StateRoot.compose(accounts: last.ledger.root(), checkpoint: last.checkpoint))"
    return report
  }

  /// The header attests what the block before it came to, and is final under its certificate.
  private func check(_ block: DecidedBlock, attested: Attestation?) throws(NodeFailure) {
    let header = block.header
    if let attested, header.attested.height == attested.height, header.attested != attested {
      throw .invariant("block \(header.height) attests other roots than execution gives")
    }
    do throws(Rejection) {
      let certificate = try Certificate(decoding: block.finalization)
      guard
        certificate.verify(validators: genesis.validators, chain: genesis.chainID),
        certificate.finalizes(hash: block.hash, view: header.view)
      else { throw .badSignature }
    } catch {
      throw .invariant("block \(header.height) is not final: its certificate does not verify")
    }
  }

  private func checkSignatures(_ block: DecidedBlock) async throws(NodeFailure) {
    let signed = await Verifier.areSigned(block.entries.map { ($0.content, $0.signed) })
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
