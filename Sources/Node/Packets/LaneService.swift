import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import Wire

/// Bounds of answering questions for packets.
package enum LaneLimits {
  /// Questions of one peer a second, and under way at a time; and of all peers at a time. An answer
  /// reads what one outbox root covers.
  package static let questionsPerSecond = 32
  static let questionsPerPeer = 2
  static let questions = 8
  /// In which an answer must be there.
  static let answerSeconds: Int64 = 5
}

/// Gives nodes that joined the chain by a state the packets of blocks that they never had.
package struct LaneService: Intertie_V1_Lanes.SimpleServiceProtocol {
  private let source: PacketSource
  private let caller: @Sendable (ServerContext) throws -> PublicKey
  private let asked = LaneAllowances()
  private let now: @Sendable () -> Int64

  /// `caller` tells who calls, and throws when it is nobody who may; `now` gives µs of a clock that
  /// does not go back.
  package init(
    _ source: PacketSource, now: @escaping @Sendable () -> Int64 = PeerConfiguration.monotonic(),
    caller: @escaping @Sendable (ServerContext) throws -> PublicKey
  ) {
    self.source = source
    self.now = now
    self.caller = caller
  }

  package func next(
    request: Intertie_V1_LaneRequest, context: ServerContext
  ) async throws -> Intertie_V1_LaneResponse {
    let peer = try caller(context)
    return try await serving {
      guard let destination = ChainID(request.destination), request.epoch > 0 else {
        throw NodeFailure.invalid("a lane is asked for by the id of its chain and an epoch")
      }
      try asked.begin(peer, now: now())
      defer { asked.end(peer) }
      let answer = try await source.answer(
        LaneQuestion(
          destination: destination, received: request.received, epoch: request.epoch))
      var response = Intertie_V1_LaneResponse()
      if case .delivery(let delivery) = answer { response.delivery = Data(delivery.encoded) }
      return response
    }
  }
}

/// What each peer may ask for. Those that stay silent are forgotten.
private final class LaneAllowances: Sendable {
  private struct Allowance {
    var rate: TokenBucket
    var underWay = 0
    var last: Int64
  }

  private let peers = Mutex<[PublicKey: Allowance]>([:])
  /// µs after which a peer has its whole allowance again.
  private static let memory: Int64 = 2_000_000

  /// Throws `busy` when the peer asks too often, or all together at a time.
  func begin(_ peer: PublicKey, now: Int64) throws(NodeFailure) {
    let isTaken = peers.withLock { peers in
      peers = peers.filter { $0.value.underWay > 0 || $0.value.last + Self.memory > now }
      let all = peers.values.reduce(0) { $0 + $1.underWay }
      var own =
        peers[peer]
        ?? Allowance(
          rate: TokenBucket(perSecond: LaneLimits.questionsPerSecond, now: now), last: now)
      guard own.underWay < LaneLimits.questionsPerPeer, all < LaneLimits.questions,
        own.rate.admits(now: now)
      else { return false }
      own.underWay += 1
      own.last = now
      peers[peer] = own
      return true
    }
    guard isTaken else { throw .busy("too many questions for packets; try again in a moment") }
  }

  func end(_ peer: PublicKey) {
    peers.withLock { $0[peer]?.underWay -= 1 }
  }
}

extension ServerContext {
  /// The peer at the other end of a connection to the peer port, where only nodes of the peers file
  /// get in: each is known by its certificate.
  func peerKey() throws -> PublicKey {
    guard let transport = transportSpecific as? HTTP2ServerTransport.Posix.Context,
      let certificate = transport.peerCertificate,
      let key = try? NodeCertificate.key(of: certificate)
    else { throw RPCError(code: .permissionDenied, message: "not in the peers file") }
    return key
  }
}
