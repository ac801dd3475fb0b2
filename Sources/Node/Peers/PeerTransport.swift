import Domain
import GRPCCore
import GRPCNIOTransportCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOHTTP2
import NIOSSL
import Synchronization

package typealias PeerClientTransport = HTTP2ClientTransport.Posix

/// The transports between nodes: TLS with both certificates, keys checked by callbacks on both
/// sides; windows, pings and buffers sized for few long streams on which small messages are
/// urgent.
package struct PeerTransport: Sendable {
  private let identity: NodeCertificate
  private let keepalive: PeerKeepalive

  package init(identity: NodeCertificate, keepalive: PeerKeepalive = PeerKeepalive()) {
    self.identity = identity
    self.keepalive = keepalive
  }

  /// On every connection: bounds what the kernel holds back from the wire, so that a vote never
  /// queues behind megabytes in the socket, and closes it when the other side falls silent.
  private func prepare(_ channel: any Channel, _ side: FrameAligner.Side) -> EventLoopFuture<Void> {
    let silence = keepalive.silence
    return channel.eventLoop.makeCompletedFuture {
      try FrameAligner.install(side, on: channel)
      try channel.pipeline.syncOperations.addHandler(
        SilenceHandler(limit: silence), position: .first)
    }.flatMap {
      #if os(Linux)
        // TCP_NOTSENT_LOWAT (tcp.7). Without it the link works, only less promptly.
        let unsent = ChannelOptions.Types.SocketOption.tcpOption(
          NIOBSDSocket.Option(rawValue: 25))
        return channel.setOption(unsent, value: SocketOptionValue(PeerLimits.unsentBytes))
          .flatMapError { _ in channel.eventLoop.makeSucceededVoidFuture() }
      #else
        return channel.eventLoop.makeSucceededVoidFuture()
      #endif
    }
  }

  // MARK: client

  /// Dials `address` and demands `key` there; `fault` hears why the other side's certificate was
  /// refused. With `meter`, tells an outbox what the socket has taken of its link.
  package func client(
    to key: PublicKey, at address: PeerAddress, fault: FaultNote, meter: WireMeter?
  ) throws -> PeerClientTransport {
    let security = PeerClientTransport.TransportSecurity.mTLS(
      certificateChain: [.bytes(identity.certificate, format: .der)],
      privateKey: .bytes(identity.privateKey, format: .pem)
    ) { tls in
      tls.serverCertificateVerification = .noHostnameVerification
      tls.trustRoots = .certificates([])
      tls.customVerificationCallback = { chain, promise in
        Self.decide(chain, promise) { found throws(CertificateFault) in
          guard found != key else { return }
          throw CertificateFault("another node answers there: \(found.text(as: .node))")
        } onFault: {
          fault.note($0)
        }
      }
    }
    let host = address.host == "localhost" ? "127.0.0.1" : address.host
    let isIPv4 = host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
    let target: any ResolvableTarget =
      host.contains(":")
      ? .ipv6(address: host, port: address.port)
      : isIPv4
        ? .ipv4(address: host, port: address.port) : .dns(host: host, port: address.port)
    return try PeerClientTransport(
      target: target, transportSecurity: security,
      config: .defaults { config in
        config.http2.targetWindowSize = PeerLimits.windowBytes
        config.connection.maxIdleTime = nil
        config.connection.flushCoalescing = nil
        config.connection.keepalive = .init(
          time: keepalive.after, timeout: keepalive.answer, allowWithoutCalls: true)
        config.channelDebuggingCallbacks.onCreateTCPConnection = { prepare($0, .client) }
        if let meter {
          config.channelDebuggingCallbacks.onCreateHTTP2Stream = { meter.install(on: $0) }
        }
      })
  }

  // MARK: server

  /// Listens, and lets in only keys that `door` knows.
  func server(on address: GRPCNIOTransportCore.SocketAddress, door: PeerDoor)
    -> HTTP2ServerTransport.Posix
  {
    let security = HTTP2ServerTransport.Posix.TransportSecurity.mTLS(
      certificateChain: [.bytes(identity.certificate, format: .der)],
      privateKey: .bytes(identity.privateKey, format: .pem)
    ) { tls in
      tls.trustRoots = .certificates([])
      tls.requireALPN = true
      tls.customVerificationCallback = { chain, promise in
        Self.decide(chain, promise) { found throws(CertificateFault) in
          try door.check(found)
        } onFault: {
          door.refused($0)
        }
      }
    }
    return HTTP2ServerTransport.Posix(
      address: address, transportSecurity: security,
      config: .defaults { config in
        config.http2.targetWindowSize = PeerLimits.windowBytes
        config.http2.maxConcurrentStreams = PeerLimits.streamsPerConnection
        // A frame's piece, and its other fields.
        config.rpc.maxRequestPayloadSize = PeerLimits.pieceBytes + 64
        config.connection.flushCoalescing = nil
        config.connection.maxGraceTime = .seconds(1)
        config.connection.keepalive.time = keepalive.after
        config.connection.keepalive.timeout = keepalive.answer
        config.connection.keepalive.clientBehavior.allowWithoutCalls = true
        config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls =
          .milliseconds(100)
        config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
          door.admit(channel).flatMap { prepare(channel, .server) }
        }
      })
  }

  /// Answers TLS: the chain is a node's, of a key that `check` accepts.
  private static func decide(
    _ chain: [NIOSSLCertificate],
    _ promise: EventLoopPromise<NIOSSLVerificationResultWithMetadata>,
    check: (PublicKey) throws(CertificateFault) -> Void,
    onFault: (CertificateFault) -> Void
  ) {
    do throws(CertificateFault) {
      try check(try NodeCertificate.key(of: chain))
      promise.succeed(
        .certificateVerified(VerificationMetadata(ValidatedCertificateChain(chain))))
    } catch {
      onFault(error)
      promise.succeed(.failed)
    }
  }
}

/// When a silent peer is asked whether it lives, and how long it has to answer; on both sides.
package struct PeerKeepalive: Sendable {
  package var after: Duration = .microseconds(PeerLimits.keepalive)
  package var answer: Duration = .microseconds(PeerLimits.keepaliveAnswer)

  package init() {}

  /// A side that reads nothing for so long, though both ask, is alone.
  var silence: TimeAmount { TimeAmount(after + answer) }
}

/// Closes a connection on which nothing was read for too long. gRPC's own keepalive makes the
/// other side answer; but when it does not, the transport's server shuts down gracefully, which
/// waits for that very answer, and TLS waits for a farewell. So this sits before both and simply
/// closes the socket.
private final class SilenceHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let limit: TimeAmount
  private var heard = NIODeadline.now()
  private var watch: Scheduled<Void>?

  init(limit: TimeAmount) { self.limit = limit }

  func handlerAdded(context: ChannelHandlerContext) { arm(context, in: limit) }
  func handlerRemoved(context: ChannelHandlerContext) { watch?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    heard = .now()
    context.fireChannelRead(data)
  }

  private func arm(_ context: ChannelHandlerContext, in time: TimeAmount) {
    watch = context.eventLoop.assumeIsolated().scheduleTask(in: time) {
      let rest = self.heard + self.limit - .now()
      if rest > .zero {
        self.arm(context, in: rest)
      } else {
        context.close(promise: nil)
      }
    }
  }
}

/// Why a dialled node's certificate was refused, for whoever dialled.
package final class FaultNote: Sendable {
  private let fault = Mutex<CertificateFault?>(nil)

  package init() {}

  func note(_ new: CertificateFault) { fault.withLock { $0 = new } }

  package var noted: CertificateFault? { fault.withLock { $0 } }
}

/// Tells an outbox what the socket has taken of its link's stream.
package struct WireMeter: Sendable {
  let outbox: PeerOutbox
  let link: UInt64

  func install(on stream: any Channel) -> EventLoopFuture<Void> {
    stream.eventLoop.makeCompletedFuture {
      // First: nearest to the connection, where data frames pass whose writing is reported.
      try stream.pipeline.syncOperations.addHandler(
        WireMeterHandler(meter: self), position: .first)
    }
  }
}

private final class WireMeterHandler: ChannelOutboundHandler {
  typealias OutboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  private let meter: WireMeter

  init(meter: WireMeter) { self.meter = meter }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .data(let frame) = unwrapOutboundIn(data), frame.data.readableBytes > 0 else {
      context.write(data, promise: promise)
      return
    }
    let bytes = frame.data.readableBytes
    let meter = self.meter
    let written = promise ?? context.eventLoop.makePromise()
    written.futureResult.whenComplete { _ in meter.outbox.wrote(bytes, link: meter.link) }
    context.write(data, promise: written)
  }
}
