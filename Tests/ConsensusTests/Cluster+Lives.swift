import Consensus
import Domain

/// Starts and ends of nodes, disks, links, epochs and clocks.
extension Cluster {
  /// Starts a node from what is durable.
  func boot(_ index: Int) {
    guard nodes[index].core == nil else { return }
    nodes[index].life += 1
    start(index)
    guard settings.tellsLinks else { return }
    for other in nodes.indices where other != index && nodes[other].core != nil {
      events.push(.link(index, other), at: time + random.int(500...20_000))
    }
  }

  /// Makes a core for the epoch in which the node is.
  private func start(_ index: Int) {
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
      chain: chain, epoch: node.epoch,
      validators: settings.members(of: node.epoch).map { keys[Int($0)].publicKey },
      own: keys[Int(node.identity)])
    configuration.planted = node.isHonest ? settings.planted : .votesAfterWipe
    nodes[index].core = ConsensusCore(configuration: configuration, recovered: recovered)
    nodes[index].term += 1
    nodes[index].nextWake = nil
    step(index, .start)
    step(index, .work(isPending: nodes[index].isWorkPending))
  }

  /// The epoch's last block was executed: the next core begins at it, and is told its links.
  func changeEpoch(_ index: Int) {
    nodes[index].core = nil
    start(index)
    guard settings.tellsLinks else { return }
    for other in nodes.indices where other != index && nodes[other].core != nil {
      let number = settings.number(of: nodes[other].identity, in: nodes[index].epoch)
      step(index, .connected(number))
    }
  }

  /// A link between two nodes came up: both are told.
  func link(_ one: Int, _ other: Int) {
    guard nodes[one].core != nil, nodes[other].core != nil else { return }
    for (node, peer) in [(one, other), (other, one)] {
      let number = settings.number(of: nodes[peer].identity, in: nodes[node].epoch)
      step(node, .connected(number))
    }
  }

  func crash(_ index: Int) {
    crashes += 1
    let isWiped = mayForget(index) && random.chance(settings.wipePercent)
    nodes[index].core = nil
    nodes[index].life += 1
    nodes[index].term += 1
    if isWiped { wipe(index) }
    events.push(.restart(index), at: time + (isHealed ? 0 : random.int(50_000...2_500_000)))
  }

  /// Whether a wiped disk is one of the faults that n validators bear: with the Byzantine ones
  /// and those that have not come past their wipe there are at most f.
  func mayForget(_ index: Int) -> Bool {
    let forgetful = nodes.indices.count { nodes[$0].forgetfulEpoch != nil && $0 != index }
    return nodes[index].isHonest && settings.isValidator(nodes[index].identity)
      && settings.byzantine + forgetful < Quorum.faults(of: settings.validators)
  }

  /// Whether a node has come past its wipe.
  func remember(_ index: Int) {
    guard let epoch = nodes[index].forgetfulEpoch, let core = nodes[index].core else { return }
    if nodes[index].epoch >= epoch, core.abstention != .unresolved, !core.isAbstaining {
      nodes[index].forgetfulEpoch = nil
    }
  }

  /// The disk is new: all that was durable is gone.
  func wipe(_ index: Int) {
    wipes += 1
    nodes[index].forgetfulEpoch = max(nodes[index].epoch, nodes[index].forgetfulEpoch ?? 1)
    nodes[index].epoch = 1
    nodes[index].journal = []
    nodes[index].chain = []
    nodes[index].roots = [attestation(0)]
    nodes[index].sealing = nil
  }

  func heal() {
    isHealed = true
    muted = []
    deafened = []
    for node in nodes.indices {
      nodes[node].jump = 0
      boot(node)
    }
    linkAll()
  }

  private func linkAll() {
    guard settings.tellsLinks else { return }
    for one in nodes.indices {
      for other in nodes.indices where other > one { link(one, other) }
    }
  }

  func partition() {
    guard !isHealed else { return }
    let wasCut = !muted.isEmpty || !deafened.isEmpty
    muted = []
    deafened = []
    if random.chance(60) {
      for identity in 0..<UInt16(settings.identities) where random.chance(35) {
        if random.chance(70) { muted.insert(identity) }
        if random.chance(70) { deafened.insert(identity) }
      }
    } else if wasCut {
      linkAll()
    }
    events.push(.partition, at: time + random.int(200_000...3_000_000))
  }

  /// One honest clock, the same in a run, is hours wrong for some seconds, then right again. With
  /// two of four a block from hours ahead could be notarized, and the chain would wait for its
  /// time to come.
  func jump() {
    guard !isHealed else { return }
    for node in nodes.indices { nodes[node].jump = 0 }
    if random.chance(70) {
      let node = honest[Int(settings.seed % UInt64(honest.count))]
      nodes[node].jump = random.int(1...5) * 3_600_000_000 * (random.chance(50) ? 1 : -1)
    }
    // Whoever drives a core does not let it sleep through a change of its clock.
    for node in nodes.indices where nodes[node].core != nil { step(node, .tick) }
    events.push(.jump, at: time + random.int(200_000...4_000_000))
  }
}
