import Domain

/// What a packet does to balances, read from its own bytes.
package enum PacketEffect: Hashable, Sendable {
  case none
  /// Out of a grid's accounts: a transfer or a withdrawal.
  case debit(Asset, Int64)
  /// Into them: a transfer, an issue, a reward.
  case credit(Asset, Int64)
  /// What the grid's packet of this sequence took comes back.
  case void(of: UInt64)
  /// What a round gave: Wh bought and sold, and money in, below zero out.
  case result(Interval, bought: Int64, sold: Int64, money: Int64)

  /// `isToBackbone`: the way that the packet went. One of the other way's kind does nothing, nor
  /// does one that cannot be read.
  init(_ packet: Packet, isToBackbone: Bool) {
    self = .none
    guard PacketKind(rawValue: packet.kind)?.isForBackbone == isToBackbone,
      let content = try? packet.content()
    else { return }
    switch content {
    case .transferOut(let transfer): self = .debit(transfer.asset, transfer.amount)
    case .withdrawal(_, let amount): self = .debit(.money, amount.raw)
    case .transferIn(let transfer): self = .credit(transfer.asset, transfer.amount)
    case .issue(_, let asset, let amount): self = .credit(asset, amount)
    case .reward(_, _, let amount): self = .credit(.ect, amount.raw)
    case .void(let sequence, _): self = .void(of: sequence)
    case .result(let round, .cleared(_, let bought, let sold, let money)):
      self = .result(round, bought: bought, sold: sold, money: money.raw)
    case .checkpoint, .bid, .result, .wheeling, .validators, .frozen: break
    }
  }
}

/// A packet as an audit remembers it.
package struct AuditedPacket: Hashable, Sendable {
  /// The digest of all its bytes.
  package let leaf: Digest
  package let effect: PacketEffect
}

/// A lane as the blocks of one of its two chains tell it, by packets alone: what this chain has
/// sent, what it has executed of the other's, and what these packets together leave in the grid's
/// accounts, or, on the backbone, in its reserve for the grid.
///
/// It is one sum for both ends: with F(n) what the backbone's first n packets bring, refunds
/// included, and D(m) what the grid's first m packets take, the supply after s sent and r executed
/// is F(r) − D(s), and the reserve after s' sent and r' executed F(s') − D(r'). So where each end
/// agrees with its own packets at every height, and both have the same packets, supply and packets
/// under way are the reserve at every pair of heights.
package struct AuditedLane: Sendable {
  /// The chain at the other end.
  package let peer: ChainID
  /// Whether it is the backbone.
  let isToBackbone: Bool
  /// By sequence less one.
  package private(set) var sent: [AuditedPacket] = []
  package private(set) var executed: [AuditedPacket] = []
  /// The sum.
  package private(set) var value = TravellingAssets<Int128>()
  /// Of the grid's packets, which were voided.
  private var voided: Set<UInt64> = []

  init(peer: ChainID, isToBackbone: Bool) {
    self.peer = peer
    self.isToBackbone = isToBackbone
  }

  /// Takes what a block of this chain has executed, in order.
  mutating func execute(_ packets: some Sequence<Packet>) throws(NodeFailure) {
    for packet in packets {
      let audited = AuditedPacket(
        leaf: packet.leaf, effect: PacketEffect(packet, isToBackbone: !isToBackbone))
      executed.append(audited)
      try book(audited.effect)
    }
  }

  /// Takes what a block of this chain has sent, after what it has executed.
  mutating func send(_ packet: Packet) throws(NodeFailure) {
    guard packet.sequence == UInt64(sent.count) + 1 else {
      throw .invariant("packet \(packet.sequence) to \(peer) follows packet \(sent.count)")
    }
    let audited = AuditedPacket(
      leaf: packet.leaf, effect: PacketEffect(packet, isToBackbone: isToBackbone))
    sent.append(audited)
    try book(audited.effect)
  }

  private mutating func book(_ effect: PacketEffect) throws(NodeFailure) {
    switch effect {
    case .none: break
    case .debit(let asset, let amount): value[asset] -= Int128(amount)
    case .credit(let asset, let amount): value[asset] += Int128(amount)
    case .result(_, _, _, let money): value.money += Int128(money)
    case .void(let sequence):
      guard let (asset, amount) = try taken(by: sequence) else { return }
      guard voided.insert(sequence).inserted else {
        throw .invariant("packet \(sequence) of a grid's lane is voided twice")
      }
      value[asset] += Int128(amount)
    }
  }

  /// What the grid's packet of this sequence took; nil for one that takes nothing.
  private func taken(by sequence: UInt64) throws(NodeFailure) -> (Asset, Int64)? {
    let ofGrid = isToBackbone ? sent : executed
    guard sequence > 0, sequence <= UInt64(ofGrid.count) else {
      throw .invariant("packet \(sequence) of a grid's lane is voided, and was never sent")
    }
    guard case .debit(let asset, let amount) = ofGrid[Int(sequence) - 1].effect else {
      return nil
    }
    return (asset, amount)
  }

  /// Whether the state has what the packets come to.
  func check(_ figures: LaneFigures) throws(NodeFailure) {
    guard figures.sent == UInt64(sent.count), figures.executed == UInt64(executed.count) else {
      throw .invariant(
        "the state has \(figures.sent) packets sent to \(peer) and \(figures.executed) executed; "
          + "the blocks have \(sent.count) and \(executed.count)")
    }
    for asset in TravellingAssets<Int128>.assets where figures.value[asset] != value[asset] {
      throw .invariant(
        "the state has \(figures.value[asset]) of \(asset) in the lane with \(peer); the packets "
          + "come to \(value[asset])")
    }
  }

  // MARK: What lies between two heights

  /// Sum of what the packets behind the first `count` of the grid's take, and the backbone's bring.
  /// `ofGrid`, `ofBackbone`: the longest lists that the chains give.
  static func underWay(
    fromGrid ofGrid: [AuditedPacket], behind taken: Int,
    fromBackbone ofBackbone: [AuditedPacket], behind brought: Int
  ) -> (up: TravellingAssets<Int128>, down: TravellingAssets<Int128>) {
    var up = TravellingAssets<Int128>()
    var down = TravellingAssets<Int128>()
    for packet in ofGrid.dropFirst(taken) {
      if case .debit(let asset, let amount) = packet.effect { up[asset] += Int128(amount) }
    }
    for packet in ofBackbone.dropFirst(brought) {
      switch packet.effect {
      case .credit(let asset, let amount): down[asset] += Int128(amount)
      case .result(_, _, _, let money): down.money += Int128(money)
      case .void(let sequence):
        guard sequence > 0, sequence <= UInt64(ofGrid.count),
          case .debit(let asset, let amount) = ofGrid[Int(sequence) - 1].effect
        else { continue }
        down[asset] += Int128(amount)
      case .none, .debit: break
      }
    }
    return (up, down)
  }
}

/// All lanes of a chain that is audited.
package struct AuditedLanes: Sendable {
  private let chain: ChainID
  private let isBackbone: Bool
  /// In the order in which they came.
  package private(set) var all: [AuditedLane] = []
  private var places: [ChainID: Int] = [:]

  init(chain: ChainID, isBackbone: Bool) {
    self.chain = chain
    self.isBackbone = isBackbone
  }

  package func lane(with peer: ChainID) -> AuditedLane? { places[peer].map { all[$0] } }

  /// Takes a block; `figures` is the state's after it. A delivery may hold what was executed before
  /// and, on the backbone, more than the block had room to answer: executed is what the state says.
  mutating func take(
    _ block: DecidedBlock, _ execution: Execution, _ figures: [LaneFigures]
  ) throws(NodeFailure) {
    for figure in figures where places[figure.peer] == nil {
      places[figure.peer] = all.count
      all.append(AuditedLane(peer: figure.peer, isToBackbone: !isBackbone))
    }
    for figure in figures {
      guard let place = places[figure.peer] else { continue }
      let brought = try packets(from: figure.peer, in: block, execution.receipts)
      let new = figure.executed - min(figure.executed, UInt64(all[place].executed.count))
      try all[place].execute(brought.prefix(Int(clamping: new)))
    }
    for packet in execution.packets {
      guard packet.source == chain, let place = places[packet.destination] else {
        throw .invariant("block \(block.header.height) sends a packet that is not its chain's")
      }
      try all[place].send(packet)
    }
    for figure in figures {
      guard let place = places[figure.peer] else { continue }
      try all[place].check(figure)
    }
  }

  /// New packets of applied deliveries, in order.
  private func packets(
    from peer: ChainID, in block: DecidedBlock, _ receipts: [Receipt]
  ) throws(NodeFailure) -> [Packet] {
    guard let place = places[peer] else { return [] }
    var next = UInt64(all[place].executed.count) + 1
    var packets: [Packet] = []
    for (entry, receipt) in zip(block.entries, receipts) where receipt.rejection == nil {
      guard case .delivery(let delivery) = entry.content, delivery.source == peer else { continue }
      for proof in delivery.packets where proof.packet.sequence == next {
        packets.append(proof.packet)
        next += 1
      }
    }
    return packets
  }
}
