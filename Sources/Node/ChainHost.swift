import Consensus
import Domain
import Logging
import Storage
import Synchronization

/// One chain on this node, without its rules: its store and consensus actor with all that these
/// need, and its links to the other nodes that keep it. A node hosts its microgrid's chain, and,
/// if the grid is part of one, the backbone's.
package final class ChainHost<Publisher: ChainPublisher>: Sendable {
  package let chain: ChainID
  package let clock: ChainClock
  package let store: Store
  /// This node's public key.
  package let nodeKey: PublicKey
  package let publisher: Publisher
  package let verifier: Verifier
  package let network: PeerNetwork?
  /// The chain's packets for others.
  let packets: PacketSource
  /// Nil when nobody wants to know.
  let metrics: ChainMetrics?
  private let log: Logger
  private let consensus: ConsensusActor<Publisher>
  private let thread: ChainThread
  private let inbox: Inbox
  private let monotonic = PeerConfiguration.monotonic()
  private let refusals = Mutex(RefusalNotice())
  private let alarm: Alarm
  private let reader: StoreReader
  private let onPeerPort: @Sendable (Int) -> Void

  /// `state` over whatever owns its cores, actors on `thread` if they are any; `registry` gives the
  /// validators as of the newest block, `select` what of another node's entries this node has a use
  /// for. Throws `invalid` with what is wrong with the peers file.
  init<Genesis: ChainGenesis, Bare: RestorableState>(
    _ configuration: ChainConfiguration<Genesis>, on thread: ChainThread, store: Store,
    recovered: RecoveredState<Bare>, state: Publisher.State, publisher: Publisher,
    registry: @escaping @Sendable () -> ValidatorRegistry,
    select: @escaping @Sendable ([VerifiedEntry]) async -> [VerifiedEntry]
  ) throws(NodeFailure) {
    let genesis = configuration.genesis
    chain = genesis.chainID
    let clock = ChainClock(calendar: genesis.calendar, wall: configuration.wall)
    self.clock = clock
    self.store = store
    self.thread = thread
    self.publisher = publisher
    nodeKey = configuration.validatorKey.publicKey
    onPeerPort = configuration.onPeerPort
    let verifier = Verifier(
      chain: chain, kinds: Bare.kinds, signatures: configuration.signatures)
    self.verifier = verifier
    let inbox = Inbox(size: InboxSize(validators: registry().validators.count))
    self.inbox = inbox
    reader = StoreReader(store, for: .clients)
    VerifierThreads.start()
    NodeThreads.start()
    alarm = Alarm(clock: clock, inbox: inbox)
    log = configuration.log
    metrics = configuration.metrics.map { ChainMetrics(of: genesis, $0) }
    let floor = recovered.consensus.floor.view
    let packets = PacketSource(chain: chain, store: store, registry: registry)
    self.packets = packets
    network = try configuration.peers.map { peers throws(NodeFailure) in
      try PeerNetwork(
        peers, chain: genesis.chainID,
        validators: {
          let registry = registry()
          return EpochValidators(epoch: registry.epoch, keys: registry.validators)
        }, verifier: verifier,
        sieve: VoteSieve(epoch: registry().epoch, floor: floor, view: floor + 1),
        receive: { delivery in
          await inbox.deliver(
            ReplicaInput(delivery), from: delivery.from, bytes: delivery.weight)
        }, select: select,
        services: [
          SnapshotService(onPeerPort: store), LaneService(packets) { try $0.peerKey() },
        ])
    }
    consensus = ConsensusActor(
      replica: Replica(
        core: ConsensusCore(
          configuration: ConsensusConfiguration(
            genesis, registry: state.registry, own: configuration.validatorKey),
          recovered: recovered.consensus),
        pipeline: state,
        retention: Retention(
          snapshotHeight: recovered.snapshotHeight, keepBlocks: configuration.keepBlocks),
        verifier: verifier),
      on: thread, inbox: inbox, writer: StoreWriter(store), clock: clock, publisher: publisher,
      alarm: alarm, network: network, history: HistoryServer(store, network: network),
      metrics: metrics, log: configuration.log)
  }

  /// Opens or creates the chain's store, verifies it, and executes what the newest snapshot lacks;
  /// an empty one asks the peers for a state first. Throws `NodeFailure` with what is wrong and
  /// what can be done.
  static func recover<State: RestorableState>(
    _ configuration: ChainConfiguration<State.Genesis>, as state: State.Type
  ) async throws(NodeFailure) -> (store: Store, recovered: RecoveredState<State>) {
    let store = try Recovery.openStore(configuration)
    try await SnapshotJoin<State>.join(store, configuration)
    let recovered: RecoveredState<State> = try await Recovery.recover(
      store, genesis: configuration.genesis)
    let validators = recovered.pipeline.registry.validators
    if let fault = configuration.fault(validators: validators) { throw .invalid(fault) }
    return (store, recovered)
  }

  /// Keeps the chain until `stop()` or the task's cancellation. Throws when the node had to halt;
  /// then nothing was acknowledged that is not durable.
  package func run() async throws(NodeFailure) {
    let alarm = self.alarm
    let inbox = self.inbox
    let consensus = self.consensus
    let network = self.network
    let onPeerPort = self.onPeerPort
    let thread = self.thread
    let result = await withTaskGroup(of: Result<Void, NodeFailure>?.self) { group in
      group.addTask(executorPreference: thread) {
        await alarm.run()
        return nil
      }
      if let network {
        group.addTask {
          do { try await network.run(onListening: onPeerPort) } catch {
            return .failure((error as? NodeFailure) ?? .invalid("\(error)"))
          }
          return nil
        }
      }
      group.addTask(executorPreference: thread) {
        do throws(NodeFailure) {
          try await consensus.run()
          return .success(())
        } catch { return .failure(error) }
      }
      // The first end is the chain's; what else ends does so because of it.
      var outcome: Result<Void, NodeFailure>?
      await withTaskCancellationHandler {
        for await result in group {
          guard let result, outcome == nil else { continue }
          outcome = result
          inbox.stop()
          group.cancelAll()
        }
      } onCancel: {
        inbox.stop()
      }
      return outcome ?? .success(())
    }
    try result.get()
  }

  /// Asks the chain to stop after the block under way. `run` then returns.
  package func stop() { inbox.stop() }

  /// Reads from storage, off the threads that run the chain; its failures become the node's.
  package func read<T: Sendable>(_ body: @escaping @Sendable (Store) throws -> T)
    async
    throws(NodeFailure) -> T
  {
    try await reader.read(body)
  }

  /// Entries that wait for a block.
  package var queueDepth: Int { inbox.depth }

  /// As many as it holds at most at present.
  var queueCapacity: Int { inbox.capacity }

  /// Readings that wait for room among them.
  var waitingReadings: Int { inbox.waiting }

  /// Submits signed commands; one result each, in order. `refusal` says why the chain would not
  /// even reject a command in a block. A refusal by a check that needs no block has no height; nil
  /// is one without the form of signed bytes at all. Returns when the rest is durable.
  func submit(commands: [SignedBytes?], refusal: (Command) -> Rejection?)
    async throws(NodeFailure) -> [EntryResult]
  {
    let admission = try admit(Reservation(of: commands, for: .commands))
    var batch = SubmissionBatch(count: commands.count)
    let now = clock.now
    for (index, signed) in commands.enumerated() {
      guard let signed else { continue }
      switch verifier.parse(command: signed, time: now) {
      case .success(let command):
        batch.consider(index, .command(command), signed, refusal: refusal(command))
      case .failure(let reason): batch.refuse(index, reason)
      }
    }
    return try await complete(&batch, admission)
  }

  /// Submits what proves itself, a delivery of packets or a report, and gives what became of it in
  /// its block.
  func submit(
    proof kind: EntryKind, _ signed: SignedBytes
  ) async throws(NodeFailure) -> EntryResult {
    let admission = try admit(Reservation(of: [signed], for: .proofs))
    var batch = SubmissionBatch(count: 1)
    do throws(Rejection) {
      let entry = try verifier.parse(kind: kind, signed)
      batch.consider(0, entry.content, signed, refusal: nil)
    } catch { batch.refuse(0, error) }
    return try await complete(&batch, admission)[0]
  }

  /// A call that has its places in the inbox.
  struct Admission {
    fileprivate let places: Reservation
    fileprivate let watch: CallWatch
  }

  /// Takes places in the inbox, before the call costs more than that: a node that is too busy for
  /// it throws `busy`.
  func admit(_ places: Reservation) throws(NodeFailure) -> Admission {
    let watch = CallWatch(metrics)
    try take(places, inbox.reserve(places, at: monotonic()), watch)
    return Admission(places: places, watch: watch)
  }

  /// The same for readings, which wait a while when there is no room.
  func admit(readings: [SignedBytes?]) async throws(NodeFailure) -> Admission {
    let watch = CallWatch(metrics)
    let places = Reservation(of: readings, for: .readings)
    let posting = await inbox.reserve(
      places, at: monotonic(), within: .milliseconds(Limits.patienceMilliseconds))
    try take(places, posting, watch)
    return Admission(places: places, watch: watch)
  }

  /// Checks signatures, waits for the block, fills in the results, and gives the places back.
  ///
  /// A refusal for what the meters know already may come from a block that is being committed: it
  /// is told only when that block is durable, which an empty submission waits for.
  func complete(
    _ batch: inout SubmissionBatch, _ admission: Admission
  ) async throws(NodeFailure) -> [EntryResult] {
    let results = try await settle(&batch, admission)
    admission.watch.answered(results)
    return results
  }

  private func settle(
    _ batch: inout SubmissionBatch, _ admission: Admission
  ) async throws(NodeFailure) -> [EntryResult] {
    guard !batch.toVerify.isEmpty else {
      inbox.release(admission.places, isChecked: false, at: monotonic())
      return batch.results
    }
    let places = inbox.keep(batch.toVerify.count, of: admission.places, at: monotonic())
    defer { inbox.release(places, isChecked: true, at: monotonic()) }
    inbox.countUnderCheck(batch.toVerify.count)
    let check = CallWatch(metrics)
    let valid = await verifier.areSigned(batch.toVerify)
    check.verified()
    inbox.countUnderCheck(-batch.toVerify.count)
    let entries = batch.admit(signed: valid)
    guard !entries.isEmpty || batch.restsOnState else { return batch.results }
    let committed = try await commit(entries)
    log.debug("entries are final", metadata: Self.told(committed), source: "Requests")
    batch.fill(committed)
    return batch.results
  }

  /// For the log: how many there are, and the blocks that have the first and the last of them.
  private static func told(_ results: [EntryResult]) -> Logger.Metadata {
    let heights = results.compactMap(\.position?.height)
    return [
      "entries": "\(results.count)", "from": "\(heights.min() ?? 0)",
      "through": "\(heights.max() ?? 0)",
    ]
  }

  private func take(
    _ places: Reservation, _ posting: Inbox.Posting, _ watch: CallWatch
  ) throws(NodeFailure) {
    switch posting {
    case .accepted: watch.admitted()
    case .full:
      watch.refused()
      noteRefusal()
      throw .busy(
        "the node has \(inbox.depth) entries waiting; try again in a moment",
        again: inbox.appointment(for: places, at: monotonic()))
    case .stopped: throw .stopped("the node is stopping")
    }
  }

  private func noteRefusal() {
    guard let told = refusals.withLock({ $0.note(at: monotonic()) }) else { return }
    log.warning(
      "clients are refused: the inbox is full",
      metadata: [
        "calls": "\(told.calls)", "seconds": "\(told.seconds)", "holds": "\(inbox.capacity)",
      ], source: "Requests")
  }

  private func commit(_ entries: [VerifiedEntry]) async throws(NodeFailure) -> [EntryResult] {
    let inbox = self.inbox
    let result: SubmissionAnswer.Outcome = await withCheckedContinuation { continuation in
      let submission = Submission(entries: entries, answer: SubmissionAnswer(continuation))
      if !inbox.post(submission) {
        submission.answer.resume(.failure(.stopped("the node is stopping")))
      }
    }
    return try result.get()
  }

  /// What `body` reads from a core's actor, told once every block that it can have seen is durable.
  func settled<T: Sendable>(_ body: () async -> T) async throws(NodeFailure) -> T {
    let value = await body()
    let nothing = Reservation(entries: 0, bytes: 0, for: .commands)
    try take(nothing, inbox.reserve(nothing, at: monotonic()), CallWatch(metrics))
    defer { inbox.release(nothing, isChecked: false, at: monotonic()) }
    _ = try await commit([])
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
