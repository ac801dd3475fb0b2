import Consensus
import Domain

/// One core with its durable parts. A Byzantine validator is two of these with one key.
struct ClusterNode {
  let validator: UInt16
  let isHonest: Bool
  /// Its clock minus the virtual one, µs.
  let skew: Int64
  var core: ConsensusCore?
  /// Lives so far: what was scheduled for an earlier one is void.
  var life = 0
  var nextWake: Int64?
  var isWorkPending = false

  // Durable.
  var journal: [JournalRecord] = []
  var chain: [FinalizedBlock] = []
  var roots: [Attestation] = [attestation(0)]
}

/// A seeded, single-threaded network of consensus cores.
final class Cluster {
  let settings: ClusterSettings
  var nodes: [ClusterNode] = []
  var oracle: ClusterOracle
  var random: SplitMix64
  var events = EventHeap()
  var time: Int64 = 0
  var isHealed = false
  /// Validators that cannot reach the others, one way.
  var muted: Set<UInt16> = []
  var deafened: Set<UInt16> = []
  /// Hash over everything that nodes asked for: a seed replays exactly.
  var trace: UInt64 = 0xcbf2_9ce4_8422_2325
  var steps = 0
  var crashes = 0
  var served = 0
  /// Steps that end in a crash after their commit, on purpose; asked with the node.
  var plannedCrash: (@Sendable (Int, [Effect]) -> Bool)?
  let keys: [SigningKey]

  init(_ settings: ClusterSettings) {
    self.settings = settings
    random = SplitMix64(settings.seed)
    oracle = ClusterOracle(validators: settings.validators, byzantine: settings.byzantine)
    keys = (0..<settings.validators).map { key($0) }
    let honest = settings.validators - settings.byzantine
    for validator in 0..<settings.validators {
      for _ in 0..<(validator < honest ? 1 : 2) {
        nodes.append(
          ClusterNode(
            validator: UInt16(validator), isHonest: validator < honest,
            skew: random.int(-100_000...100_000)))
      }
    }
  }

  var honest: [Int] { nodes.indices.filter { nodes[$0].isHonest } }
  var heights: [Int] { honest.map { nodes[$0].chain.count } }

  func now(_ node: Int) -> Timestamp { later(time + nodes[node].skew) }

  // MARK: running

  /// Runs the faults, then until every honest node has grown by five blocks more than any had.
  func run() {
    for node in nodes.indices { boot(node) }
    if settings.hasWork { events.push(.work, at: 1000) }
    if settings.hasPartitions { events.push(.partition, at: 500_000) }
    let healing = settings.faultSeconds * 1_000_000
    events.push(.heal, at: healing)
    advance(through: healing)
    let target = (heights.max() ?? 0) + 5
    let end = healing + settings.healSeconds * 1_000_000
    while oracle.violation == nil, heights.contains(where: { $0 < target }) {
      guard time < end else {
        oracle.fail("no progress after the faults: heights \(heights), wanted \(target)")
        return
      }
      advance(through: time + 500_000)
    }
  }

  /// Handles the events up to `end`.
  func advance(through end: Int64) {
    while oracle.violation == nil, let (time, event) = events.pop() {
      guard time <= end else {
        events.push(event, at: time)
        break
      }
      self.time = max(self.time, time)
      handle(event)
      steps += 1
      if steps > 2_000_000 { oracle.fail("more than two million events") }
    }
    time = max(time, end)
  }

  private func handle(_ event: ClusterEvent) {
    switch event {
    case .arrival(let message, let from, let to, let life):
      guard nodes[to].life == life else { return }
      if !nodes[to].isHonest { signAnything(message, at: to) }
      step(to, .message(message, from: from))
    case .input(let input, let node, let life):
      if nodes[node].life == life { step(node, input) }
    case .wake(let node, let life):
      guard nodes[node].life == life else { return }
      nodes[node].nextWake = nil
      step(node, .tick)
    case .restart(let node): boot(node)
    case .work: work()
    case .partition: partition()
    case .heal: heal()
    }
  }

  /// Starts a core from what is durable.
  func boot(_ index: Int) {
    guard nodes[index].core == nil else { return }
    let node = nodes[index]
    var recovered = RecoveredConsensus(
      floor: ChainPoint(height: 0, view: 0, hash: chain, time: origin),
      attestation: node.roots[0], journal: node.journal)
    if let tip = node.chain.last {
      recovered = RecoveredConsensus(
        header: tip.block.header, hash: tip.hash, attestation: node.roots[node.chain.count],
        journal: node.journal, finalization: tip.finalization)
    }
    var configuration = ConsensusConfiguration(
      chain: chain, validators: keys.map(\.publicKey), own: keys[Int(node.validator)])
    if node.isHonest { configuration.planted = settings.planted }
    nodes[index].core = ConsensusCore(configuration: configuration, recovered: recovered)
    nodes[index].life += 1
    nodes[index].nextWake = nil
    step(index, .start)
    step(index, .work(isPending: nodes[index].isWorkPending))
  }

  func crash(_ index: Int) {
    crashes += 1
    nodes[index].core = nil
    nodes[index].life += 1
    events.push(.restart(index), at: time + (isHealed ? 0 : random.int(50_000...2_500_000)))
  }

  private func heal() {
    isHealed = true
    muted = []
    deafened = []
    for node in nodes.indices { boot(node) }
  }

  private func partition() {
    guard !isHealed else { return }
    muted = []
    deafened = []
    if random.chance(60) {
      for validator in 0..<UInt16(settings.validators) where random.chance(35) {
        if random.chance(70) { muted.insert(validator) }
        if random.chance(70) { deafened.insert(validator) }
      }
    }
    events.push(.partition, at: time + random.int(200_000...3_000_000))
  }

  /// Clients' commands reach some or all nodes.
  private func work() {
    let isForAll = random.chance(80)
    for index in nodes.indices where isForAll || random.chance(25) {
      nodes[index].isWorkPending = true
      if nodes[index].core != nil { step(index, .work(isPending: true)) }
    }
    events.push(.work, at: time + random.int(50_000...900_000))
  }
}
