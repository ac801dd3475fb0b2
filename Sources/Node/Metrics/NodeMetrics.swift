import Backbone
import Consensus
import CoreMetrics
import Domain
import Storage

/// What is looked up when somebody asks for the metrics: figures that the node keeps anyway.
final class NodeMetrics: Sendable {
  private let grid: StandingMetrics
  /// Nil for a grid of its own.
  private let backbone: StandingMetrics?
  private let accounts: Gauge
  private let meters: Gauge
  private let orders: Gauge
  private let lag: Gauge
  private let grids: Gauge?
  private let frozen: Gauge?
  private let build: Gauge
  private let uptime: Gauge
  private let memory: Gauge
  private let memoryLimit: Gauge
  private let processor: FollowingCounter
  private let files: Gauge
  private let fileLimit: Gauge

  init(_ instruments: Instruments, hasBackbone: Bool) {
    grid = StandingMetrics(instruments, chain: "grid", hasLane: hasBackbone)
    backbone =
      hasBackbone ? StandingMetrics(instruments, chain: "backbone", hasLane: true) : nil
    accounts = instruments.gauge(MetricTable.Trading.accounts)
    meters = instruments.gauge(MetricTable.Trading.meters)
    orders = instruments.gauge(MetricTable.Trading.orders)
    lag = instruments.gauge(MetricTable.Trading.lag, "grid")
    grids = hasBackbone ? instruments.gauge(MetricTable.Crossing.grids) : nil
    frozen = hasBackbone ? instruments.gauge(MetricTable.Crossing.frozen) : nil
    build = instruments.gauge(MetricTable.Machine.build, Microgrid.version)
    uptime = instruments.gauge(MetricTable.Machine.uptime)
    memory = instruments.gauge(MetricTable.Machine.memory)
    memoryLimit = instruments.gauge(MetricTable.Machine.memoryLimit)
    processor = FollowingCounter(instruments.counter(MetricTable.Machine.processor))
    files = instruments.gauge(MetricTable.Machine.files)
    fileLimit = instruments.gauge(MetricTable.Machine.fileLimit)
  }

  func refresh(_ node: Microgrid) {
    let health = node.health
    let view = node.view
    grid.refresh(node.host, health.grid, view.tip, view.registry, view.standing)
    accounts.record(view.accountCount)
    meters.record(view.meters)
    orders.record(view.orders)
    lag.record(health.grid.overdue)
    if let backbone = node.backbone, let standing = health.backbone {
      refresh(backbone, standing, of: node)
    }
    build.record(1)
    uptime.record(node.uptimeSeconds)
    let process = ProcessFigures()
    processor.follow(UInt64(process.processor))
    if let bytes = process.residentBytes { memory.record(bytes) }
    if let limit = ProcessFigures.memoryLimit { memoryLimit.record(limit) }
    if let open = process.openFiles { files.record(open) }
    if let limit = process.fileLimit { fileLimit.record(limit) }
  }

  private func refresh(_ backbone: BackboneNode, _ health: ChainHealth, of node: Microgrid) {
    let view = backbone.view
    let core = view.core
    self.backbone?.refresh(backbone.host, health, view.tip, view.registry, view.standing)
    let records = core.gridRecords
    grids?.record(records.count)
    frozen?.record(records.count(where: \.isFrozen))
    guard let lane = node.view.lane else { return }
    let own = core.grid(node.chain)
    grid.follow(sent: lane.sent, executed: lane.received, arrived: own?.received)
    self.backbone?.follow(
      sent: records.reduce(0) { $0 &+ $1.sent }, executed: records.reduce(0) { $0 &+ $1.received },
      sentHere: own?.sent ?? 0, arrived: lane.received)
  }
}

/// Where one chain stands.
private final class StandingMetrics: Sendable {
  private let height: Gauge
  private let view: Gauge
  private let epoch: Gauge
  private let validators: Gauge
  private let reachable: Gauge
  private let quorum: Gauge
  private let evidence: FollowingCounter
  private let ready: Gauge
  private let halted: Gauge
  private let inbox: Gauge
  private let capacity: Gauge
  private let line: Gauge
  private let database: Gauge
  private let log: Gauge
  private let links: LinkMetrics
  private let sent: FollowingCounter?
  private let executed: FollowingCounter?
  private let arrived: FollowingCounter?
  private let waiting: Gauge?

  init(_ instruments: Instruments, chain: String, hasLane: Bool) {
    height = instruments.gauge(MetricTable.Agreement.height, chain)
    view = instruments.gauge(MetricTable.Agreement.view, chain)
    epoch = instruments.gauge(MetricTable.Agreement.epoch, chain)
    validators = instruments.gauge(MetricTable.Agreement.validators, chain)
    reachable = instruments.gauge(MetricTable.Agreement.reachable, chain)
    quorum = instruments.gauge(MetricTable.Agreement.quorum, chain)
    evidence = FollowingCounter(instruments.counter(MetricTable.Agreement.evidence, chain))
    ready = instruments.gauge(MetricTable.Agreement.ready, chain)
    halted = instruments.gauge(MetricTable.Agreement.halted, chain)
    inbox = instruments.gauge(MetricTable.Queues.inbox, chain)
    capacity = instruments.gauge(MetricTable.Queues.capacity, chain)
    line = instruments.gauge(MetricTable.Queues.line, chain)
    database = instruments.gauge(MetricTable.Machine.database, chain, "database")
    log = instruments.gauge(MetricTable.Machine.database, chain, "log")
    links = LinkMetrics(instruments, chain: chain)
    sent = hasLane ? FollowingCounter(instruments.counter(MetricTable.Crossing.sent, chain)) : nil
    executed =
      hasLane ? FollowingCounter(instruments.counter(MetricTable.Crossing.executed, chain)) : nil
    arrived =
      hasLane ? FollowingCounter(instruments.counter(MetricTable.Crossing.arrived, chain)) : nil
    waiting = hasLane ? instruments.gauge(MetricTable.Crossing.waiting, chain) : nil
  }

  func refresh(
    _ host: ChainHost<some ChainPublisher>, _ health: ChainHealth, _ tip: Tip,
    _ registry: ValidatorRegistry, _ standing: ConsensusStanding
  ) {
    height.record(tip.height)
    view.record(standing.view)
    epoch.record(registry.epoch)
    validators.record(health.validators)
    reachable.record(health.reachable)
    quorum.record(health.quorum)
    evidence.follow(UInt64(clamping: host.store.evidenceCount))
    ready.record(health.faults.isEmpty ? 1 : 0)
    halted.record(health.failure == nil ? 0 : 1)
    inbox.record(host.queueDepth)
    capacity.record(host.queueCapacity)
    line.record(host.waitingReadings)
    database.record(ProcessFigures.size(of: host.store.path))
    log.record(ProcessFigures.size(of: host.store.path + "-wal"))
    links.follow(validators: registry.validators) { host.network?.status ?? [] }
  }

  /// `sentHere`: of what was sent what is for the other end, all unless told; `arrived`: what of it
  /// has been executed there; nil while this node does not know, since its backbone has not got to
  /// where the grid was entered.
  func follow(sent: UInt64, executed: UInt64, sentHere: UInt64? = nil, arrived: UInt64?) {
    self.sent?.follow(sent)
    self.executed?.follow(executed)
    guard let arrived else { return }
    self.arrived?.follow(arrived)
    let own = sentHere ?? sent
    waiting?.record(own > arrived ? own - arrived : 0)
  }
}

extension [Courier] {
  /// `metrics`: of the chains that they carry from.
  func counted(by metrics: [ChainMetrics?]) -> [Courier] {
    zip(self, metrics).map { courier, metrics in
      var courier = courier
      courier.retried = { metrics?.retries.increment() }
      return courier
    }
  }
}

extension Microgrid {
  /// Brings up to date what is not counted as it happens; before the metrics are written.
  package func refreshMetrics() { metrics?.refresh(self) }
}
