import Domain

/// Where a line of history's packet went to, or came from.
struct Journey: Hashable, Sendable {
  /// The other grid, or the backbone for one of its accounts.
  var grid: ChainID
  /// There.
  var account: AccountID
}

extension Microgrid {
  /// For each line what the packet says that moved it; nil where none did, or it is not kept here:
  /// a replica that joined by a state lacks the packets before it.
  func journeys(of lines: [HistoryLine]) async throws(NodeFailure) -> [Journey?] {
    guard let backbone else { return lines.map { _ in nil } }
    let (own, other) = (chain, backbone.host.chain)
    func numbers(_ kinds: [HistoryKind]) -> [UInt64] {
      lines.filter { kinds.contains($0.kind) }.map(\.reference)
    }
    let (left, came) = (numbers([.sentAbroad, .refunded]), numbers([.receivedFromAbroad]))
    let sent = try await host.read { store in
      try left.map { try store.packet(to: other, sequence: $0)?.packet }
    }
    let arrived = try await backbone.host.read { store in
      try came.map { try store.packet(to: own, sequence: $0)?.packet }
    }
    func byNumber(_ packets: [Packet?]) -> [UInt64: Packet] {
      packets.reduce(into: [:]) { table, packet in
        if let packet { table[packet.sequence] = packet }
      }
    }
    let (departures, arrivals) = (byNumber(sent), byNumber(arrived))
    return lines.map { line in
      switch line.kind {
      case .sentAbroad, .refunded: departures[line.reference].flatMap(Journey.init)
      case .receivedFromAbroad: arrivals[line.reference].flatMap(Journey.init)
      default: nil
      }
    }
  }
}

extension Journey {
  /// Nil for a packet that carries nothing between accounts of two chains.
  fileprivate init?(_ packet: Packet) {
    switch try? packet.content() {
    case .transferOut(let transfer): self.init(grid: transfer.grid, account: transfer.account)
    case .transferIn(let transfer): self.init(grid: transfer.origin, account: transfer.sender)
    default: return nil
    }
  }
}
