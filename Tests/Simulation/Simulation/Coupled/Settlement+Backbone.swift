import Backbone
import Domain
import Market
import Node

extension BackboneState: SimulatedState {
  static func tell(_ step: Step, of node: ChainNode<BackboneState>, to oracle: inout Settlement) {
    // What a Byzantine replica has executed is final, too: a quorum has signed it.
    let name = "\(node.isHonest ? "N" : "B")\(node.process)"
    var hasNews = false
    for decided in step.decided { hasNews = oracle.take(decided, name) || hasNews }
    guard hasNews, let core = node.replica?.pipeline.inner.core else { return }
    oracle.core = core
    oracle.compare(core, name)
  }
}

/// What executed packets of one block have asked for and what the block has to answer.
private struct Asked {
  var moves: [TransferIn: [(journey: JourneyName, target: ChainID)]] = [:]
  var checkpoints: [Int] = []
}

extension Settlement {
  /// A block of the backbone is durable at a node. False for one that is known.
  fileprivate mutating func take(_ decided: Decided, _ name: String) -> Bool {
    let header = decided.block.header
    let execution = decided.execution
    let block = SettledBlock(
      hash: decided.block.hash, stateRoot: execution.attestation.stateRoot,
      outboxRoot: execution.attestation.outboxRoot, receipts: execution.receipts)
    if header.height <= backboneHeight {
      let known = blocks[Int(header.height) - 1]
      if known.hash != block.hash { fail("\(name) has another block \(header.height)") }
      if known.stateRoot != block.stateRoot || known.outboxRoot != block.outboxRoot
        || known.receipts != block.receipts
      {
        fail("\(name) comes to other roots or receipts at height \(header.height)")
      }
      return false
    }
    guard header.height == backboneHeight + 1 else {
      fail("\(name) executes block \(header.height), and nobody \(backboneHeight + 1)")
      return false
    }
    blocks.append(block)
    var asked = Asked()
    let before = RoundPlace(lines: lines, isFrozen: lanes.map(\.isFrozen))
    let voids = voided(execution.packets)
    endBids(with: execution.packets)
    var commands: [Command] = []
    for (entry, receipt) in zip(decided.block.entries, execution.receipts) {
      entries.insert(entry.identity)
      guard receipt.rejection == nil else {
        if case .delivery(let delivery) = entry.content { refuse(delivery, receipt.rejection) }
        continue
      }
      if isPoisoned(entry) { fail("\(name) takes a delivery that proves nothing") }
      switch entry.content {
      case .delivery(let delivery): take(delivery, at: header.time, voids, &asked)
      case .command(let command): commands.append(command)
      case .report(let report): take(report)
      case .reading: fail("the backbone takes a reading")
      }
    }
    // Commands come behind all packets, wherever they stand in the block.
    for command in commands { take(command) }
    for packet in execution.packets { send(packet, &asked) }
    for round in execution.rounds { close(round, before) }
    checkAnswered(asked)
    return true
  }

  /// Whatever an honest grid's packets asked for is done in the same block. A grid that lies may be
  /// frozen in the middle of a delivery.
  private mutating func checkAnswered(_ asked: Asked) {
    for move in asked.moves.values.flatMap({ $0 }) where lanes[move.journey.grid].isHonest {
      fail("a transfer of grid \(move.journey.grid) is neither moved nor voided")
    }
    for grid in asked.checkpoints where lanes[grid].isHonest {
      fail("a checkpoint of grid \(grid) is not answered")
    }
  }

  /// Rounds may close before the block's packets are executed: bids that waited, and have their
  /// result in this block, wait no more.
  private mutating func endBids(with packets: [Packet]) {
    for packet in packets {
      guard let grid = federation.number(of: packet.destination),
        case .result(let round, .cleared)? = try? packet.content(), lanes[grid].openBid == round
      else { continue }
      lanes[grid].openBid = nil
      lanes[grid].ending = round
    }
  }

  /// What the block's packets refuse: by grid and sequence, and bids by grid and round.
  private func voided(_ packets: [Packet]) -> Set<[UInt64]> {
    var voids: Set<[UInt64]> = []
    for packet in packets {
      guard let grid = federation.number(of: packet.destination) else { continue }
      switch try? packet.content() {
      case .void(let sequence, _): voids.insert([UInt64(grid), sequence])
      case .result(let round, .notIncluded):
        voids.insert([UInt64(grid), UInt64(round.index), 1])
      default: continue
      }
    }
    return voids
  }

  // MARK: packets of grids

  /// One whose proof holds, and of which nothing could be executed in this block, has shown a block
  /// of its source all the same.
  private mutating func refuse(_ delivery: PacketDelivery, _ reason: Rejection?) {
    figures.refused += 1
    guard reason == .limitExceeded, let grid = federation.number(of: delivery.source) else {
      return
    }
    let header = delivery.header
    if !lanes[grid].prove(header.height, header.hash) {
      fail("grid \(grid) shows a second history, and its delivery is refused")
    }
  }

  /// Only of a grid that lies, which it stops.
  private mutating func take(_ report: HistoryReport) {
    guard let grid = federation.number(of: report.grid), !lanes[grid].isHonest else {
      return fail("the backbone takes a report of an honest grid, or a stranger")
    }
    lanes[grid].isFrozen = true
  }

  /// The packets of an applied delivery that are new: the next ones, as their source sent them. Of
  /// one that shows a second history there are none; a bid for the interval that runs waits, and
  /// what is behind it.
  private mutating func take(
    _ delivery: PacketDelivery, at time: Timestamp, _ voids: Set<[UInt64]>, _ asked: inout Asked
  ) {
    figures.delivered += 1
    guard let grid = federation.number(of: delivery.source) else {
      return fail("the backbone takes packets of a stranger")
    }
    let height = delivery.header.height
    let hashes = lanes[grid].hashes
    if lanes[grid].isHonest,
      height > hashes.count || hashes[Int(height) - 1] != delivery.header.hash
    {
      fail("packets of grid \(grid) are proven by a block \(height) that it does not have")
    }
    guard lanes[grid].prove(height, delivery.header.hash) else { return }
    var isNew = false
    for proof in delivery.packets where proof.packet.sequence > lanes[grid].executed.count {
      if lanes[grid].isFrozen || isEarly(proof.packet, at: time) { break }
      let packet = proof.packet
      guard packet.sequence == lanes[grid].executed.count + 1 else {
        return fail("the backbone executes a packet of grid \(grid) behind a gap")
      }
      isNew = true
      lanes[grid].executed.append(packet)
      if lanes[grid].isHonest {
        let sent = lanes[grid].sent
        guard packet.sequence <= sent.count, sent[Int(packet.sequence) - 1] == packet else {
          return fail(
            "the backbone executes packet \(packet.sequence) of grid \(grid) that was never sent")
        }
      }
      execute(packet, of: grid, voids, &asked)
    }
    if !isNew {
      fail("the backbone executes a packet of grid \(grid) again")
    }
  }

  private func isEarly(_ packet: Packet, at time: Timestamp) -> Bool {
    guard case .bid(let round, _)? = try? packet.content() else { return false }
    let calendar = federation.backbone.calendar
    return calendar.start(of: round) <= time && time < calendar.end(of: round)
  }

  private mutating func execute(
    _ packet: Packet, of grid: Int, _ voids: Set<[UInt64]>, _ asked: inout Asked
  ) {
    let name = JourneyName(grid: grid, sequence: packet.sequence)
    let content = try? packet.content()
    if let cargo = content?.cargo, !lanes[grid].isHonest {
      journeys[name] = Journey(from: grid, asset: cargo.asset, amount: cargo.amount)
    }
    if voids.contains([UInt64(grid), packet.sequence]) {
      return checkVoid(of: content, of: grid)
    }
    switch content {
    case .transferOut(let transfer):
      lanes[grid].reserve[transfer.asset] -= transfer.amount
      let credit = TransferIn(
        origin: packet.source, sender: transfer.sender, account: transfer.account,
        asset: transfer.asset, amount: transfer.amount)
      asked.moves[credit, default: []].append((name, transfer.grid))
    case .withdrawal(_, let amount):
      lanes[grid].reserve.money -= amount.raw
      withdrawals += 1
      waiting[withdrawals] = name
      journeys[name]?.state = .waiting
    case .checkpoint(let checkpoint):
      // One that shows a second history is not answered.
      if lanes[grid].prove(checkpoint.height, checkpoint.hash) { asked.checkpoints.append(grid) }
    case .bid(let round, let steps):
      guard !voids.contains([UInt64(grid), UInt64(round.index), 1]) else { return }
      if lanes[grid].openBid != nil { fail("grid \(grid) has two bids open") }
      lanes[grid].openBid = round
      lanes[grid].bids[round] = try? CouplingBid(decoding: steps)
    default: fail("the backbone does what it does not know for grid \(grid)")
    }
  }

  /// Of an honest grid nothing is refused but transfers, and bids that come too late.
  private mutating func checkVoid(of content: PacketContent?, of grid: Int) {
    guard lanes[grid].isHonest else { return }
    switch content {
    case .transferOut, .withdrawal: return
    default: fail("the backbone refuses a packet of the honest grid \(grid): \(content as Any)")
    }
  }

  // MARK: packets to grids

  private mutating func send(_ packet: Packet, _ asked: inout Asked) {
    guard let grid = federation.number(of: packet.destination),
      let content = try? packet.content()
    else { return fail("the backbone sends a packet to nobody, or one that nobody can read") }
    guard packet.sequence == lanes[grid].fromBackbone.count + 1 else {
      return fail("the backbone sends grid \(grid) packet \(packet.sequence) out of its turn")
    }
    lanes[grid].fromBackbone.append(packet)
    if let gift = content.gift { lanes[grid].reserve[gift.asset] += gift.amount }
    switch content {
    case .transferIn(let transfer): move(transfer, to: grid, packet, &asked)
    case .void(let sequence, _):
      let name = JourneyName(grid: grid, sequence: sequence)
      guard journeys[name] != nil else { return }
      if journeys[name]?.state != .sent { fail("transfer \(sequence) of grid \(grid) ends twice") }
      journeys[name]?.state = .voided(packet: packet.sequence)
    case .result(let round, let answer): answerBid(answer, round, of: grid)
    case .reward:
      figures.rewards += 1
      guard let place = asked.checkpoints.firstIndex(of: grid) else {
        return fail("a reward for grid \(grid) without a checkpoint")
      }
      asked.checkpoints.remove(at: place)
    case .issue, .wheeling, .validators, .frozen: return
    case .checkpoint, .bid, .transferOut, .withdrawal: fail("the backbone sends what grids send")
    }
  }

  private mutating func move(
    _ transfer: TransferIn, to grid: Int, _ packet: Packet, _ asked: inout Asked
  ) {
    guard transfer.origin != federation.backboneID else { return }
    let moves = asked.moves[transfer] ?? []
    guard let place = moves.firstIndex(where: { $0.target == packet.destination }) else {
      return fail("a credit for grid \(grid) that no transfer has asked for")
    }
    asked.moves[transfer]?.remove(at: place)
    let journey = moves[place].journey
    if journeys[journey]?.state != .sent { fail("a transfer of grid \(journey.grid) ends twice") }
    journeys[journey]?.state = .moved(to: grid, packet: packet.sequence)
    moved[JourneyName(grid: grid, sequence: packet.sequence)] = journey
  }

  /// One result a round, for the bid that waits; or for one that is told that it has no part.
  private mutating func answerBid(_ answer: CouplingAnswer, _ round: Interval, of grid: Int) {
    guard lanes[grid].results.insert(round).inserted else {
      return fail("grid \(grid) gets a second result of round \(round.index)")
    }
    switch answer {
    case .cleared:
      if lanes[grid].ending == round {
        lanes[grid].ending = nil
      } else if lanes[grid].openBid == round {
        lanes[grid].openBid = nil
      } else {
        return fail("grid \(grid) gets a result of round \(round.index) without a bid")
      }
      figures.cleared += 1
    case .notIncluded(let reason):
      if lanes[grid].isHonest, reason != .tooLate {
        fail("a bid of the honest grid \(grid) is refused: \(reason)")
      }
    }
  }
}
