import Backbone
import Consensus
import Domain
import Storage

/// What an audit found, all of it from the chain alone.
package struct AuditReport: Sendable, Encodable {
  package var chain: String
  package var blocks: UInt64 = 0
  package var epoch: UInt64 = 1
  package var intervals: Int = 0
  package var readings: Int = 0
  package var commands: Int = 0
  /// Of packets of other chains, with their proofs.
  package var deliveries: Int = 0
  package var rejected: Int = 0
  package var trades: Int = 0
  package var signatures: Int = 0
  /// To other chains, and executed of theirs.
  package var packetsSent: UInt64 = 0
  package var packetsExecuted: UInt64 = 0
  /// Coupling rounds that were closed; on the backbone.
  package var rounds: Int = 0
  /// Sums over all intervals, mWh.
  package var generation: Int64 = 0
  package var consumption: Int64 = 0
  package var utilityImport: Int64 = 0
  package var utilityExport: Int64 = 0
  package var unserved: Int64 = 0
  package var curtailed: Int64 = 0
  /// Between this grid and others, in coupling rounds.
  package var tieImport: Int64 = 0
  package var tieExport: Int64 = 0
  /// WATT held at the end, mWh.
  package var held: Int64 = 0
  package var stateRoot: String = ""
}

/// A chain that was replayed, and what is needed to hold it against others.
package struct AuditedChain<State: AuditedState>: Sendable {
  package var report: AuditReport
  /// At the end.
  package var state: State
  package var lanes: AuditedLanes
  /// Coupling rounds in the order in which they were closed.
  package var rounds: [RoundRecord] = []
  /// Of the blocks, by height less one.
  package var hashes: [Digest] = []
}

/// Replays a chain from its genesis over bare cores: hash chain, every signature and certificate,
/// every root, every invariant of every core at every close, the energy balance of every interval,
/// summed here apart from the ledger, and the sums of every lane, from its packets alone; and that
/// the stored receipts, totals, trades, packets and rounds, which clients and other chains are
/// served, are those of the replay. The store's own links and numbers are checked too.
package struct Audit<State: AuditedState>: Sendable {
  private let store: Store
  private let genesis: State.Genesis
  private let chain: ChainID

  private init(_ store: Store, _ genesis: State.Genesis) {
    self.store = store
    self.genesis = genesis
    chain = genesis.chainID
  }

  /// Throws `NodeFailure` with the first thing that is wrong. `progress` gets the height now and
  /// then.
  package func run(progress: @Sendable (UInt64, UInt64) -> Void) async throws(NodeFailure)
    -> AuditReport
  {
    try await replay(progress: progress).report
  }

  /// As `run`, for an audit across chains.
  package func replay(progress: @Sendable (UInt64, UInt64) -> Void) async throws(NodeFailure)
    -> AuditedChain<State>
  {
    let tip = try Recovery.storing { try store.verifyChain() }
    var genesisState: State
    do { genesisState = try await State(genesis: genesis) } catch {
      throw .invalid("the genesis gives no state (\(error))")
    }
    var newest = genesisState.genesisAttestation()
    var audited = AuditedChain(
      report: AuditReport(chain: "\(chain)"), state: genesisState,
      lanes: AuditedLanes(chain: chain, isBackbone: State.self == BackbonePipeline.self))
    var replay = Replay(pipeline: genesisState, chain: chain, height: 0)
    var links = AuditedLinks(genesis: newest, chain: chain)
    let end = tip?.height ?? 0
    var height: UInt64 = 0
    while height < end {
      let from = height + 1
      let blocks = try Recovery.storing { try store.blocks(from: from, through: end, limit: 64) }
      for stored in blocks {
        let registry = replay.pipeline.registry
        let (block, execution) = try await replay.execute(stored)
        try links.check(block, execution, registry: registry)
        try await checkSignatures(block)
        try checkRecords(execution, tradesBefore: Int64(audited.report.trades))
        try audited.take(block, execution, replay.pipeline)
        newest = execution.attestation
        height = block.header.height
      }
      progress(height, end)
    }
    try links.checkEnd()
    try checkEnd(audited, height: height)
    audited.state = replay.pipeline
    audited.report.stateRoot = "\(newest.stateRoot)"
    return audited
  }

  /// What clients and other chains are served is what execution gave: receipts, interval totals,
  /// trades, packets and rounds.
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
    let packets = try Recovery.storing { try store.packets(above: height - 1, through: height) }
    guard packets.map(\.packet) == execution.packets else {
      throw .invariant("the stored packets of block \(height) are not those that it sent")
    }
    for record in execution.rounds {
      let kept = try Recovery.storing { try store.rounds(from: record.round, limit: 1) }
      guard kept.first == record else {
        throw .invariant("the stored coupling round \(record.round.index) is wrong")
      }
    }
    try checkTrades(execution, after: tradesBefore)
  }

  private func checkTrades(_ execution: Execution, after before: Int64) throws(NodeFailure) {
    var checked = 0
    while checked < execution.trades.count {
      let after = before + Int64(checked)
      let limit = min(Limits.historyPage, execution.trades.count - checked)
      let kept = try Recovery.storing { try store.trades(after: after, limit: limit) }
      let expected = execution.trades[checked..<checked + limit]
      guard kept.map(\.priced) == Array(expected) else {
        throw .invariant(
          "the stored trades after \(after) are not those of block \(execution.attestation.height)")
      }
      checked += limit
    }
  }

  private func checkSignatures(_ block: DecidedBlock) async throws(NodeFailure) {
    let signed = await Verifier(chain: chain, kinds: State.kinds)
      .areSigned(block.entries.map { ($0.content, $0.signed) })
    if let index = signed.firstIndex(of: false) {
      throw .invariant("entry \(index) of block \(block.header.height) is not signed by its author")
    }
  }

  /// Nothing is stored beside what was executed, and the store's own links hold.
  private func checkEnd(_ audited: AuditedChain<State>, height: UInt64) throws(NodeFailure) {
    let beyond = try Recovery.storing {
      try store.packets(above: height, through: UInt64(Int64.max))
    }
    guard beyond.isEmpty else {
      throw .invariant("a packet is stored of block \(beyond[0].height), which does not exist")
    }
    let rounds = try Recovery.storing {
      try store.rounds(from: Interval(.min), limit: audited.rounds.count + 1)
    }
    guard rounds.count == audited.rounds.count else {
      throw .invariant("other coupling rounds are stored than were closed")
    }
    do { try store.checkInvariants() } catch { throw .invariant(error.description) }
  }
}

extension Audit where State == BarePipeline {
  package init(store: Store, genesis: Genesis) { self.init(store, genesis) }
}

extension Audit where State == BackbonePipeline {
  package init(store: Store, genesis: BackboneGenesis) { self.init(store, genesis) }
}

extension AuditedChain {
  /// Takes the next block with what it came to; `state` is that after it.
  fileprivate mutating func take(
    _ block: DecidedBlock, _ execution: Execution, _ state: State
  ) throws(NodeFailure) {
    try report.add(block, execution)
    try lanes.take(block, execution, state.laneFigures)
    for record in execution.rounds {
      try AuditedRound(record: record).check(lines: state.lines, packets: execution.packets)
    }
    rounds += execution.rounds
    hashes.append(block.hash)
    if !block.entries.isEmpty || !execution.rounds.isEmpty {
      do { try state.checkInvariants() } catch {
        throw .invariant("after block \(block.header.height): \(error.description)")
      }
    }
    report.epoch = state.registry.epoch
    report.held = state.heldEnergy.raw
    report.packetsExecuted = lanes.all.reduce(0) { $0 + UInt64($1.executed.count) }
    try report.checkEnergy(storedSoFar: state.storedSoFar)
  }
}

extension AuditReport {
  fileprivate mutating func add(_ block: DecidedBlock, _ execution: Execution)
    throws(NodeFailure)
  {
    let brought = block.entries.count { $0.content.kind == .delivery }
    blocks += 1
    readings += execution.readings
    deliveries += brought
    commands += block.entries.count - execution.readings - brought
    rejected += execution.receipts.count { $0.rejection != nil }
    trades += execution.trades.count
    signatures += block.entries.count - brought
    packetsSent += UInt64(execution.packets.count)
    rounds += execution.rounds.count
    for close in execution.closes {
      let sheet = close.sheet
      guard sheet.isBalanced else {
        throw .invariant("interval \(close.interval.index) does not balance")
      }
      intervals += 1
      generation += sheet.generation.raw
      consumption += sheet.consumption.raw
      utilityImport += sheet.utilityImport.raw
      utilityExport += sheet.utilityExport.raw
      unserved += sheet.unserved.raw
      curtailed += sheet.curtailed.raw
      tieImport += sheet.tieImport.raw
      tieExport += sheet.tieExport.raw
    }
  }

  /// Over all intervals together: what came in less what went out is what is held. Of an interval
  /// that is not final, what its close has stored so far.
  fileprivate func checkEnergy(storedSoFar: Energy) throws(NodeFailure) {
    let balance =
      generation + utilityImport + tieImport + unserved - consumption - utilityExport - tieExport
      - curtailed + storedSoFar.raw
    guard balance == held else {
      throw .invariant("energy held is not what the intervals sum up to: \(balance) mWh")
    }
  }
}
