import ArgumentParser
import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Node
import Wire

typealias Transport = HTTP2ClientTransport.Posix

/// Where a node is and how its certificate is checked.
struct NodeAddress: ParsableArguments, Sendable {
  @Option(help: "The node, HOST:PORT. Default: $INTERTIE_NODE, else 127.0.0.1:7411.")
  var node: String?

  @Option(
    help: """
      Certificate that the node must show, or its issuer's (PEM); a file of several serves for as \
      many nodes. Default: $INTERTIE_CA, else the system's trust roots.
      """)
  var ca: String?

  @Flag(help: "Without TLS; for a node that runs so on this machine.")
  var plaintext = false

  init() {}

  init(node: String, ca: String?) {
    self.node = node
    self.ca = ca
    plaintext = ca == nil
  }

  var endpoint: (host: String, port: Int) {
    get throws {
      let environment = ProcessInfo.processInfo.environment
      let text = node ?? environment["INTERTIE_NODE"] ?? "127.0.0.1:7411"
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (1...65_535).contains(port)
      else { throw ValidationError("'\(text)' is not HOST:PORT") }
      let host = text[..<colon].trimmingCharacters(in: ["[", "]"])
      return (host == "localhost" ? "127.0.0.1" : host, port)
    }
  }

  /// Connects, runs `body`, and disconnects. A status of the node becomes a failure in words.
  func connect<Result: Sendable>(
    _ body: @Sendable (NodeConnection) async throws -> Result
  ) async throws -> Result {
    let (host, port) = try endpoint
    if plaintext, host != "::1", !host.hasPrefix("127.") {
      throw ValidationError("--plaintext is for loopback addresses only; \(host) needs TLS")
    }
    if let ca = certificatePath, !plaintext, !FileManager.default.isReadableFile(atPath: ca) {
      throw CommandFailure("cannot read the certificate \(ca)")
    }
    let target: any ResolvableTarget =
      host.contains(":")
      ? .ipv6(address: host, port: port)
      : host.allSatisfy({ $0.isNumber || $0 == "." })
        ? .ipv4(address: host, port: port) : .dns(host: host, port: port)
    let transport: Transport
    do {
      transport = try Transport(
        target: target, transportSecurity: security,
        config: .defaults { $0.http2.targetWindowSize = 4 << 20 })
    } catch {
      guard !plaintext, let ca = certificatePath else { throw error }
      throw CommandFailure(NodeTrouble.certificate(ca))
    }
    do {
      return try await withGRPCClient(transport: transport) { client in
        try await body(NodeConnection(client))
      }
    } catch let error as RPCError {
      throw CommandFailure(NodeTrouble.text(error, at: "\(host):\(port)"))
    }
  }

  /// Of --ca or the environment.
  private var certificatePath: String? { ca ?? Self.knownCertificate }

  /// Of the environment, where an empty value is none.
  static var knownCertificate: String? {
    ProcessInfo.processInfo.environment["INTERTIE_CA"].flatMap { $0.isEmpty ? nil : $0 }
  }

  private var security: Transport.TransportSecurity {
    if plaintext { return .plaintext }
    guard let ca = certificatePath else { return .tls }
    return .tls { $0.trustRoots = .certificates([.file(path: ca, format: .pem)]) }
  }
}

/// The services of one node, and what every command needs of them.
struct NodeConnection: Sendable {
  let meter: Intertie_V1_Meter.Client<Transport>
  let market: Intertie_V1_Market.Client<Transport>
  let ledger: Intertie_V1_Ledger.Client<Transport>
  let status: Intertie_V1_Status.Client<Transport>
  let backbone: Intertie_V1_Backbone.Client<Transport>

  /// Unary calls give up after this time.
  static let options: CallOptions = {
    var options = CallOptions.defaults
    options.timeout = .seconds(30)
    return options
  }()

  init(_ client: GRPCClient<Transport>) {
    meter = .init(wrapping: client)
    market = .init(wrapping: client)
    ledger = .init(wrapping: client)
    status = .init(wrapping: client)
    backbone = .init(wrapping: client)
  }

  func currentStatus() async throws -> Intertie_V1_StatusResponse {
    try await status.status(.init(), options: Self.options)
  }

  /// The validators of every epoch so far, proven from those of the genesis.
  func proven(_ start: ProvenValidators?) async throws -> ProvenValidators? {
    guard var proven = start else { return nil }
    for change in try await epochChanges() { try proven.advance(change) }
    return proven
  }

  /// How each epoch began, as the node tells it.
  func epochChanges() async throws -> [Intertie_V1_EpochChange] {
    try await status.epochs(.init(), options: Self.options) { response in
      var changes: [Intertie_V1_EpochChange] = []
      for try await change in response.messages {
        guard changes.count < Limits.epochChanges else {
          throw CommandFailure("the node tells of more epochs than a chain may have")
        }
        changes.append(change)
      }
      return changes
    }
  }

  func account(_ key: PublicKey) async throws -> Intertie_V1_AccountResponse {
    try await ledger.account(.with { $0.account = key.data }, options: Self.options)
  }
}
