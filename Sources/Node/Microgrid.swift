import Backbone
import Consensus
import Domain
import Ledger
import Logging
import Storage

/// One node of a microgrid, without its network services: the composition root.
///
/// `open` recovers the chain from storage; `run` keeps it until it is stopped; the other methods
/// are what the services call. A grid that is part of a backbone hosts its replica of that chain,
/// too, and carries packets between the two.
package final class Microgrid: Sendable {
  package let genesis: Genesis
  package let view: ReadView
  package let events: NodeEvents
  package let startedAt: Timestamp
  package let meters: MeterActor
  let book: BookActor
  let ledger: LedgerActor
  let fees: FeeActor
  /// B_max: what one account may hold.
  package let maximumHeld: Energy
  let host: ChainHost<GridPublisher>
  /// Nil for a grid of its own.
  package let backbone: BackboneNode?
  let couriers: [Courier]
  let metrics: NodeMetrics?
  let log: Logger

  /// Opens or creates the chain in `configuration.directory`, verifies it, and executes what the
  /// newest snapshot lacks, and likewise the backbone's chain, if the grid is part of one. Throws
  /// `NodeFailure` with what is wrong and what can be done.
  package static func open(_ configuration: NodeConfiguration) async throws(NodeFailure)
    -> Microgrid
  {
    let (store, recovered) = try await ChainHost<GridPublisher>.recover(
      configuration, as: BarePipeline.self)
    let bells = [Bell(), Bell()]
    var backbone: BackboneNode?
    if let settings = configuration.onBackbone() {
      backbone = try await BackboneNode.open(settings, bells: bells)
    }
    return try Microgrid(
      configuration, store: store, recovered: recovered, backbone: backbone, bells: bells)
  }

  private init(
    _ configuration: NodeConfiguration, store: Store, recovered: RecoveredState<BarePipeline>,
    backbone: BackboneNode?, bells: [Bell]
  ) throws(NodeFailure) {
    genesis = configuration.genesis
    let bare = recovered.pipeline
    maximumHeld = bare.fee.maximumHeld
    let thread = ChainThread.next()
    meters = MeterActor(bare.meter, on: thread)
    book = BookActor(bare.book, on: thread)
    ledger = LedgerActor(bare.ledger, on: thread)
    fees = FeeActor(bare.fee, on: thread)
    let view = try ReadView(store, recovered)
    self.view = view
    events = NodeEvents()
    let clock = ChainClock(calendar: genesis.calendar, wall: configuration.wall)
    startedAt = clock.now
    let meters = self.meters
    let host = try ChainHost(
      configuration, on: thread, store: store, recovered: recovered,
      state: NodePipeline(bare, meter: meters, book: book, ledger: ledger, fee: fees),
      publisher: GridPublisher(
        view: view, events: events, clock: clock, bells: backbone == nil ? [] : bells),
      registry: { view.registry },
      select: { await Self.select($0, view: view, meters: meters, time: clock.now) })
    self.host = host
    self.backbone = backbone
    log = configuration.log
    couriers =
      backbone.map {
        Self.couriers(of: host, view, $0, bells: bells, configuration.log)
          .counted(by: [host.metrics, $0.host.metrics])
      } ?? []
    metrics = configuration.metrics.map {
      NodeMetrics(Instruments(factory: $0), hasBackbone: backbone != nil)
    }
    host.metrics?.recall(view.lastInterval)
  }

  package var chain: ChainID { host.chain }
  package var clock: ChainClock { host.clock }
  package var store: Store { host.store }
  package var nodeKey: PublicKey { host.nodeKey }
  /// An account's balance with its path to a finalised header.
  package func prove(_ account: AccountIndex) async throws(NodeFailure) -> AttestedProof {
    try await host.prove(account)
  }

  /// Entries that wait for a block of the grid's chain.
  package var queueDepth: Int { host.queueDepth }

  /// After `run`: lets go of the databases.
  package func close() throws {
    try store.close()
    try backbone?.host.store.close()
  }

  /// Keeps the chain until `stop()` or the task's cancellation. Throws when the node had to halt;
  /// then nothing was acknowledged that is not durable.
  package func run() async throws(NodeFailure) {
    defer { events.close() }
    guard backbone != nil else { return try await host.run() }
    try await runCoupled()
  }

  /// Asks the chains to stop after the block under way. `run` then returns.
  package func stop() {
    host.stop()
    backbone?.host.stop()
  }

  /// Of the program, for `Status`.
  package static let version = "0.1.0"

  package var uptimeSeconds: Int64 {
    (clock.now.microseconds - startedAt.microseconds) / genesis.calendar.rate / 1_000_000
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

  // MARK: What services call

  /// Submits signed readings; one result each, in order. A refusal by a check that needs no block
  /// (form, chain, signature, meter, interval) has no height; nil is one without the form of signed
  /// bytes at all. Returns when the rest is durable. On a busy node it waits for room for a while,
  /// then throws `busy`.
  package func submit(readings: [SignedBytes?]) async throws(NodeFailure) -> [EntryResult] {
    let admission = try await host.admit(readings: readings)
    var batch = SubmissionBatch(count: readings.count)
    var parsed: [(index: Int, reading: Reading, signed: SignedBytes)] = []
    for (index, signed) in readings.enumerated() {
      guard let signed else { continue }
      switch host.verifier.parse(reading: signed) {
      case .success(let reading): parsed.append((index, reading, signed))
      case .failure(let reason): batch.refuse(index, reason)
      }
    }
    let refusals = await meters.admit(parsed.map(\.reading), time: clock.now)
    for (position, item) in parsed.enumerated() {
      batch.consider(
        item.index, .reading(item.reading), item.signed, refusal: refusals[position])
    }
    return try await host.complete(&batch, admission)
  }

  /// Submits signed commands; as `submit(readings:)`. What the ledger, book or fees reject has its
  /// receipt in a block.
  package func submit(commands: [SignedBytes?]) async throws(NodeFailure) -> [EntryResult] {
    let view = self.view
    return try await host.submit(commands: commands) { view.refusal(of: $0) }
  }
}
