import Consensus
import Domain
import Node
import Storage
import TestSupport

/// What happens at an instant. A `life` that is over makes it void.
enum Event {
  case arrival(PeerMessage, from: Int, to: Int, life: Int)
  case input(ReplicaInput, node: Int, life: Int)
  case call(Int, node: Int, life: Int)
  case step(Int, life: Int)
  case commit(Int, life: Int)
  case wake(Int, life: Int)
  case start(Int)
  case clients
  case retry(call: Int)
  case fault
  case network
  case mischief(Int)
  case reconfiguration
  case heal
}

/// A seeded, single-threaded run of whole nodes: the replicas of the node over bare cores, with a
/// virtual clock and simulated disks, links, clients and faults.
package final class Simulation {
  package internal(set) var settings: RunSettings
  let community: Community
  var nodes: [SimulatedNode] = []
  var random: SplitMix64
  var events = EventHeap<Event>()
  /// Virtual time, µs since the chain's origin.
  var time: Int64 = 0
  var isHealed = false
  var network: Network
  var notary: Notary
  var oracle: Oracle
  var trace = Trace()
  var clients: Clients
  /// In place of `clients` when the run is about load.
  var load: Load?
  var pace = Pace()
  var reconfiguration = Reconfiguration()
  var byzantine: [Int: ByzantineMemory] = [:]
  package internal(set) var counts = RunCounts()
  /// Steps that end in a crash after their commit, on purpose; asked with the node.
  var plannedCrash: ((Int, Step) -> Bool)?
  /// Told of every batch that a node has committed, nil for a lost disk.
  package var mirror: ((Int, CommitBatch?) -> Void)?

  package init(_ settings: RunSettings) {
    self.settings = settings
    random = SplitMix64(seed: settings.seed)
    community = Community(
      validators: settings.validators, followers: settings.followers,
      population: Population(meters: settings.load?.meters ?? 0),
      rate: settings.load?.clockRate ?? Community.usualRate)
    notary = Notary(chain: community.chain)
    load = settings.load.map { [community] in Load(community, $0) }
    oracle = Oracle(community, settings)
    clients = Clients(community)
    let honest = settings.validators - settings.byzantine
    for (place, key) in community.nodes.enumerated() {
      let isHonest = place < honest || place >= settings.validators
      let isAdded = place >= settings.validators && settings.changesValidators
      for _ in 0..<(isHonest ? 1 : 2) {
        nodes.append(
          SimulatedNode(
            index: nodes.count, key: key, isHonest: isHonest, hasJoined: !isAdded,
            disk: SimulatedDisk(chain: community.chain), validators: settings.validators))
      }
    }
    network = Network(nodes: nodes.count)
    trace.names = nodes.map { node in
      let place = community.nodes.firstIndex { $0.publicKey == node.id } ?? 0
      let isTwin = node.index > 0 && nodes[node.index - 1].id == node.id
      return node.isHonest ? "N\(place)" : "B\(place)\(isTwin ? "b" : "a")"
    }
    for node in nodes {
      node.offset = random.int(-60_000...60_000)
      if !node.isHonest { byzantine[node.index] = ByzantineMemory() }
    }
  }

  // MARK: what others see of a run

  /// Prints every event as it happens.
  package func printsTrace() { trace.isPrinted = true }
  /// What is wrong; nil while nothing is.
  package var violation: String? { oracle.violation }
  /// A running hash over everything that happened.
  package var hash: UInt64 { trace.hash }
  /// The newest events in words.
  package var lastEvents: String { trace.text }
  /// What nodes have kept, by their numbers.
  package func disk(of node: Int) -> some ChainStorage { nodes[node].disk }
  package var chain: ChainID { community.chain }

  // MARK: running

  /// The faults, then the time in which everything has to come right.
  package func run() async {
    for node in nodes where node.hasJoined {
      if settings.startsLate && random.chance(40) {
        events.push(.start(node.index), at: random.int(1_000...4_000_000))
      } else {
        await start(node)
      }
    }
    if settings.hasClients { events.push(.clients, at: 50_000) }
    if settings.hasPartitions { events.push(.network, at: 300_000) }
    if settings.hasNodeFaults || settings.hasClockFaults { events.push(.fault, at: 400_000) }
    if settings.changesValidators {
      events.push(.reconfiguration, at: random.int(500_000...settings.faultSeconds * 600_000))
    }
    for node in nodes where !node.isHonest { events.push(.mischief(node.index), at: 100_000) }
    let healing = settings.faultSeconds * 1_000_000
    events.push(.heal, at: healing)
    await advance(through: healing)
    await settle(by: healing + settings.healSeconds * 1_000_000)
    oracle.finish(nodes.filter { $0.isHonest && $0.hasJoined })
    counts.close(self)
  }

  /// Rule 12 of the oracle: all honest nodes grow, and every call that waits is answered.
  private func settle(by end: Int64) async {
    let honest = nodes.filter { $0.isHonest && $0.hasJoined }
    let target = (honest.map { $0.floor.height }.max() ?? 0) + 5
    while oracle.violation == nil {
      if honest.allSatisfy({ $0.floor.height >= target }) && !clients.isWaiting { break }
      guard time < end else {
        let heights = honest.map { "\(trace.names[$0.index]) \($0.floor.height)" }
        let views = honest.map { $0.replica.map { "\($0.core.view)" } ?? "down" }
        oracle.fail(
          "no progress after the faults: heights \(heights.joined(separator: ", ")), views "
            + "\(views.joined(separator: ", ")), wanted \(target); calls that wait: "
            + "\(clients.waitingText)")
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
      if counts.events > settings.eventLimit {
        oracle.fail("more than \(settings.eventLimit) events")
      }
      if let fault = notary.fault { oracle.fail(fault) }
    }
    if oracle.violation == nil { time = max(time, end) }
  }

  private func handle(_ event: Event) async {
    switch event {
    case .arrival(let message, let from, let to, let life):
      if nodes[to].life == life { receive(message, from: nodes[from], at: nodes[to]) }
    case .input(let input, let node, let life):
      if nodes[node].life == life { post(input, to: nodes[node]) }
    case .call(let call, let node, let life):
      if nodes[node].life == life { receive(call: call, at: nodes[node]) }
    case .step(let node, let life):
      if nodes[node].life == life { await step(nodes[node]) }
    case .commit(let node, let life):
      if nodes[node].life == life { finishStep(nodes[node]) }
    case .wake(let node, let life):
      guard nodes[node].life == life, nodes[node].wake ?? .max <= time else { return }
      nodes[node].wake = nil
      post(.tick, to: nodes[node])
    case .start(let node): await start(nodes[node])
    case .clients: if load == nil { callByClients() } else { offerLoad() }
    case .retry(let call): if load == nil { retry(call) } else { send(call: call) }
    case .fault: injectFault()
    case .network: changeNetwork()
    case .mischief(let node): makeMischief(nodes[node])
    case .reconfiguration: reconfigure()
    case .heal: heal()
    }
  }

  func note(
    _ node: SimulatedNode, _ what: StaticString, view: UInt64 = 0, height: UInt64 = 0,
    other: Int? = nil, hash: Digest? = nil
  ) {
    trace.add(
      TraceLine(
        time: time, node: node.index, what: what, view: view, height: height, other: other,
        hash: hash))
  }
}
