import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Wire

/// Takes the peers' links. The response's headers, which go out before the first frame is read,
/// tell the caller that its link stands.
struct PeerService: Intertie_V1_Peer.StreamingServiceProtocol {
  let network: PeerNetwork

  func link(request: StreamingServerRequest<Intertie_V1_Frame>, context: ServerContext) async throws
    -> StreamingServerResponse<Intertie_V1_LinkEnd>
  {
    let peer = try network.caller(of: context)
    let refused = peer.refused(now: network.now)
    guard refused == 0 else {
      let reason = peer.status(now: network.now).lastOffence ?? "what was sent before"
      throw RPCError(
        code: .unavailable,
        message: "refused for \(refused / 1_000_000 + 1) s more, because of: \(reason)")
    }
    return StreamingServerResponse { writer in
      try await network.hear(peer, request.messages)
      try await writer.write(Intertie_V1_LinkEnd())
      return [:]
    }
  }
}

extension PeerNetwork {
  /// The peer behind a call on the peer port, for any service there. Throws PERMISSION_DENIED
  /// when it is not, or no longer, in the peers file.
  func caller(of context: ServerContext) throws -> Peer {
    guard let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context,
      let certificate = transport.peerCertificate,
      let key = try? NodeCertificate.key(of: certificate), let peer = roster.peer(key)
    else { throw RPCError(code: .permissionDenied, message: "not in the peers file") }
    return peer
  }

  /// Its key, for services beside `Peer`.
  package func callerKey(of context: ServerContext) throws -> PublicKey {
    try caller(of: context).key
  }

  /// Reads an incoming link until it ends, is replaced, or is cut.
  func hear(_ peer: Peer, _ frames: RPCAsyncSequence<Intertie_V1_Frame, any Error>) async throws {
    let end = Latch()
    peer.attach(end, now: now)
    defer { peer.detach(end) }
    // After it is attached: a peer that is removed now finds it.
    if peer.removed.isOpen || isStopping { end.open() }
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        defer { group.cancelAll() }
        group.addTask {
          var receiver = PeerReceiver(peer, self.reception)
          for try await frame in frames { try await receiver.take(frame) }
        }
        group.addTask {
          await end.wait()
          try Task.checkCancellation()
          throw self.ending(of: peer)
        }
        try await group.next()
      }
    } catch is CancellationError {
      // What the transport says of a stream that broke off.
      throw RPCError(code: .cancelled, message: "the link broke off")
    } catch let offence as PeerOffence {
      let span = peer.refuse(because: offence.reason, now: now) / 1_000_000
      log.warning(
        "peer cut",
        metadata: [
          "peer": "\(peer.key.text(as: .node))", "reason": "\(offence.reason)",
          "refused": "\(span) s",
        ])
      throw RPCError(
        code: .invalidArgument, message: "cut, and refused for \(span) s: \(offence.reason)")
    }
  }

  private func ending(of peer: Peer) -> RPCError {
    if isStopping { return RPCError(code: .unavailable, message: "the node is stopping") }
    if peer.removed.isOpen {
      return RPCError(code: .permissionDenied, message: "not in the peers file any more")
    }
    return RPCError(code: .aborted, message: "a newer link of the same key replaced this one")
  }
}
