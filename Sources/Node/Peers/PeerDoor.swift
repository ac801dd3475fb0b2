import Domain
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// The incoming connections of the peer port, by key: who may come in, and how many.
///
/// A key is checked in the handshake and again after it, because a resumed TLS session has none
/// of its own; and its connections are closed when it leaves the peers file.
final class PeerDoor: Sendable {
  private struct State {
    var connections = 0
    var handshakes = 0
    var byKey: [PublicKey: [ObjectIdentifier: any Channel]] = [:]
    var refusals: UInt64 = 0
    var lastRefusal: String?
  }

  private let state = Mutex(State())
  private let roster: PeerRoster

  init(_ roster: PeerRoster) { self.roster = roster }

  /// Connections that were refused, and why the last one was.
  var refusals: (count: UInt64, last: String?) {
    state.withLock { ($0.refusals, $0.lastRefusal) }
  }

  func check(_ key: PublicKey) throws(CertificateFault) {
    guard roster.peer(key) == nil else { return }
    throw CertificateFault("\(key.text(as: .node)) is not in the peers file")
  }

  func refused(_ fault: CertificateFault) {
    state.withLock { state in
      state.refusals += 1
      state.lastRefusal = fault.description
    }
  }

  /// A connection arrives. Closed at once when there are too many, and after a while when it has
  /// not shown its key.
  func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
    let isAdmitted = state.withLock { state in
      guard state.connections < PeerLimits.connections, state.handshakes < PeerLimits.handshakes
      else { return false }
      state.connections += 1
      state.handshakes += 1
      return true
    }
    guard isAdmitted else {
      refused(CertificateFault("too many connections"))
      return channel.close()
    }
    let gate = PeerGate(door: self)
    channel.closeFuture.whenComplete { [self] _ in leave(channel, gate) }
    channel.eventLoop.scheduleTask(in: .microseconds(PeerLimits.handshake)) {
      if gate.key == nil { channel.close(promise: nil) }
    }
    return channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      let tls = try pipeline.handler(type: NIOSSLServerHandler.self)
      try pipeline.addHandler(gate, position: .after(tls))
    }
  }

  /// The handshake is over. Throws when the connection must be closed.
  fileprivate func enter(_ channel: any Channel, _ certificate: NIOSSLCertificate?)
    throws(CertificateFault) -> PublicKey
  {
    let key = try NodeCertificate.key(of: certificate.map { [$0] } ?? [])
    let hasRoom = state.withLock { state in
      state.handshakes -= 1
      state.byKey[key, default: [:]][ObjectIdentifier(channel)] = channel
      return state.byKey[key, default: [:]].count <= PeerLimits.connectionsPerKey
    }
    // After it stands in the table: a key that leaves the file now is found there.
    do throws(CertificateFault) {
      try check(key)
      guard hasRoom else {
        throw CertificateFault("too many connections of \(key.text(as: .node))")
      }
    } catch {
      state.withLock { $0.handshakes += 1 }
      forget(channel, of: key)
      throw error
    }
    return key
  }

  private func leave(_ channel: any Channel, _ gate: PeerGate) {
    let key = gate.key
    state.withLock { state in
      state.connections -= 1
      if key == nil { state.handshakes -= 1 }
    }
    if let key { forget(channel, of: key) }
  }

  private func forget(_ channel: any Channel, of key: PublicKey) {
    state.withLock { state in
      state.byKey[key]?[ObjectIdentifier(channel)] = nil
      if state.byKey[key]?.isEmpty == true { state.byKey[key] = nil }
    }
  }

  /// Closes the connections of a key that left the peers file.
  func close(_ key: PublicKey) {
    let channels = state.withLock { $0.byKey[key].map { Array($0.values) } ?? [] }
    for channel in channels { channel.close(promise: nil) }
  }
}

/// Sits behind TLS on one connection and asks the door once the handshake is over.
private final class PeerGate: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  private let door: PeerDoor
  private let entered = Mutex<PublicKey?>(nil)

  init(door: PeerDoor) { self.door = door }

  /// The key that was let in.
  var key: PublicKey? { entered.withLock { $0 } }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted = event else {
      context.fireUserInboundEventTriggered(event)
      return
    }
    do throws(CertificateFault) {
      let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
      let key = try door.enter(context.channel, tls?.peerCertificate)
      entered.withLock { $0 = key }
      context.fireUserInboundEventTriggered(event)
    } catch {
      door.refused(error)
      context.close(promise: nil)
    }
  }
}
