import Consensus
import Domain
import Fees
import Ledger
import Logging
import Market
import Metering
import Storage

/// One node of a microgrid, without its network services: the composition root.
///
/// `open` recovers the chain from storage; `run` keeps it until it is stopped; the other methods
/// are what the services call.
package final class Microgrid: Sendable {
  package let genesis: Genesis
  package let chain: ChainID
  package let clock: ChainClock
  package let store: Store
  package let view: ReadView
  package let events: NodeEvents
  package let startedAt: Timestamp
  /// This node's public key.
  package let nodeKey: PublicKey

  package let meters: MeterActor
  let book: BookActor
  let ledger: LedgerActor
  let fees: FeeActor
  private let consensus: ConsensusActor
  private let inbox: Inbox
  private let alarm: Alarm
  private let verifier: Verifier
  private let reader: StoreReader
  let network: PeerNetwork?
  private let onPeerPort: @Sendable (Int) -> Void
  private let log: Logger

  /// Opens or creates the chain in `configuration.directory`, verifies it, and executes what the
  /// newest snapshot lacks. Throws `NodeFailure` with what is wrong and what can be done.
  package static func open(_ configuration: NodeConfiguration) async throws(NodeFailure)
    -> Microgrid
  {
    let store = try Recovery.openStore(configuration)
    try await join(store, configuration)
    let recovered = try await Recovery.recover(store, genesis: configuration.genesis)
    let validators = recovered.pipeline.registry.validators
    if let fault = configuration.fault(validators: validators) { throw .invalid(fault) }
    return try Microgrid(configuration, store: store, recovered: recovered)
  }

  private init(
    _ configuration: NodeConfiguration, store: Store, recovered: RecoveredState
  ) throws(NodeFailure) {
    genesis = configuration.genesis
    chain = genesis.chainID
    clock = ChainClock(calendar: genesis.calendar, wall: configuration.wall)
    startedAt = clock.now
    nodeKey = configuration.validatorKey.publicKey
    self.store = store
    log = configuration.log
    verifier = Verifier(chain: chain, signatures: configuration.signatures)
    reader = StoreReader(store)
    inbox = Inbox()
    alarm = Alarm(clock: clock, inbox: inbox)
    events = NodeEvents()
    view = recovered.view
    let bare = recovered.pipeline
    maximumHeld = bare.fee.maximumHeld
    meters = MeterActor(bare.meter)
    book = BookActor(bare.book)
    ledger = LedgerActor(bare.ledger)
    fees = FeeActor(bare.fee)
    let registry = bare.registry
    network = try Self.network(
      configuration, view: view, meters: meters, clock: clock, verifier: verifier, inbox: inbox,
      floor: recovered.consensus.floor, store: store)
    onPeerPort = configuration.onPeerPort
    consensus = ConsensusActor(
      replica: NodeReplica(
        core: ConsensusCore(
          configuration: ConsensusConfiguration(
            genesis, registry: registry, own: configuration.validatorKey),
          recovered: recovered.consensus),
        pipeline: NodePipeline(
          calendar: genesis.calendar, meter: meters, book: book, ledger: ledger, fee: fees,
          registry: registry, nextClose: bare.nextClose, checkpoint: bare.checkpoint,
          sinceClose: bare.sinceClose, totals: bare.totals),
        retention: Retention(
          snapshotHeight: recovered.snapshotHeight, keepBlocks: configuration.keepBlocks),
        verifier: verifier),
      inbox: inbox, writer: StoreWriter(store), clock: clock, view: view, events: events,
      alarm: alarm, network: network, history: HistoryServer(store, network: network),
      log: log)
  }

  /// Keeps the chain until `stop()` or the task's cancellation. Throws when the node had to halt;
  /// then nothing was acknowledged that is not durable.
  package func run() async throws(NodeFailure) {
    let alarm = self.alarm
    let inbox = self.inbox
    let consensus = self.consensus
    let network = self.network
    let onPeerPort = self.onPeerPort
    let result = await withTaskGroup(of: Result<Void, NodeFailure>?.self) { group in
      group.addTask {
        await alarm.run()
        return nil
      }
      if let network {
        group.addTask(priority: .high) {
          do { try await network.run(onListening: onPeerPort) } catch {
            return .failure((error as? NodeFailure) ?? .invalid("\(error)"))
          }
          return nil
        }
      }
      group.addTask(priority: .high) {
        do throws(NodeFailure) {
          try await consensus.run()
          return .success(())
        } catch { return .failure(error) }
      }
      var outcome: Result<Void, NodeFailure> = .success(())
      await withTaskCancellationHandler {
        for await result in group {
          guard let result else { continue }
          outcome = result
          group.cancelAll()
        }
      } onCancel: {
        inbox.stop()
      }
      return outcome
    }
    events.close()
    try result.get()
  }

  /// Asks the chain to stop after the block under way. `run` then returns.
  package func stop() { inbox.stop() }

  /// B_max: what one account may hold.
  package let maximumHeld: Energy

  /// Of the program, for `Status`.
  package static let version = "0.1.0"

  package var uptimeSeconds: Int64 {
    (clock.now.microseconds - startedAt.microseconds) / genesis.calendar.rate / 1_000_000
  }

  /// Reads from storage, off the threads that run the chain; its failures become the node's.
  func read<T: Sendable>(_ body: @escaping @Sendable (Store) throws -> T)
    async
    throws(NodeFailure) -> T
  {
    try await reader.read(body)
  }

  /// The account that a request names.
  func account(_ bytes: some Collection<UInt8>) throws(NodeFailure) -> (
    account: Account, index: AccountIndex, height: UInt64
  ) {
    let id = try PublicKey(request: bytes, "account")
    guard let found = view.account(id) else {
      throw .notFound("no account \(id.text(as: .account)) on this chain")
    }
    return found
  }

  /// Entries that wait for a block.
  package var queueDepth: Int { inbox.depth }

  // MARK: What services call

  /// Submits signed readings; one result each, in order. A refusal by a check that needs no block
  /// (form, chain, signature, meter, interval) has no height; nil is one without the form of signed
  /// bytes at all. Returns when the rest is durable.
  package func submit(readings: [SignedBytes?]) async throws(NodeFailure) -> [EntryResult] {
    var batch = SubmissionBatch(count: readings.count)
    var parsed: [(index: Int, reading: Reading, signed: SignedBytes)] = []
    for (index, signed) in readings.enumerated() {
      guard let signed else { continue }
      switch verifier.parse(reading: signed) {
      case .success(let reading): parsed.append((index, reading, signed))
      case .failure(let reason): batch.refuse(index, reason)
      }
    }
    let refusals = await meters.admit(parsed.map(\.reading), time: clock.now)
    for (position, item) in parsed.enumerated() {
      batch.consider(
        item.index, .reading(item.reading), item.signed, refusal: refusals[position])
    }
    return try await complete(&batch)
  }

  /// Submits signed commands; as `submit(readings:)`. What the ledger, book or fees reject has its
  /// receipt in a block.
  package func submit(commands: [SignedBytes?]) async throws(NodeFailure) -> [EntryResult] {
    var batch = SubmissionBatch(count: commands.count)
    let now = clock.now
    for (index, signed) in commands.enumerated() {
      guard let signed else { continue }
      switch verifier.parse(command: signed, time: now) {
      case .success(let command):
        batch.consider(index, .command(command), signed, refusal: view.refusal(of: command))
      case .failure(let reason): batch.refuse(index, reason)
      }
    }
    return try await complete(&batch)
  }

  /// Checks signatures, waits for the block, and fills in the results.
  ///
  /// A refusal for what the meters know already may come from a block that is being committed: it
  /// is told only when that block is durable, which an empty submission waits for.
  private func complete(_ batch: inout SubmissionBatch) async throws(NodeFailure) -> [EntryResult] {
    guard !batch.toVerify.isEmpty else { return batch.results }
    let reservation = batch.reservation
    try reserve(reservation)
    let valid = await verifier.areSigned(batch.toVerify)
    let entries = batch.admit(signed: valid)
    guard !entries.isEmpty || batch.restsOnState else {
      inbox.release(reservation)
      return batch.results
    }
    batch.fill(try await commit(entries, reservation))
    return batch.results
  }

  private func reserve(_ reservation: Reservation) throws(NodeFailure) {
    switch inbox.reserve(reservation) {
    case .accepted: return
    case .full: throw .busy("the node has \(inbox.depth) entries waiting; try again in a moment")
    case .stopped: throw .stopped("the node is stopping")
    }
  }

  private func commit(_ entries: [VerifiedEntry], _ reservation: Reservation)
    async
    throws(NodeFailure) -> [EntryResult]
  {
    let inbox = self.inbox
    let result: SubmissionAnswer.Outcome = await withCheckedContinuation { continuation in
      let submission = Submission(entries: entries, answer: SubmissionAnswer(continuation))
      if !inbox.post(submission) {
        submission.answer.resume(.failure(.stopped("the node is stopping")))
      }
    }
    inbox.release(reservation)
    return try result.get()
  }

  /// What `body` reads from a core's actor, told once every block that it can have seen is durable.
  func settled<T: Sendable>(_ body: () async -> T) async throws(NodeFailure) -> T {
    let value = await body()
    let nothing = Reservation(entries: 0, bytes: 0, isForCommands: true)
    try reserve(nothing)
    _ = try await commit([], nothing)
    return value
  }

  /// An account's balance with its path to a finalised header.
  package func prove(_ account: AccountIndex) async throws(NodeFailure) -> AttestedProof {
    let inbox = self.inbox
    let result: Result<AttestedProof, NodeFailure> = await withCheckedContinuation { continuation in
      switch inbox.post(ProofRequest(account: account, continuation: continuation)) {
      case .accepted: break
      case .full: continuation.resume(returning: .failure(.busy("too many proofs are waiting")))
      case .stopped: continuation.resume(returning: .failure(.stopped("the node is stopping")))
      }
    }
    return try result.get()
  }
}
