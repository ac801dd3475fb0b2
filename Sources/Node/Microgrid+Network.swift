import Consensus
import Domain
import Storage

extension Microgrid {
  /// Of entries that another node hands on, those that would not be refused if a client brought
  /// them, in their order.
  package static func select(
    _ entries: [VerifiedEntry], view: ReadView, meters: MeterActor, time: Timestamp
  ) async -> [VerifiedEntry] {
    var readings: [Reading] = []
    for case .reading(let reading) in entries.lazy.map(\.content) { readings.append(reading) }
    // One call for all, as for a client's readings.
    var refusals = readings.isEmpty ? [] : await meters.admit(readings, time: time)
    refusals.reverse()
    return entries.filter { entry in
      switch entry.content {
      case .reading: refusals.popLast() == .some(nil)
      case .command(let command):
        command.expires >= time && view.refusal(of: command) == nil
      case .delivery(let delivery): view.refusal(of: delivery) == nil
      case .report: false
      }
    }
  }

  /// How this node stands among the others, as of now.
  package var networkStatus: NetworkStatus {
    NetworkStatus(
      peers: host.network?.status ?? [], evidence: Int(store.evidenceCount),
      isAbstaining: view.standing.isAbstaining)
  }
}

extension ReplicaInput {
  init(_ delivery: PeerDelivery) {
    switch delivery.content {
    case .connected: self = .connected(delivery.from)
    case .consensus(let message): self = .message(message, from: delivery.from)
    case .entries(let entries): self = .entries(entries, from: delivery.from)
    }
  }
}

extension PeerDelivery {
  /// About as many bytes as it takes in memory.
  var weight: Int {
    switch content {
    case .connected: 64
    case .consensus(.proposal(let block, _)): 512 + block.body.count
    case .consensus(.answer(let answer)):
      512 * (1 + answer.certificates.count + answer.blocks.count)
        + answer.blocks.reduce(0) { $0 + $1.body.count }
    case .consensus: 512
    case .entries(let entries): entries.reduce(64) { $0 + 256 + $1.encodedSize }
    }
  }
}
