import Domain
import TestSupport

@testable import Backbone

extension ToyNetwork {
  // MARK: Packets on their way

  /// What was sent goes into the blocks of its sender.
  mutating func collect() throws {
    for packet in core.takeOutbox() {
      guard let grid = (0..<4).first(where: { gridID($0) == packet.destination }) else {
        throw Fault("a packet to nobody")
      }
      let sent = try Sent(packet) { sequence in
        let voided = toBackbone[grid][Int(sequence) - 1]
        return (voided.asset, voided.amount)
      }
      guard packet.sequence == UInt64(toGrid[grid].count) + 1 else { throw Fault("a hole") }
      toGrid[grid].append(sent)
      if case .result(let round, _) = try packet.content() {
        guard results.insert([Int64(grid), round.index]).inserted else {
          throw Fault("two results for one round")
        }
      }
    }
    for grid in 0..<4 {
      for packet in grids[grid].lane.takeOutbox() {
        guard packet.sequence == UInt64(toBackbone[grid].count) + 1 else { throw Fault("a hole") }
        toBackbone[grid].append(try Sent(packet) { _ in (.money, 0) })
      }
    }
  }

  /// One chance for packets of a lane, either way, unless it is cut.
  mutating func relay(_ grid: Int) throws {
    guard step >= cutUntil[grid] else { return }
    if random.chance(50) {
      let packets = choose(toBackbone[grid], after: core.gridRecords[grid].received)
      if !packets.isEmpty { try handToBackbone(packets, of: grid) }
    } else {
      for packet in choose(toGrid[grid], after: grids[grid].lane.received) {
        try handToGrid(packet, grid)
      }
    }
  }

  /// The next ones, some older, or some beyond a hole.
  private mutating func choose(_ log: [Sent], after last: UInt64) -> [Packet] {
    let next = Int(last)
    guard !log.isEmpty else { return [] }
    switch random.below(10) {
    case 0..<7: return log[min(next, log.count)...].prefix(1 + random.below(6)).map(\.packet)
    case 7: return [log[random.below(log.count)].packet]
    default:
      var some = log[max(0, next - 2)...].prefix(5).map(\.packet)
      some.shuffle(using: &random)
      return some
    }
  }

  mutating func handToBackbone(_ packets: [Packet], of grid: Int) throws {
    let first = packets[0]
    let header = ProvenHeader(height: 1_000_000 + first.sequence, hash: first.leaf)
    if !core.gridRecords[grid].isFrozen {
      try misreceive(
        first, Delivery(source: first.source, header: header, packets: [first]), grid)
    }
    let delivery = try Delivery(source: gridID(grid), header: header, packets: packets)
    var last = core.gridRecords[grid].received
    if planted == .backboneSkips, first.sequence > last, !core.gridRecords[grid].isFrozen {
      core.grids[grid].received = first.sequence - 1
    }
    for receipt in core.receive(delivery, bidCost: bidCost) {
      if case .refused(let reason) = receipt.outcome, !reason.isExecuted {
        if reason == .alreadyExecuted { tally.duplicates += 1 }
        if reason == .gap { tally.gaps += 1 }
        continue
      }
      last += 1
      guard receipt.sequence == last else { throw Fault("packets executed out of order") }
      guard receipt.outcome == .done else { continue }
      if let number = journeyBySequence[grid][last] {
        if journeys[number].isWithdrawal {
          journeys[number].arrivals += 1
        } else if planted == .backboneVoidsWhatItMoved {
          core.send(.void(sequence: last, .deadlinePassed), to: grid)
          core.grids[grid].lastVoid = core.grids[grid].sent
        }
      }
    }
    guard core.gridRecords[grid].received == last else { throw Fault("skipped a packet") }
    try collect()
  }

  /// The backbone executes again what it has executed, if that mistake is planted.
  private mutating func misreceive(_ packet: Packet, _ delivery: Delivery, _ grid: Int) throws {
    let last = core.gridRecords[grid].received
    guard planted == .backboneRepeats, packet.sequence <= last else { return }
    core.grids[grid].received = packet.sequence - 1
    _ = core.receive(delivery, bidCost: bidCost)
    core.grids[grid].received = last
  }

  mutating func handToGrid(_ packet: Packet, _ grid: Int) throws {
    let last = grids[grid].lane.received
    switch planted {
    case .gridSkips where packet.sequence > last, .gridRepeats where packet.sequence <= last:
      grids[grid].lane.received = packet.sequence - 1
    default: break
    }
    defer { grids[grid].lane.received = max(last, grids[grid].lane.received) }
    guard case .done(let effect) = grids[grid].lane.receive(packet) else { return }
    grids[grid].perform(effect)
    switch effect {
    case .credit(let transfer) where transfer.origin != backboneID:
      let number = Int(transfer.account.bytes.w0) - 100_000
      guard journeys.indices.contains(number) else { throw Fault("a credit that nobody sent") }
      journeys[number].arrivals += 1
      tally.arrivals += 1
    case .refund(let entry, _): refunded(entry, grid)
    case .fill: tally.fills += 1
    case .release: tally.releases += 1
    default: break
    }
  }

  private mutating func refunded(_ entry: UnderWay, _ grid: Int) {
    guard let number = journeyBySequence[grid][entry.sequence] else { return }
    journeys[number].refunds += 1
    tally.refunds += 1
  }

  /// A grid goes by its own reckoning instead of by packets, if that mistake is planted.
  mutating func actByClock(_ grid: Int) {
    switch planted {
    case .refundsByClock: refundByClock(grid)
    case .endsHoldByClock:
      guard let bid = grids[grid].lane.openBid,
        core.time >= backboneGenesis.calendar.end(of: bid.round).advanced(bySeconds: 120)
      else { return }
      grids[grid].release(bid)
    default: break
    }
  }

  private mutating func refundByClock(_ grid: Int) {
    for entry in grids[grid].lane.underWay {
      let sent = toBackbone[grid][Int(entry.sequence) - 1]
      guard case .transferOut(let transfer) = try? sent.packet.content(),
        transfer.deadline < core.height
      else { continue }
      if let place = grids[grid].lane.underWay.firstIndex(of: entry) {
        _ = grids[grid].lane.journeys.remove(at: place)
      }
      grids[grid].lane.debited[entry.item.asset] -= Int128(entry.item.amount)
      grids[grid].free[entry.item.asset] += entry.item.amount
      refunded(entry, grid)
    }
  }

  mutating func restart() throws {
    tally.restarts += 1
    let before = core.root()
    core = try BackboneCore(backboneGenesis, chunks: core.chunks())
    guard core.root() == before else { throw Fault("another root after the restart") }
    let grid = random.below(4)
    let lane = grids[grid].lane
    grids[grid].lane = try GridLane(chunk: lane.chunk)
    guard grids[grid].lane == lane else { throw Fault("another lane after the restart") }
  }
}
