import Domain
import Foundation
import GRPCCore
import Wire

/// The other nodes of a chain, of whom one may have what this node never had.
package struct PacketPeers: Sendable {
  /// The newest list of them, in any order.
  package var all: @Sendable () -> [PublicKey]
  /// The answer of one, as it came; nil when it has nothing.
  package var ask: @Sendable (PublicKey, LaneQuestion) async throws -> [UInt8]?

  package init(
    all: @escaping @Sendable () -> [PublicKey],
    ask: @escaping @Sendable (PublicKey, LaneQuestion) async throws -> [UInt8]?
  ) {
    self.all = all
    self.ask = ask
  }

  /// Of a chain that this node keeps alone.
  package static let none = PacketPeers(all: { [] }, ask: { _, _ in nil })
}

extension PacketPeers {
  init(_ network: PeerNetwork?) {
    guard let network else {
      self = .none
      return
    }
    self.init(
      all: { network.roster.peers.map(\.key) },
      ask: { peer, question in
        try await network.withConnection(to: peer) { client in
          var request = Intertie_V1_LaneRequest()
          request.destination = question.destination.data
          request.received = question.received
          request.epoch = question.epoch
          var options = CallOptions.defaults
          options.timeout = .seconds(LaneLimits.answerSeconds)
          options.waitForReady = false
          options.maxResponseMessageBytes = Limits.deliveryBytes + 64
          let response = try await Intertie_V1_Lanes.Client(wrapping: client).next(
            request, options: options)
          return response.delivery.isEmpty ? nil : Array(response.delivery)
        }
      })
  }
}
