import Consensus
import Domain
import Node
import TestSupport

/// The links between nodes, each direction for itself.
struct Network {
  /// Until when nothing gets through.
  private var cutUntil: [[Int64]]
  /// What is sent before this instant arrives behind it, in one burst.
  private var clogUntil: [[Int64]]

  init(nodes: Int) {
    let row = [Int64](repeating: 0, count: nodes)
    cutUntil = Array(repeating: row, count: nodes)
    clogUntil = cutUntil
  }

  mutating func cut(from: Int, to: Int, until time: Int64) {
    cutUntil[from][to] = max(cutUntil[from][to], time)
  }

  mutating func clog(from: Int, to: Int, until time: Int64) {
    clogUntil[from][to] = max(clogUntil[from][to], time)
  }

  func isCut(from: Int, to: Int, at time: Int64) -> Bool { cutUntil[from][to] > time }

  /// When the clog ends; nil while the link is free.
  func clogEnd(from: Int, to: Int, at time: Int64) -> Int64? {
    clogUntil[from][to] > time ? clogUntil[from][to] : nil
  }

  mutating func heal() { self = Network(nodes: cutUntil.count) }
}

extension Simulation {
  /// Sends what a replica asked for to whom it asked for.
  func send(_ outgoing: Outgoing, from node: SimulatedNode) {
    let (message, key): (PeerMessage, PublicKey?) =
      switch outgoing {
      case .broadcast(let message): (message, nil)
      case .send(let message, let key): (message, key)
      }
    note(outgoing, node)
    if node.isHonest { oracle.leaving(message, from: node, name: trace.names[node.index]) }
    if !node.isHonest { remember(message, at: node) }
    for target in nodes where target.id != node.id && (key == nil || target.id == key) {
      if node.isHonest {
        post(message, from: node, to: target)
      } else if let changed = distort(message, from: node, to: target) {
        post(changed, from: node, to: target)
      }
    }
  }

  /// Puts one message on its way: lost, doubled, delayed, overtaken.
  func post(_ message: PeerMessage, from node: SimulatedNode, to target: SimulatedNode) {
    guard target.isRunning else { return }
    if isHealed && !settings.isByzantineHealed && !node.isHonest { return }
    guard !network.isCut(from: node.index, to: target.index, at: time) else { return }
    // Of the two nodes of a Byzantine validator, either or both hear it.
    if !target.isHonest && random.chance(30) { return }
    let isRough = !isHealed
    let copies = isRough && random.chance(settings.duplicatePercent) ? 2 : 1
    for _ in 0..<copies {
      if isRough && random.chance(settings.dropPercent) { continue }
      var at = time + random.int(settings.delay)
      if isRough && random.chance(settings.slowPercent) { at += random.int(200_000...2_000_000) }
      if let end = network.clogEnd(from: node.index, to: target.index, at: time) {
        at = max(at, end)
      }
      counts.messages += 1
      events.push(
        .arrival(message, from: node.index, to: target.index, life: target.life), at: at)
    }
  }

  /// Executed blocks from the disk, for a peer that lacks them.
  func serve(_ request: HistoryRequest, by node: SimulatedNode) {
    let answers: [Answer]
    do {
      answers = try HistoryAnswer.read(request, from: node.disk)
    } catch {
      if node.isHonest {
        oracle.fail("\(trace.names[node.index]) cannot read its own history: \(error)")
      }
      return
    }
    counts.served += answers.isEmpty ? 0 : 1
    for answer in answers {
      send(.send(.consensus(.answer(answer)), to: request.peer), from: node)
    }
  }

  /// A link between two running nodes is up: both are told.
  func connect(_ a: SimulatedNode, _ b: SimulatedNode) {
    for (node, other) in [(a, b), (b, a)] {
      events.push(
        .input(.connected(other.id), node: node.index, life: node.life),
        at: time + random.int(500...20_000))
    }
  }

  // MARK: faults of links

  /// One-way partitions and clogs come and go.
  func changeNetwork() {
    guard !isHealed else { return }
    let until = time + random.int(100_000...2_500_000)
    switch random.int(0...5) {
    case 0, 1:
      // Some cannot reach, or cannot hear, the others.
      counts.partitions += 1
      for node in nodes.indices where random.chance(35) {
        let (isMuted, isDeaf) = (random.chance(70), random.chance(70))
        for other in nodes.indices where other != node {
          if isMuted { network.cut(from: node, to: other, until: until) }
          if isDeaf { network.cut(from: other, to: node, until: until) }
        }
        note(nodes[node], "is cut off", other: isMuted && isDeaf ? 3 : isMuted ? 1 : 2)
      }
    case 2, 3:
      let (from, to) = (random.below(nodes.count), random.below(nodes.count))
      network.cut(from: from, to: to, until: until)
      note(nodes[from], "cannot reach", other: to)
      counts.partitions += 1
    default:
      let (from, to) = (random.below(nodes.count), random.below(nodes.count))
      network.clog(from: from, to: to, until: until)
      note(nodes[from], "has a clogged link to", other: to)
      counts.clogs += 1
    }
    reconnect(around: until)
    events.push(.network, at: time + random.int(settings.networkPause))
  }

  /// After a partition, links come up again.
  private func reconnect(around end: Int64) {
    for node in nodes where node.isRunning {
      for other in nodes where other.isRunning && other.id != node.id && random.chance(30) {
        events.push(
          .input(.connected(other.id), node: node.index, life: node.life),
          at: end + random.int(1_000...300_000))
      }
    }
  }
}
