import Domain
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// The incoming connections of the peer port, by key: who may come in, and how many.
///
/// A key is checked in the handshake and again after it, because a resumed TLS session has none
/// of its own; and its connections are closed when it leaves the peers file. Whoever has not shown
/// a key waits in the `PeerQueue` and takes no place from those who have: each key of the file has
/// places of its own.
final class PeerDoor: Sendable {
  private struct State {
    var queue = PeerQueue<ObjectIdentifier>()
    /// Those in the queue.
    var waiting: [ObjectIdentifier: any Channel] = [:]
    var byKey: [PublicKey: [ObjectIdentifier: any Channel]] = [:]
    var refusals: UInt64 = 0
    var lastRefusal: String?
    /// Keys that the peers file does not have and that were told of; at most
    /// `PeerLimits.strangers`.
    var strangers: Set<PublicKey> = []
    var isClosed = false
  }

  private let state = Mutex(State())
  private let roster: PeerRoster
  /// Hears of each key that is not in the peers file once, as far as they are remembered.
  private let onStranger: @Sendable (PublicKey) -> Void

  init(_ roster: PeerRoster, onStranger: @escaping @Sendable (PublicKey) -> Void) {
    self.roster = roster
    self.onStranger = onStranger
  }

  /// Connections that were refused, and why the last one was.
  var refusals: (count: UInt64, last: String?) {
    state.withLock { ($0.refusals, $0.lastRefusal) }
  }

  /// Where the peers are, by the file as it stands now.
  func know(_ addresses: [PeerAddress]) { state.withLock { $0.queue.know(addresses) } }

  func check(_ key: PublicKey) throws(CertificateFault) {
    guard roster.peer(key) == nil else { return }
    let isNew = state.withLock { state in
      state.strangers.count < PeerLimits.strangers && state.strangers.insert(key).inserted
    }
    if isNew { onStranger(key) }
    throw CertificateFault("\(key.text(as: .node)) is not in the peers file")
  }

  func refused(_ fault: CertificateFault) {
    state.withLock { state in
      state.refusals += 1
      state.lastRefusal = fault.description
    }
  }

  /// Closes all connections that arrive from now on.
  func close() { state.withLock { $0.isClosed = true } }

  /// A connection arrives. Another is closed when there are too many that have not shown a key,
  /// and this one after a while when it has not.
  func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
    guard !state.withLock({ $0.isClosed }) else {
      return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }
    let id = ObjectIdentifier(channel)
    let source = PeerSource(channel.remoteAddress)
    let excess = state.withLock { state in
      state.waiting[id] = channel
      return state.queue.admit(id, from: source).flatMap { state.waiting.removeValue(forKey: $0) }
    }
    channel.closeFuture.whenComplete { [self] _ in leave(id) }
    channel.eventLoop.scheduleTask(in: .microseconds(PeerLimits.handshake)) { [self] in
      if isWaiting(id) { PeerGate.close(channel) }
    }
    if let excess {
      refused(CertificateFault("too many connections that have not shown a key"))
      PeerGate.close(excess)
    }
    return channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      let tls = try pipeline.handler(type: NIOSSLServerHandler.self)
      try pipeline.addHandler(PeerKnock(door: self), position: .first)
      try pipeline.addHandler(PeerGate(door: self), position: .after(tls))
    }
  }

  private func isWaiting(_ id: ObjectIdentifier) -> Bool {
    state.withLock { $0.waiting[id] != nil }
  }

  /// It has begun to speak.
  fileprivate func hear(_ channel: any Channel) {
    state.withLock { $0.queue.spoke(ObjectIdentifier(channel)) }
  }

  /// The handshake is over. Throws when the connection must be closed.
  fileprivate func enter(_ channel: any Channel, _ certificate: NIOSSLCertificate?)
    throws(CertificateFault)
  {
    let key = try NodeCertificate.key(of: certificate.map { [$0] } ?? [])
    let id = ObjectIdentifier(channel)
    let (wasWaiting, hasRoom) = state.withLock { state in
      state.queue.remove(id)
      let wasWaiting = state.waiting.removeValue(forKey: id) != nil
      state.byKey[key, default: [:]][id] = channel
      return (wasWaiting, state.byKey[key, default: [:]].count <= PeerLimits.connectionsPerKey)
    }
    // After it stands in the table: a key that leaves the file now is found there.
    do throws(CertificateFault) {
      try check(key)
      guard wasWaiting else { throw CertificateFault("closed while it showed its key") }
      guard hasRoom else {
        throw CertificateFault("too many connections of \(key.text(as: .node))")
      }
    } catch {
      forget(id, of: key)
      throw error
    }
    channel.closeFuture.whenComplete { [self] _ in forget(id, of: key) }
  }

  private func leave(_ id: ObjectIdentifier) {
    state.withLock { state in
      state.queue.remove(id)
      state.waiting[id] = nil
    }
  }

  private func forget(_ id: ObjectIdentifier, of key: PublicKey) {
    state.withLock { state in
      state.byKey[key]?[id] = nil
      if state.byKey[key]?.isEmpty == true { state.byKey[key] = nil }
    }
  }

  /// Closes the connections of a key that left the peers file.
  func close(_ key: PublicKey) {
    let channels = state.withLock { $0.byKey[key].map { Array($0.values) } ?? [] }
    for channel in channels { channel.close(promise: nil) }
  }
}

/// Sits before TLS on one connection and tells the door of its first bytes.
private final class PeerKnock: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let door: PeerDoor

  init(door: PeerDoor) { self.door = door }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    door.hear(context.channel)
    context.fireChannelRead(data)
    context.pipeline.syncOperations.removeHandler(self, promise: nil)
  }
}

/// Sits behind TLS on one connection and asks the door once the handshake is over.
private final class PeerGate: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  private let door: PeerDoor

  init(door: PeerDoor) { self.door = door }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted = event else {
      context.fireUserInboundEventTriggered(event)
      return
    }
    do throws(CertificateFault) {
      let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
      try door.enter(context.channel, tls?.peerCertificate)
      context.fireUserInboundEventTriggered(event)
    } catch {
      door.refused(error)
      context.close(promise: nil)
    }
  }

  /// Closes a connection whose handshake is not over: at once, since TLS would wait for a farewell
  /// that a stranger need not give, and keep the socket for as long. One that is still being set up
  /// is closed when it is active: NIO's asynchronous channels trap when they are closed before.
  static func close(_ channel: any Channel, patience: Int = PeerLimits.closingAttempts) {
    channel.eventLoop.execute {
      guard channel.isActive || patience == 0 else {
        channel.eventLoop.scheduleTask(in: .microseconds(PeerLimits.closingPause)) {
          close(channel, patience: patience - 1)
        }
        return
      }
      let tls = try? channel.pipeline.syncOperations.context(
        handlerType: NIOSSLServerHandler.self)
      if let tls { tls.close(promise: nil) } else { channel.close(promise: nil) }
    }
  }
}
