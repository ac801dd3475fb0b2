import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Wire

package typealias LoadTransport = HTTP2ClientTransport.Posix

/// Where a node is and how its certificate is checked.
package struct LoadAddress: Hashable, Sendable {
  package enum Security: Hashable, Sendable {
    case plaintext
    /// Against the system's roots.
    case system
    /// Against this certificate or its issuer's, PEM.
    case file(String)
  }

  package var host: String
  package var port: Int
  package var security: Security

  package init(host: String, port: Int, security: Security) {
    self.host = host
    self.port = port
    self.security = security
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One connection to a node, and the services on it.
package final class LoadConnection: Sendable {
  package let address: LoadAddress
  package let meter: Intertie_V1_Meter.Client<LoadTransport>
  package let market: Intertie_V1_Market.Client<LoadTransport>
  package let ledger: Intertie_V1_Ledger.Client<LoadTransport>
  package let status: Intertie_V1_Status.Client<LoadTransport>
  package let backbone: Intertie_V1_Backbone.Client<LoadTransport>
  private let client: GRPCClient<LoadTransport>

  /// Calls give up after some time.
  package static let options: CallOptions = {
    var options = CallOptions.defaults
    options.timeout = .seconds(LoadLimits.callSeconds)
    return options
  }()

  /// Throws `LoadFailure` for a file without certificates.
  package init(_ address: LoadAddress) throws {
    self.address = address
    let (host, port) = (address.host, address.port)
    let target: any ResolvableTarget =
      host.contains(":")
      ? .ipv6(address: host, port: port)
      : host.allSatisfy({ $0.isNumber || $0 == "." })
        ? .ipv4(address: host, port: port) : .dns(host: host, port: port)
    let security: LoadTransport.TransportSecurity =
      switch address.security {
      case .plaintext: .plaintext
      case .system: .tls
      case .file(let path):
        .tls { $0.trustRoots = .certificates([.file(path: path, format: .pem)]) }
      }
    do {
      client = GRPCClient(
        transport: try LoadTransport(
          target: target, transportSecurity: security,
          config: .defaults { config in
            config.http2.targetWindowSize = 4 << 20
            // A node that starts again is found again within a second or so.
            config.backoff = .init(
              initial: .milliseconds(100), max: .seconds(2), multiplier: 1.6, jitter: 0.2)
          }))
    } catch {
      guard case .file(let path) = address.security else { throw error }
      throw LoadFailure(NodeTrouble.certificate(path))
    }
    meter = .init(wrapping: client)
    market = .init(wrapping: client)
    ledger = .init(wrapping: client)
    status = .init(wrapping: client)
    backbone = .init(wrapping: client)
  }

  /// Connects all, runs `body`, disconnects.
  package static func use<Result: Sendable>(
    _ connections: [LoadConnection], _ body: () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for connection in connections {
        group.addTask { try await connection.client.runConnections() }
      }
      let result: Result
      do { result = try await body() } catch {
        group.cancelAll()
        throw error
      }
      for connection in connections { connection.client.beginGracefulShutdown() }
      try await group.waitForAll()
      return result
    }
  }

  package func currentStatus() async throws -> Intertie_V1_StatusResponse {
    try await asking { try await self.status.status(.init(), options: Self.options) }
  }

  /// Nil for a key that has no account.
  package func account(_ key: PublicKey) async throws -> Intertie_V1_AccountResponse? {
    try await asking {
      do {
        return try await ledger.account(.with { $0.account = key.data }, options: Self.options)
      } catch let error as RPCError where error.code == .notFound { return nil }
    }
  }

  /// Nil for a grid of its own.
  package func overview() async throws -> Intertie_V1_OverviewResponse? {
    try await asking {
      do { return try await backbone.overview(.init(), options: Self.options) } catch let error
        as RPCError where [.notFound, .unimplemented].contains(error.code)
      { return nil }
    }
  }

  package func isRegistered(_ meter: PublicKey) async throws -> Bool {
    try await asking {
      do {
        let info = try await self.meter.meterInfo(
          .with { $0.meter = meter.data }, options: Self.options)
        return info.inService
      } catch let error as RPCError where error.code == .notFound { return false }
    }
  }

  /// A status of the node, in words.
  func asking<T: Sendable>(_ body: () async throws -> T) async throws -> T {
    do { return try await body() } catch let error as RPCError {
      throw LoadFailure(NodeTrouble.text(error, at: address.description))
    }
  }
}

/// How long to wait before something is sent again.
package enum RetryPause {
  /// gRPC's own hint of a server that wants clients to wait so many milliseconds (gRFC A6).
  package static let hint = "grpc-retry-pushback-ms"

  /// Milliseconds: what the node asks for, `longest` at most.
  package static func milliseconds(
    after wanted: Int64, longest: Int64 = LoadLimits.pause.upperBound
  ) -> Int64 {
    min(max(wanted, 0), longest)
  }

  /// Milliseconds: what the node asks for, else twice as long with each attempt, from 1.
  package static func milliseconds(
    after error: RPCError?, attempt: Int, longest: Int64 = LoadLimits.pause.upperBound
  ) -> Int64 {
    let range = LoadLimits.pause
    if let hint = error?.metadata[stringValues: hint].first(where: { _ in true }),
      let wanted = Int64(hint), wanted >= 0
    {
      return milliseconds(after: wanted, longest: longest)
    }
    let doubled = range.lowerBound << Int64(min(max(attempt - 1, 0), 10))
    return min(doubled, longest)
  }
}
