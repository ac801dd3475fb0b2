import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Wire

/// The pauses between attempts to reach a peer.
package struct Pauses: Sendable {
  private var next = PeerLimits.firstPause

  package init() {}

  /// µs: between half of the current pause and all of it, by `jitter` (0...1); doubles the pause.
  package mutating func take(jitter: Double) -> Int64 {
    defer { next = min(2 * next, PeerLimits.longestPause) }
    return next / 2 + Int64(Double(next / 2) * jitter)
  }

  package mutating func reset() { next = PeerLimits.firstPause }
}

extension PeerNetwork {
  /// Keeps this node's link to a peer until the peer leaves the file or the task is cancelled.
  func keepLink(to peer: Peer) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.redial(peer) }
      group.addTask { await peer.removed.wait() }
      await group.next()
      group.cancelAll()
    }
  }

  private func redial(_ peer: Peer) async {
    var pauses = Pauses()
    var wasTurnedAway = false
    while !Task.isCancelled {
      let stood = Latch()
      let begun = now
      let reason = await dial(peer, stood)
      peer.outgoing(since: nil)
      guard !Task.isCancelled else { return }
      peer.failed(reason)
      if PeerRefusal.isMeant(by: reason), !wasTurnedAway {
        wasTurnedAway = true
        log.warning(
          "turned away by a peer",
          metadata: [
            "peer": "\(peer.key.text(as: .node))",
            "reason": "\(PeerRefusal.text(own: ownKey))",
          ])
      }
      if stood.isOpen {
        log.notice(
          "link to peer ended",
          metadata: ["peer": "\(peer.key.text(as: .node))", "reason": "\(reason)"])
        if now - begun >= PeerLimits.lived { pauses.reset() }
      }
      let pause = pauses.take(jitter: .random(in: 0...1))
      try? await Task.sleep(for: .microseconds(pause))
    }
  }

  /// One link, from its beginning to its end; opens `stood` when the other side has taken it. Why
  /// it ended, or never stood.
  private func dial(_ peer: Peer, _ stood: Latch) async -> String {
    let fault = FaultNote()
    let meter = WireMeter(outbox: peer.outbox, link: peer.outbox.begin())
    do {
      let transport = try transport.client(
        to: peer.key, at: peer.address, fault: fault, meter: meter)
      try await withGRPCClient(transport: transport) { client in
        try await speak(to: peer, client, stood)
      }
      return "the peer ended the link"
    } catch {
      return fault.noted?.description ?? Self.reason(of: error)
    }
  }

  private func speak(
    to peer: Peer, _ client: GRPCClient<PeerClientTransport>, _ stood: Latch
  ) async throws {
    let request = StreamingClientRequest<Intertie_V1_Frame> { writer in
      await stood.wait()
      while let pieces = await peer.outbox.take() {
        try await writer.write(contentsOf: pieces.lazy.map { Intertie_V1_Frame($0) })
        peer.sent(bytes: pieces.reduce(0) { $0 + $1.bytes.count })
      }
    }
    try await Intertie_V1_Peer.Client(wrapping: client).link(request: request) { response in
      let contents = try response.accepted.get()
      peer.outgoing(since: self.now)
      stood.open()
      try await withThrowingTaskGroup(of: Void.self) { group in
        defer { group.cancelAll() }
        group.addTask {
          await self.reception.receive(PeerDelivery(from: peer.key, content: .connected))
        }
        // Until the one message that ends it; whoever sends more is not listened to.
        for try await _ in contents.bodyParts { break }
      }
    }
  }

  /// A connection to one peer, its key demanded, for the services beside `Peer` on its port; it is
  /// closed when `body` ends. Throws `notFound` when the peers file has no such peer, else what
  /// gRPC or `body` throws.
  package func withConnection<T: Sendable>(
    to key: PublicKey, _ body: (GRPCClient<PeerClientTransport>) async throws -> T
  ) async throws -> T {
    guard let peer = roster.peer(key) else {
      throw NodeFailure.notFound("no peer \(key.text(as: .node)) in the peers file")
    }
    let client = try transport.client(
      to: key, at: peer.address, fault: FaultNote(), meter: nil)
    return try await withGRPCClient(transport: client, handleClient: body)
  }

  private static func reason(of error: any Error) -> String {
    guard let error = error as? RPCError else { return "\(error)" }
    let cause = error.cause.map { " (\(reason(of: $0)))" } ?? ""
    return error.message + cause
  }
}

extension Intertie_V1_Frame {
  init(_ piece: OutboxPiece) {
    self.init()
    lane = UInt32(piece.lane.rawValue)
    isLast = piece.isLast
    self.piece = Data(piece.bytes)
  }
}
