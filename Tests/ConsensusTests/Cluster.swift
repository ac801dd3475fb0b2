import Consensus
import Domain

/// One core with its durable parts. A Byzantine validator is two of these with one key.
struct ClusterNode {
  /// Which key it has: the same in every epoch, whatever its place among the validators.
  let identity: UInt16
  let isHonest: Bool
  /// Its clock minus the virtual one, µs; and what a jump adds while it lasts.
  let skew: Int64
  var jump: Int64 = 0
  var core: ConsensusCore?
  /// Lives so far: what was sent to an earlier one is void.
  var life = 0
  /// Cores so far: what was scheduled for an earlier one is void.
  var term = 0
  var nextWake: Int64?
  var isWorkPending = false
  /// The epoch in which its disk was wiped, until it has come past what it may have signed there.
  var forgetfulEpoch: UInt64?

  // Durable.
  var epoch: UInt64 = 1
  var journal: [JournalRecord] = []
  var chain: [FinalizedBlock] = []
  var roots: [Attestation] = [attestation(0)]
  /// Of the block that sealed the first epoch.
  var sealing: FinalityProof?
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
  /// From the end of the faults to progress everywhere, µs.
  var healing: Int64 = 0
  /// Identities that cannot reach the others, one way.
  var muted: Set<UInt16> = []
  var deafened: Set<UInt16> = []
  /// Hash over everything that nodes asked for: a seed replays exactly.
  var trace: UInt64 = 0xcbf2_9ce4_8422_2325
  var steps = 0
  var crashes = 0
  var wipes = 0
  var served = 0
  /// Steps that end in a crash after their commit, on purpose; asked with the node.
  var plannedCrash: (@Sendable (Int, [Effect]) -> Bool)?
  /// What honest nodes put on the wire, if the settings ask for it.
  var traffic = Traffic()
  let keys: [SigningKey]

  init(_ settings: ClusterSettings) {
    self.settings = settings
    random = SplitMix64(settings.seed)
    oracle = ClusterOracle(
      epochs: [settings.members(of: 1), settings.members(of: 2)],
      byzantine: settings.validators - settings.byzantine..<settings.validators)
    keys = (0..<settings.identities).map { key($0) }
    let byzantine = settings.validators - settings.byzantine..<settings.validators
    for identity in 0..<settings.identities {
      for _ in 0..<(byzantine.contains(identity) ? 2 : 1) {
        var node = ClusterNode(
          identity: UInt16(identity), isHonest: !byzantine.contains(identity),
          skew: random.int(-settings.skew...settings.skew))
        if !settings.isNew { node.journal = [resolved] }
        nodes.append(node)
      }
    }
  }

  var honest: [Int] { nodes.indices.filter { nodes[$0].isHonest } }
  var heights: [Int] { honest.map { nodes[$0].chain.count } }

  func now(_ node: Int) -> Timestamp { later(time + nodes[node].skew + nodes[node].jump) }

  // MARK: running

  /// Runs the faults, then until every honest node has grown by five blocks more than any had.
  func run() {
    for node in nodes.indices { boot(node) }
    if settings.hasWork { events.push(.work, at: 1000) }
    if settings.hasPartitions { events.push(.partition, at: 500_000) }
    if settings.hasJumps { events.push(.jump, at: 300_000) }
    let end = settings.faultSeconds * 1_000_000
    events.push(.heal, at: end)
    advance(through: end)
    let target = (heights.max() ?? 0) + 5
    let deadline = end + settings.healSeconds * 1_000_000
    while oracle.violation == nil, heights.contains(where: { $0 < target }) {
      guard time < deadline else {
        oracle.fail("no progress after the faults to height \(target): \(description)")
        return
      }
      advance(through: time + 100_000)
    }
    healing = time - end
  }

  /// Where each node stands, for whoever reads of a failure.
  var description: String {
    let lines = nodes.map { node in
      let kind = node.isHonest ? "" : " (Byzantine)"
      guard let core = node.core else { return "\n  \(node.identity)\(kind) is down" }
      return "\n  \(node.identity)\(kind): epoch \(node.epoch), height \(node.chain.count), "
        + "final view \(core.floor.view), view \(core.view), \(core.abstention)"
        + (core.isAbstaining ? ", abstains" : "") + (node.forgetfulEpoch == nil ? "" : ", wiped")
    }
    return lines.joined()
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
      step(to, .message(message, from: settings.number(of: from, in: nodes[to].epoch)))
    case .input(let input, let node, let term):
      if nodes[node].term == term { step(node, input) }
    case .link(let one, let other): link(one, other)
    case .wake(let node, let term):
      guard nodes[node].term == term else { return }
      nodes[node].nextWake = nil
      step(node, .tick)
    case .restart(let node): boot(node)
    case .work: work()
    case .partition: partition()
    case .jump: jump()
    case .heal: heal()
    }
  }

  /// Clients' commands reach some or all nodes.
  private func work() {
    let isForAll = settings.isWorkForAll || random.chance(80)
    for index in nodes.indices where isForAll || random.chance(25) {
      nodes[index].isWorkPending = true
      if nodes[index].core != nil { step(index, .work(isPending: true)) }
    }
    events.push(.work, at: time + random.int(settings.workPause))
  }
}
