import Domain
import Ledger
import Node
import ProcessSupport
import Storage
import Wire

/// A grid's chain without a network and without signatures: the pipeline over bare cores, and a
/// store or none.
struct Chain {
  private var workload: Workload
  private var pipeline: BarePipeline
  private let verifier: Verifier
  private let store: Store?
  private var height: UInt64 = 0
  private var parent: Digest
  private var attested: Attestation

  init(_ picks: Picks, folder: String? = nil) async throws {
    workload = Workload(picks)
    let chain = workload.chain
    verifier = Verifier(chain: chain)
    pipeline = try await BarePipeline(genesis: workload.genesis)
    let roots = pipeline.roots()
    attested = Attestation(
      height: 0, stateRoot: roots.state, receiptsRoot: Digest.sha256([]), outboxRoot: roots.outbox)
    // As a node's own.
    var options = StoreOptions()
    options.reservesLog = true
    store = try folder.map {
      try Store(path: $0 + "/chain.sqlite", chain: chain, options: options)
    }
    parent = chain
  }

  /// Executes blocks until `seconds` have passed in it.
  mutating func run(_ stage: Figure.Stage, block: Int, seconds: Double) async throws -> Sample {
    var watch = Stopwatch(.process)
    while watch.sample.wall < seconds {
      let (header, body) = nextBlock(block)
      let execution: Execution
      if stage == .execute {
        let decided = try parse(header, body)
        execution = try await watch.measure(block) { try await pipeline.execute(decided) }
      } else {
        execution = try await watch.measure(block) {
          let decided = try parse(header, body)
          let execution = try await pipeline.execute(decided)
          try store?.commit(CommitBatch(executed: [ExecutedBlock(decided, execution)]))
          return execution
        }
      }
      try demand(
        execution.receipts.count == block && execution.receipts.allSatisfy { $0.rejection == nil },
        "the chain refused a transfer")
      attested = execution.attestation
      parent = header.hash
    }
    return watch.sample
  }

  private mutating func nextBlock(_ count: Int) -> (BlockHeader, [UInt8]) {
    var writer = CanonicalWriter(capacity: count * 256)
    for (_, command) in workload.commands(count) {
      let signed = SignedBytes(payload: WireCommand.payload(of: command), signature: .zero)
      BlockBody.append(VerifiedEntry(verified: .command(command), signed: signed), to: &writer)
    }
    height += 1
    let header = BlockHeader(
      chain: workload.chain, epoch: 1, height: height, view: height, parentView: height - 1,
      parent: parent, time: Workload.time(of: height), body: Digest.sha256(writer.bytes),
      attested: attested)
    return (header, writer.bytes)
  }

  /// What a validator does with a proposal's bytes, but for the signatures.
  private func parse(_ header: BlockHeader, _ body: [UInt8]) throws -> DecidedBlock {
    try demand(Digest.sha256(body) == header.body, "the body is another block's")
    let entries = try BlockBody.split(body).map { try verifier.parse(kind: $0, $1) }
    return DecidedBlock(
      header: header, hash: header.hash, body: body, entries: entries, finality: nil)
  }

  /// Checks the books; those of a store as they come back from the disk, all of it executed again.
  func check() async throws {
    guard let store else { return try Self.check(pipeline, workload) }
    let path = store.path
    try store.close()
    let reopened = try Store(path: path, chain: workload.chain)
    let recovered: RecoveredState<BarePipeline> = try await Recovery.recover(
      reopened, genesis: workload.genesis)
    try demand(
      recovered.tip.height == height && recovered.pipeline.totals.entries == workload.count,
      "\(recovered.pipeline.totals.entries) of \(workload.count) transfers are on the disk")
    try Self.check(recovered.pipeline, workload)
    try reopened.close()
  }

  private static func check(_ pipeline: BarePipeline, _ workload: Workload) throws {
    try pipeline.ledger.checkInvariants()
    try workload.check(supply: pipeline.ledger.supply(of: .money)) { id in
      pipeline.ledger.index(of: id).map { pipeline.ledger.account($0).money.raw }
    }
  }
}
