import Consensus
import Domain
import Storage

/// A chain as it stands after recovery.
package struct RecoveredState<State: RestorableState>: Sendable {
  package var pipeline: State
  package var tip: Tip
  package var consensus: RecoveredConsensus
  package var snapshotHeight: UInt64
}

/// From storage to running state: the newest snapshot, then the blocks after it, each executed and
/// compared with what was stored. Every start verifies the whole hash chain.
package enum Recovery {
  static func openStore<Genesis: ChainGenesis>(_ configuration: ChainConfiguration<Genesis>)
    throws(NodeFailure) -> Store
  {
    let genesis = configuration.genesis
    if let fault = genesis.faults.first {
      throw .invalid("the genesis is not valid: \(fault)")
    }
    var options = StoreOptions()
    options.reservesLog = true
    return try storing {
      try Store(path: configuration.databasePath, chain: genesis.chainID, options: options)
    }
  }

  /// Throws `storage` when what is stored does not fit together, `invalid` when the genesis makes
  /// no state, `invariant` when stored blocks come to other roots than before.
  package static func recover<State: RestorableState>(
    _ store: some ChainStorage, genesis: State.Genesis
  ) async throws(NodeFailure) -> RecoveredState<State> {
    let chain = genesis.chainID
    let snapshot = try storing { try store.latestSnapshot(notAbove: .max) }
    let start = snapshot?.height ?? 0
    let tip = try storing { try store.verifyChain(bodiesFrom: start + 1) }
    var pipeline: State
    do throws(Rejection) {
      if let snapshot, snapshot.height > 0 {
        pipeline = try State(genesis: genesis, chunks: snapshot.chunks)
      } else {
        pipeline = try await State(genesis: genesis)
      }
    } catch {
      throw (snapshot?.height ?? 0) > 0
        ? .storage("the state cannot be restored from the snapshot (\(error))")
        : .invalid("the genesis gives no state to start from (\(error))")
    }
    var replay = Replay(pipeline: pipeline, chain: chain, height: start)
    try await replay.run(store, through: tip?.height ?? 0)
    pipeline = replay.pipeline
    var attestation = replay.last
    if attestation == nil {
      attestation = try storedAttestation(tip, pipeline: &pipeline)
    }
    guard let attestation else { throw .storage("the chain's tip has no attestation") }
    let counts = try storing { try store.counts() }
    guard counts.totals == pipeline.totals else {
      throw .storage("the store's running numbers are not those of the chain's state")
    }
    return RecoveredState(
      pipeline: pipeline,
      tip: Tip(
        height: tip?.height ?? 0, hash: tip?.hash ?? chain,
        time: tip?.time ?? Timestamp(seconds: genesis.calendar.origin),
        stateRoot: attestation.stateRoot),
      consensus: try consensus(
        store, tip: tip, genesis: genesis, attestation: attestation,
        epoch: pipeline.registry.epoch),
      snapshotHeight: start)
  }

  /// Runs `body`; a failure of storage becomes the node's, and one of the node's stays as it is.
  static func storing<T>(_ body: () throws -> T) throws(NodeFailure) -> T {
    do { return try body() } catch {
      if let failure = error as? NodeFailure { throw failure }
      throw .storage("\(error)")
    }
  }

  /// The attestation of the tip when nothing had to be executed: the snapshot is at the tip, or
  /// the chain has no block yet.
  private static func storedAttestation(
    _ tip: StoredHeader?, pipeline: inout some RestorableState
  ) throws(NodeFailure) -> Attestation {
    let start = pipeline.genesisAttestation()
    guard let tip else { return start }
    guard start.stateRoot == tip.roots.state, start.outboxRoot == tip.roots.outbox else {
      throw .storage(
        "the snapshot at height \(tip.height) does not have the roots of its block")
    }
    return Attestation(height: tip.height, tip.roots)
  }

  private static func consensus(
    _ store: some ChainStorage, tip: StoredHeader?, genesis: some ChainGenesis,
    attestation: Attestation, epoch: UInt64
  ) throws(NodeFailure) -> RecoveredConsensus {
    let journal = try storing { try store.journal() }
    do {
      var records: [JournalRecord] = []
      for record in journal where record.epoch == epoch {
        records.append(try JournalRecord(decoding: record.bytes))
      }
      var recovered: RecoveredConsensus
      if let tip {
        var reader = CanonicalReader(tip.bytes)
        recovered = RecoveredConsensus(
          header: try BlockHeader(from: &reader), hash: tip.hash, attestation: attestation,
          journal: records, finalization: try certificate(of: tip))
      } else {
        recovered = RecoveredConsensus(
          genesis: genesis, attestation: attestation, journal: records)
      }
      recovered.earlier = try earlierRoots(store, below: attestation.height)
      return recovered
    } catch {
      throw .storage("the consensus journal cannot be read (\(error))")
    }
  }

  /// The tip's own certificate; nil when a block that came to nothing carries it.
  private static func certificate(of tip: StoredHeader) throws -> Certificate? {
    guard !tip.finalization.isEmpty else { return nil }
    let proof = try FinalityProof(decoding: tip.finalization)
    return proof.blocks.isEmpty ? proof.certificate : nil
  }

  /// What the newest blocks before the tip came to: headers of others may attest these.
  private static func earlierRoots(_ store: some ChainStorage, below height: UInt64) throws
    -> [Attestation]
  {
    let count = UInt64(ConsensusLimits.attestations)
    let first = height > count ? height - count : 1
    guard first < height else { return [] }
    // A store that began with a snapshot does not know all roots below it.
    return try store.headers(from: first, limit: Int(height - first))
      .filter { $0.roots != .unknown }
      .map { Attestation(height: $0.height, $0.roots) }
  }
}

extension Attestation {
  init(height: UInt64, _ roots: BlockRoots) {
    self.init(
      height: height, stateRoot: roots.state, receiptsRoot: roots.receipts,
      outboxRoot: roots.outbox)
  }
}

/// Executes stored blocks again over bare cores, and compares every root.
struct Replay<State: RestorableState>: Sendable {
  private(set) var pipeline: State
  /// The attestation of the newest block executed here; nil before the first.
  private(set) var last: Attestation?
  private let verifier: Verifier
  private var height: UInt64

  init(pipeline: State, chain: ChainID, height: UInt64) {
    self.pipeline = pipeline
    self.height = height
    verifier = Verifier(chain: chain, kinds: State.kinds)
  }

  /// Executes the blocks above `height` up to `end`.
  mutating func run(_ store: some ChainStorage, through end: UInt64) async throws(NodeFailure) {
    while height < end {
      guard !Task.isCancelled else { throw .stopped("stopped while it executed blocks again") }
      let from = height + 1
      let blocks = try Recovery.storing {
        try store.blocks(from: from, through: end, limit: 64, bytes: Limits.messageBytes)
      }
      guard !blocks.isEmpty else { throw .storage("block \(from) is missing") }
      for block in blocks { _ = try await execute(block) }
    }
  }

  /// Executes one stored block, the next in height, and gives what came of it.
  mutating func execute(_ stored: StoredBlock) async throws(NodeFailure)
    -> (block: DecidedBlock, execution: Execution)
  {
    guard stored.height == height + 1 else {
      throw .storage("block \(height + 1) is missing; \(stored.height) is next")
    }
    let block = try parse(stored)
    let execution: Execution
    do { execution = try await pipeline.execute(block) } catch {
      throw .invariant("at block \(stored.height): \(error)")
    }
    guard BlockRoots(execution.attestation) == stored.head.roots else {
      throw .invariant("block \(stored.height), executed again, has other roots than stored")
    }
    height = stored.height
    last = execution.attestation
    return (block, execution)
  }

  private func parse(_ stored: StoredBlock) throws(NodeFailure) -> DecidedBlock {
    guard let body = stored.body else {
      throw .notFound("the body of block \(stored.height) was pruned")
    }
    do throws(Rejection) {
      var reader = CanonicalReader(stored.header)
      let header = try BlockHeader(from: &reader)
      var entries: [VerifiedEntry] = []
      for (kind, signed) in try BlockBody.split(body) {
        entries.append(try verifier.parse(kind: kind, signed))
      }
      return DecidedBlock(
        header: header, hash: stored.hash, body: body, entries: entries,
        finality: stored.finalization.isEmpty
          ? nil : try FinalityProof(decoding: stored.finalization))
    } catch {
      throw .storage("block \(stored.height) cannot be read (\(error))")
    }
  }
}
