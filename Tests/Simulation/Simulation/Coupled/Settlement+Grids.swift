import Backbone
import Domain
import Ledger
import Market
import Node

extension GridState: SimulatedState {
  static func tell(_ step: Step, of node: ChainNode<GridState>, to oracle: inout Settlement) {
    guard node.isHonest, !step.decided.isEmpty else { return }
    for decided in step.decided { oracle.take(decided, of: node.process) }
    guard let pipeline = node.replica?.pipeline.inner else { return }
    oracle.compare(pipeline, of: node.process)
  }
}

extension Settlement {
  /// A block of an honest grid is durable.
  fileprivate mutating func take(_ decided: Decided, of grid: Int) {
    let header = decided.block.header
    let parent = lanes[grid].hashes.last ?? federation.ids[grid]
    guard header.height == lanes[grid].hashes.count + 1, header.parent == parent else {
      return fail("grid \(grid) has a block \(header.height) that does not continue its chain")
    }
    lanes[grid].hashes.append(decided.block.hash)
    for (entry, receipt) in zip(decided.block.entries, decided.execution.receipts) {
      guard case .delivery(let delivery) = entry.content, receipt.rejection == nil else {
        continue
      }
      if isPoisoned(entry) { fail("grid \(grid) takes a delivery that proves nothing") }
      take(delivery, of: grid)
    }
    for packet in decided.execution.packets { send(packet, of: grid) }
    for close in decided.execution.closes { take(close, of: grid) }
  }

  /// The packets of an applied delivery that are new: the next ones, as the backbone sent them.
  private mutating func take(_ delivery: PacketDelivery, of grid: Int) {
    let height = delivery.header.height
    if height > backboneHeight || blocks[Int(height) - 1].hash != delivery.header.hash {
      fail(
        "packets for grid \(grid) are proven by a block \(height) that the backbone does not have")
    }
    var isNew = false
    for proof in delivery.packets where proof.packet.sequence > lanes[grid].received {
      let packet = proof.packet
      guard packet.sequence == lanes[grid].received + 1 else {
        return fail("grid \(grid) executes a packet behind a gap")
      }
      let sent = lanes[grid].fromBackbone
      guard packet.sequence <= sent.count, sent[Int(packet.sequence) - 1] == packet else {
        return fail("grid \(grid) executes packet \(packet.sequence) that was never sent")
      }
      isNew = true
      lanes[grid].received += 1
      execute(packet, at: grid)
    }
    if !isNew { fail("grid \(grid) executes a packet again") }
  }

  private mutating func execute(_ packet: Packet, at grid: Int) {
    guard let content = try? packet.content() else { return }
    if let gift = content.gift { lanes[grid].supply[gift.asset] += gift.amount }
    switch content {
    case .transferIn(let transfer):
      credit(transfer, packet, at: grid)
    case .void(let sequence, _):
      let name = JourneyName(grid: grid, sequence: sequence)
      guard let journey = journeys[name] else { return }
      guard journey.state == .voided(packet: packet.sequence) else {
        return fail("grid \(grid) refunds \(sequence), which is \(journey.state)")
      }
      journeys[name]?.state = .refunded
      lanes[grid].supply[journey.asset] += journey.amount
      figures.refunds += 1
    case .result(let round, let answer):
      guard lanes[grid].ended.insert(round).inserted else {
        return fail("grid \(grid) executes two results of round \(round.index)")
      }
      guard lanes[grid].offered.contains(round) else {
        return fail("grid \(grid) has a result of round \(round.index), in which it has not bid")
      }
      if case .cleared = answer { lanes[grid].filled += 1 }
    default: return
    }
  }

  private mutating func credit(_ transfer: TransferIn, _ packet: Packet, at grid: Int) {
    if !isHome(transfer.account, of: grid) {
      lanes[grid].guests[transfer.account, default: TravellingAssets()][transfer.asset] +=
        transfer.amount
    }
    guard transfer.origin != federation.backboneID else { return }
    let state = Journey.State.moved(to: grid, packet: packet.sequence)
    let name = moved[JourneyName(grid: grid, sequence: packet.sequence)]
    guard let name, journeys[name]?.state == state else {
      return fail("grid \(grid) credits what was not moved to it")
    }
    journeys[name]?.state = .credited
    figures.credits += 1
  }

  private func isHome(_ account: AccountID, of grid: Int) -> Bool {
    let keys = federation.keys[grid]
    return ([keys.lead, keys.utility] + keys.homes).contains { $0.publicKey == account }
  }

  // MARK: what the grid sends

  private mutating func send(_ packet: Packet, of grid: Int) {
    guard packet.sequence == lanes[grid].sent.count + 1,
      packet.destination == federation.backboneID, let content = try? packet.content()
    else { return fail("grid \(grid) sends packet \(packet.sequence) out of its turn") }
    lanes[grid].sent.append(packet)
    if let cargo = content.cargo {
      lanes[grid].supply[cargo.asset] -= cargo.amount
      journeys[JourneyName(grid: grid, sequence: packet.sequence)] = Journey(
        from: grid, asset: cargo.asset, amount: cargo.amount)
    }
    if case .bid(let round, let steps) = content {
      if !lanes[grid].offered.insert(round).inserted {
        fail("grid \(grid) bids twice in round \(round.index)")
      }
      guard let bid = try? CouplingBid(decoding: steps) else {
        return fail("grid \(grid) sends a bid that nobody can read")
      }
      if bid.buys.isEmpty && bid.sells.isEmpty { lanes[grid].empty.insert(round) }
    }
  }

  // MARK: closes

  /// An interval becomes final once: at its close, or with its round's one result, and with what
  /// the backbone's round says of energy and money.
  private mutating func take(_ close: IntervalClose, of grid: Int) {
    let interval = close.interval
    guard lanes[grid].final.insert(interval).inserted else {
      return fail("interval \(interval.index) of grid \(grid) ends twice")
    }
    let hasBid =
      lanes[grid].offered.contains(interval) && !lanes[grid].empty.contains(interval)
    if hasBid && !lanes[grid].ended.contains(interval) {
      fail("interval \(interval.index) of grid \(grid) ends without its round's result")
    }
    let share = hasBid ? rounds[interval]?.grids.first { $0.grid == lanes[grid].id } : nil
    let net = close.sheet.tieImport.raw - close.sheet.tieExport.raw
    let bought = share?.bought ?? 0
    let sold = share?.sold ?? 0
    if net != (bought - sold) * 1000 {
      fail(
        "interval \(interval.index): the ties of grid \(grid) carry \(net) mWh, and not so in "
          + "the round: \(bought) Wh bought, \(sold) sold")
    }
    if let fill = close.fill {
      figures.fills += 1
      if fill.bought != bought || fill.sold != sold || fill.money != share?.money ?? .zero {
        fail("grid \(grid) fills its bid otherwise than the round")
      }
    } else if bought != 0 || sold != 0 {
      fail("grid \(grid) does not fill its bid")
    }
    let sheet = close.sheet
    let sources =
      sheet.generation.raw + sheet.utilityImport.raw + sheet.tieImport.raw + sheet.unserved.raw
    let uses =
      sheet.consumption.raw + sheet.utilityExport.raw + sheet.tieExport.raw + sheet.curtailed.raw
      + sheet.stored.raw
    if sources != uses { fail("energy of grid \(grid) does not balance: \(sheet)") }
  }

  // MARK: the state

  fileprivate mutating func compare(_ pipeline: BarePipeline, of grid: Int) {
    guard let lane = pipeline.lane else { return fail("grid \(grid) has no lane") }
    if lane.received != lanes[grid].received {
      fail("grid \(grid) is at packet \(lane.received), not \(lanes[grid].received)")
    }
    if lane.sent != lanes[grid].sent.count { fail("grid \(grid) has sent \(lane.sent) packets") }
    var sums = TravellingAssets<Int64>()
    let ledger = pipeline.ledger
    for index in 0..<ledger.accountCount {
      let account = ledger.account(AccountIndex(index))
      sums.money += account.money.raw + account.heldMoney.raw
      sums.tsl += account.tsl.raw
      sums.ect += account.ect.raw
    }
    if sums != lanes[grid].supply {
      fail("grid \(grid) has the supply \(sums), not \(lanes[grid].supply)")
    }
    let waiting = lanes[grid].offered.subtracting(lanes[grid].ended)
    if waiting != Set([lane.openBid?.round].compactMap { $0 }) {
      fail("the holds of grid \(grid) are not those of its open bid")
    }
    if pipeline.open?.interval != waiting.subtracting(lanes[grid].empty).first {
      fail("grid \(grid) holds an interval open without a bid, or ends one that has bid")
    }
    balance(grid)
  }
}
