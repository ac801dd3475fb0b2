import Backbone
import Consensus
import Domain
import Node
import Storage
import TestSupport

/// What happens at an instant. A `life` that is over makes it void.
enum CoupledEvent {
  case arrival(PeerMessage, from: Int, to: Int, life: Int)
  case input(ReplicaInput, Place, life: Int)
  case step(Place, life: Int)
  case commit(Place, life: Int)
  case wake(Place, life: Int)
  case start(site: Int)
  /// The courier of a node looks: 0 to the backbone, 1 from it.
  case carry(site: Int, direction: Int)
  case members(grid: Int)
  case roles
  case fault
  case network
  case mischief
  case forgery
  case heal
}

/// A seeded, single-threaded run of four grids, each a chain of one validator, and the backbone
/// that their nodes keep: the replicas of the node over bare states, with a virtual clock and
/// simulated disks, links, couriers, members and faults.
package final class CoupledSimulation {
  package let settings: CoupledSettings
  let federation: Federation
  var sites: [Site] = []
  /// The grids' replicas, in the grids' order; a Byzantine grid's second history comes last.
  var grids: [ChainNode<GridState>] = []
  /// The backbone's, in the order of the validators; a Byzantine validator's second comes last.
  var backbones: [ChainNode<BackboneState>] = []
  var random: SplitMix64
  var events = EventHeap<CoupledEvent>()
  /// Virtual time, µs since the chains' origin.
  var time: Int64 = 0
  var isHealed = false
  var network: Network
  var notary: Notary
  var oracle: Settlement
  var trace = Trace()
  var orders: StandingOrders
  var memory: [Int: ByzantineMemory] = [:]
  var archive = DeliveryArchive()
  /// Nodes whose replica of the backbone has begun with a state.
  var joined: Set<Int> = []
  var forger: Forger?
  package internal(set) var counts = CoupledCounts()

  package init(_ settings: CoupledSettings) {
    self.settings = settings
    random = SplitMix64(seed: settings.seed)
    federation = Federation(roundSeconds: settings.roundSeconds)
    notary = Notary(chain: federation.backboneID)
    oracle = Settlement(federation, settings)
    orders = StandingOrders(federation)
    network = Network(nodes: 5)
    for site in 0..<Federation.grids {
      sites.append(Site(offset: random.int(-60_000...60_000)))
      addGrid(site)
      addBackbone(site)
    }
    if let grid = settings.byzantineGrid {
      if settings.hasTwinGrid { addGrid(grid) }
      forger = Forger(federation, grid: grid)
    }
    if let site = settings.byzantineValidator { addBackbone(site) }
    trace.names =
      grids.map { "G\($0.process)" }
      + ["G\(settings.byzantineGrid ?? 0)b"]
      .prefix(5 - grids.count) + backbones.map { "\($0.isHonest ? "N" : "B")\($0.process)" }
    for node in backbones where !node.isHonest { memory[node.number] = ByzantineMemory() }
  }

  private func addGrid(_ site: Int) {
    let node = ChainNode<GridState>(
      place: .grid(grids.count), number: grids.count, process: site,
      key: federation.nodes[site], genesis: federation.genesis[site],
      isHonest: settings.byzantineGrid != site)
    sites[site].grids.append(grids.count)
    grids.append(node)
  }

  private func addBackbone(_ site: Int) {
    let node = ChainNode<BackboneState>(
      place: .backbone(backbones.count), number: 5 + backbones.count, process: site,
      key: federation.nodes[site], genesis: federation.backbone,
      isHonest: settings.byzantineValidator != site)
    sites[site].backbones.append(backbones.count)
    backbones.append(node)
  }

  // MARK: what others see of a run

  package func printsTrace() { trace.isPrinted = true }
  /// What is wrong; nil while nothing is.
  package var violation: String? { oracle.violation }
  /// A running hash over everything that happened.
  package var hash: UInt64 { trace.hash }
  package var lastEvents: String { trace.text }

  // MARK: running

  /// The faults, then the time in which everything has to come right.
  package func run() async {
    await PlantedLaneBug.$current.withValue(settings.planted) { await runAll() }
  }

  private func runAll() async {
    for site in sites.indices {
      await start(site: site)
      for direction in 0...1 {
        events.push(.carry(site: site, direction: direction), at: random.int(10_000...80_000))
      }
      events.push(.members(grid: site), at: random.int(200_000...600_000))
    }
    events.push(.roles, at: 1_000)
    if settings.hasPartitions || settings.hasCuts { events.push(.network, at: 300_000) }
    if settings.hasNodeFaults { events.push(.fault, at: 400_000) }
    if settings.byzantineValidator != nil { events.push(.mischief, at: 100_000) }
    if settings.byzantineGrid != nil { events.push(.forgery, at: 1_000_000) }
    let healing = settings.faultSeconds * 1_000_000
    events.push(.heal, at: healing)
    await advance(through: healing)
    await settle(by: healing + settings.healSeconds * 1_000_000)
    oracle.finish(grids: grids)
    counts.close(self)
  }

  /// After the faults every honest grid closes intervals, has a part in a round again, and every
  /// transfer ends.
  private func settle(by end: Int64) async {
    oracle.beginHealing()
    while oracle.violation == nil {
      let missing = oracle.missing(orders)
      if trace.isPrinted { print("still to come: \(missing.joined(separator: "; "))") }
      if missing.isEmpty { break }
      guard time < end else {
        let views = backbones.map { $0.replica.map { "\($0.core.view)" } ?? "down" }
        oracle.fail(
          "not well after the faults: \(missing.prefix(6).joined(separator: "; ")); views "
            + views.joined(separator: ", ") + "; " + oracle.lanesText)
        return
      }
      await advance(through: time + 200_000)
    }
    counts.healing = time - settings.faultSeconds * 1_000_000
  }

  /// Handles the events up to `end`.
  func advance(through end: Int64) async {
    while oracle.violation == nil, let next = events.next, next <= end,
      let (time, event) = events.pop()
    {
      self.time = max(self.time, time)
      await handle(event)
      counts.events += 1
      if counts.events > 3_000_000 { oracle.fail("more than three million events") }
      if let fault = notary.fault { oracle.fail(fault) }
    }
    if oracle.violation == nil { time = max(time, end) }
  }

  private func handle(_ event: CoupledEvent) async {
    switch event {
    case .arrival(let message, let from, let to, let life):
      if backbones[to].life == life {
        receive(message, from: backbones[from], at: backbones[to])
      }
    case .input(let input, .grid(let place), let life):
      if grids[place].life == life { post(input, to: grids[place]) }
    case .input(let input, .backbone(let place), let life):
      if backbones[place].life == life { post(input, to: backbones[place]) }
    case .step(.grid(let place), let life):
      if grids[place].life == life { await step(grids[place]) }
    case .step(.backbone(let place), let life):
      if backbones[place].life == life { await step(backbones[place]) }
    case .commit(.grid(let place), let life):
      if grids[place].life == life { finishStep(grids[place]) }
    case .commit(.backbone(let place), let life):
      if backbones[place].life == life { finishStep(backbones[place]) }
    case .wake(.grid(let place), let life):
      if grids[place].life == life { wake(grids[place]) }
    case .wake(.backbone(let place), let life):
      if backbones[place].life == life { wake(backbones[place]) }
    case .start(let site): await start(site: site)
    case .carry(let site, let direction): carry(site, direction)
    case .members(let grid): callByMembers(of: grid)
    case .roles: callByRoles()
    case .fault: injectFault()
    case .network: changeNetwork()
    case .mischief: makeMischief()
    case .forgery: forge()
    case .heal: heal()
    }
  }

  func note(
    _ number: Int, _ what: StaticString, view: UInt64 = 0, height: UInt64 = 0,
    other: Int? = nil, hash: Digest? = nil
  ) {
    trace.add(
      TraceLine(
        time: time, node: number, what: what, view: view, height: height, other: other,
        hash: hash))
  }
}
