import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import Synchronization

/// Where and how a node listens.
package struct ServerConfiguration: Sendable {
  package enum Security: Sendable {
    /// TLS with a certificate chain and its key, PEM files.
    case certificate(path: String, key: String)
    /// Without TLS; only on a loopback address.
    case plaintext
  }

  /// IPv4 or IPv6 address, or "localhost".
  package var host: String
  /// 0 lets the system choose.
  package var port: Int
  package var security: Security

  package init(host: String, port: Int, security: Security) {
    self.host = host
    self.port = port
    self.security = security
  }

  var isLoopback: Bool { Self.isLoopback(host) }

  package static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.")
  }
}

/// The gRPC server of a node: its services on one port.
package struct NodeServer: Sendable {
  private let grid: Microgrid
  private let configuration: ServerConfiguration

  /// Throws `invalid` when plaintext is asked for beyond the loopback.
  package init(_ grid: Microgrid, _ configuration: ServerConfiguration) throws(NodeFailure) {
    if case .plaintext = configuration.security, !configuration.isLoopback {
      throw .invalid(
        "plaintext is for loopback addresses only; \(configuration.host) needs a certificate")
    }
    if case .certificate(let path, let key) = configuration.security {
      for file in [path, key] where !FileManager.default.isReadableFile(atPath: file) {
        throw .invalid("cannot read the certificate or key \(file)")
      }
    }
    self.grid = grid
    self.configuration = configuration
  }

  private enum Part { case server, port, chain }

  /// Serves until the chain stops or the task is cancelled. `onListening` gets the port. Throws
  /// why the node had to halt, or why it cannot listen.
  package func run(onListening: @escaping @Sendable (Int) -> Void) async throws {
    let connections = ConnectionCap(limit: Limits.connections)
    let transport = transport(connections)
    let health = HealthService()
    let server = GRPCServer(
      transport: transport,
      services: [
        MeterService(grid), MarketService(grid), LedgerService(grid), StatusService(grid),
        BackboneService(grid), health, ReflectionService(),
      ], interceptors: [RequestTracer(log: grid.log)])
    let end = ChainEnd()
    try await withThrowingTaskGroup(of: Part.self) { group in
      group.addTask {
        try await server.serve(untilCancelledWithin: .seconds(10), on: CallThreads.shared) {
          connections.close()
        }
        return .server
      }
      group.addTask {
        // Without one `serve` says why.
        guard let bound = try? await transport.boundAddress else { return .port }
        guard let port = bound.ipv4?.port ?? bound.ipv6?.port else {
          throw NodeFailure.invalid("no port to listen on")
        }
        health.isServing = true
        onListening(port)
        return .port
      }
      group.addTask(executorPreference: NodeThreads.shared) {
        // The chain ends first; calls that wait have their answers; then the server.
        do throws(NodeFailure) { end.tell(.success(try await grid.run())) } catch {
          end.tell(.failure(error))
        }
        health.isServing = false
        await server.end { connections.close() }
        return .chain
      }
      do {
        // Behind the server nobody waits for its port any more.
        for try await part in group where part == .server { group.cancelAll() }
      } catch {
        // A server that is told to end before it listens calls that an error; looked at before the
        // cancellation, which ends the chain.
        let isTold = end.told != nil
        group.cancelAll()
        if !isTold {
          grid.stop()
          if error is NodeFailure || error is CancellationError { throw error }
          throw NodeFailure.invalid(whyNotServing(error))
        }
      }
    }
    try end.told?.get()
  }

  private func transport(_ connections: ConnectionCap) -> HTTP2ServerTransport.Posix {
    let host = configuration.host == "localhost" ? "127.0.0.1" : configuration.host
    let address: GRPCNIOTransportCore.SocketAddress =
      host.contains(":")
      ? .ipv6(host: host, port: configuration.port) : .ipv4(host: host, port: configuration.port)
    return HTTP2ServerTransport.Posix(
      address: address, transportSecurity: security,
      config: Self.transportConfiguration(connections), eventLoopGroup: CallThreads.shared.group)
  }

  /// What the system does not say comes from the certificate and its key.
  private func whyNotServing(_ error: any Error) -> String {
    if case .certificate(let path, let key) = configuration.security, systemError(in: error) == nil
    {
      return "no TLS with the certificate \(path) and the key \(key): \(error)"
    }
    return cannotListen(configuration.host, configuration.port, option: "--listen", error)
  }

  private var security: HTTP2ServerTransport.Posix.TransportSecurity {
    switch configuration.security {
    case .plaintext: .plaintext
    case .certificate(let path, let key):
      .tls(
        certificateChain: [.file(path: path, format: .pem)],
        privateKey: .file(path: key, format: .pem))
    }
  }

  /// Sized for meter streams: windows that keep a stream busy over a slow line, bounded streams a
  /// connection and bounded connections, pings allowed on idle streams.
  private static func transportConfiguration(
    _ connections: ConnectionCap
  ) -> HTTP2ServerTransport.Posix.Config {
    .defaults { config in
      config.http2.targetWindowSize = 1 << 20
      config.http2.maxConcurrentStreams = Limits.streamsPerConnection
      config.rpc.maxRequestPayloadSize = Limits.messageBytes
      config.connection.maxGraceTime = .seconds(5)
      config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(5)
      config.connection.keepalive.clientBehavior.allowWithoutCalls = true
      config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
        channel.eventLoop.makeCompletedFuture {
          try FrameAligner.install(.server, on: channel)
        }.flatMap { connections.admit(channel) }
      }
    }
  }
}

/// How the chain ended, from when it did.
private final class ChainEnd: Sendable {
  private let result = Mutex<Result<Void, NodeFailure>?>(nil)

  var told: Result<Void, NodeFailure>? { result.withLock { $0 } }

  func tell(_ end: Result<Void, NodeFailure>) { result.withLock { $0 = end } }
}

/// Closes connections beyond a limit as they arrive, and at last all that arrive.
private final class ConnectionCap: Sendable {
  private let isClosed = Atomic(false)
  private let count = Atomic(0)
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  func close() { isClosed.store(true, ordering: .relaxed) }

  func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
    guard !isClosed.load(ordering: .relaxed) else {
      return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }
    let before = count.add(1, ordering: .relaxed).oldValue
    channel.closeFuture.whenComplete { [self] _ in count.subtract(1, ordering: .relaxed) }
    return before < limit ? channel.eventLoop.makeSucceededVoidFuture() : channel.close()
  }
}
