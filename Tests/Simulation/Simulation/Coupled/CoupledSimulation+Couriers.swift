import Backbone
import Consensus
import Domain
import Node
import Storage
import TestSupport

/// Some of the deliveries that were ever made, for use at the wrong time.
struct DeliveryArchive {
  private static let length = 64
  private var kept: [PacketDelivery] = []
  private var next = 0

  mutating func keep(_ delivery: PacketDelivery) {
    if kept.count < Self.length {
      kept.append(delivery)
    } else {
      kept[next] = delivery
      next = (next + 1) % Self.length
    }
  }

  func any(_ random: inout SplitMix64) -> PacketDelivery? { random.pick(from: kept) }
}

// The node's courier without its thread: what is next follows from what the destination has
// executed and what the source has stored.
extension CoupledSimulation {
  private static let toBackbone = 0

  func carry(_ site: Int, _ direction: Int) {
    events.push(
      .carry(site: site, direction: direction), at: time + random.int(settings.carryPause))
    guard sites[site].cutUntil[direction] <= time else { return }
    if !isHealed, random.chance(settings.carryErrors / 4), let old = archive.any(&random) {
      counts.replays += 1
      submit(old, by: site)
    }
    guard let grid = random.pick(from: sites[site].grids.map { grids[$0] }),
      let backbone = replica(for: site), grid.isRunning, backbone.isRunning
    else { return }
    let id = federation.ids[site]
    if direction == Self.toBackbone {
      guard let end = backbone.settled?.inner.core.grid(id), !end.isFrozen else { return }
      guard isDue(end.received, site, direction) else { return }
      carry(
        from: grid.disk, of: id, to: federation.backboneID, after: end.received, by: site,
        isHonest: grid.isHonest)
    } else {
      guard let lane = grid.settled?.inner.lane, isDue(lane.received, site, direction) else {
        return
      }
      carry(
        from: source(backbone, of: id, behind: lane.received), of: federation.backboneID, to: id,
        after: lane.received, by: site, isHonest: backbone.isHonest)
    }
  }

  /// Where a node looks at the backbone. One whose own replica is Byzantine asks others, too: a
  /// grid whose only node says nothing true about the backbone has nobody to carry for it.
  private func replica(for site: Int) -> ChainNode<BackboneState>? {
    let own = sites[site].backbones.map { backbones[$0] }
    let asksOthers = own.count > 1 && (isHealed || random.chance(50))
    return random.pick(from: asksOthers ? backbones.filter(\.isHonest) : own)
  }

  /// The replica's disk; where it lacks a packet that was sent, since it began with a state, some
  /// other replica's, which may have it or not.
  private func source(
    _ node: ChainNode<BackboneState>, of grid: ChainID, behind received: UInt64
  ) -> SimulatedDisk {
    guard let sent = node.settled?.inner.core.grid(grid)?.sent, sent > received,
      case .absent? = try? ProvableOutbox.find(in: node.disk, to: grid, after: received)
    else { return node.disk }
    counts.questions += 1
    return random.pick(from: backbones.filter(\.isHonest))?.disk ?? node.disk
  }

  /// What was brought is not brought again at once.
  private func isDue(_ received: UInt64, _ site: Int, _ direction: Int) -> Bool {
    if let carried = sites[site].carried[direction], carried.received == received,
      time < carried.at + 400_000
    {
      return false
    }
    sites[site].carried[direction] = (received, time)
    return true
  }

  private func carry(
    from disk: SimulatedDisk, of source: ChainID, to destination: ChainID,
    after received: UInt64, by site: Int, isHonest: Bool
  ) {
    var after = received
    if !isHealed, random.chance(settings.carryErrors) {
      let error = random.int(-4...3)
      after = UInt64(max(0, Int64(received) + error))
    }
    do {
      guard
        case .outbox(let outbox) = try ProvableOutbox.find(
          in: disk, to: destination, after: after)
      else {
        // Whatever was at fault, the next look begins anew.
        sites[site].carried[source == federation.backboneID ? 1 : 0] = nil
        return
      }
      let delivery = PacketDelivery(
        source: source, destination: destination, epochs: [], header: outbox.header,
        finality: outbox.finality, packets: outbox.packets)
      archive.keep(delivery)
      counts.deliveries += 1
      submit(delivery, by: site)
      if !isHealed, random.chance(settings.carryErrors / 2) { submit(delivery, by: site) }
    } catch {
      if isHonest { oracle.fail("N\(site) cannot prove what it carries: \(error)") }
    }
  }

  /// Hands a delivery to a replica of its destination: for the backbone mostly the node's own.
  func submit(_ delivery: PacketDelivery, by site: Int) {
    let signed = SignedBytes(payload: delivery.encoded, signature: .zero)
    if delivery.destination == federation.backboneID {
      submit(delivery.encoded, .delivery, by: site)
    } else if let number = federation.number(of: delivery.destination) {
      let verifier = Verifier(chain: delivery.destination)
      guard let entry = try? verifier.parse(kind: .delivery, signed) else {
        counts.badEntries += 1
        return
      }
      let choices = sites[number].grids.map { grids[$0] }.filter(\.isRunning)
      if let node = random.pick(from: choices) { submit([entry], to: node) }
    }
  }

  /// Hands what proves itself to a replica of the backbone, mostly the node's own.
  func submit(_ payload: [UInt8], _ kind: EntryKind, by site: Int) {
    let verifier = Verifier(chain: federation.backboneID, kinds: .backbone)
    let signed = SignedBytes(payload: payload, signature: .zero)
    guard let entry = try? verifier.parse(kind: kind, signed) else {
      counts.badEntries += 1
      return
    }
    let isByzantine = sites[site].backbones.count > 1
    let isOwn = !isByzantine && (isHealed || !random.chance(settings.carryErrors))
    let choices = isOwn ? sites[site].backbones.map { backbones[$0] } : backbones
    guard let node = random.pick(from: choices.filter(\.isRunning)) else { return }
    submit([entry], to: node)
  }

  func submit<State>(_ entries: [VerifiedEntry], to node: ChainNode<State>) {
    let submission = Submission(entries: entries, answer: SubmissionAnswer { _ in })
    events.push(
      .input(.submission(submission), node.place, life: node.life),
      at: time + random.int(100...5_000))
  }

  /// A planted bug: the courier has what the node is about to make durable, and brings it to a
  /// replica that the node's own crash does not touch.
  func carryTooEarly(_ step: Step, of node: ChainNode<GridState>) {
    guard settings.planted == .carriesBeforeSync, node.isHonest, !step.batch.isEmpty,
      let end = backbones[node.process].replica?.pipeline.inner.core.grid(node.genesis.chainID)
    else { return }
    let copy = SimulatedDisk(chain: node.genesis.chainID)
    let contents = node.disk.change { $0 }
    copy.change { $0 = contents }
    guard (try? copy.commit(step.batch)) != nil else { return }
    carry(
      from: copy, of: node.genesis.chainID, to: federation.backboneID, after: end.received,
      by: (node.process + 1) % sites.count, isHonest: false)
  }
}
