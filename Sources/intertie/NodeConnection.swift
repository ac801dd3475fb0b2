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
      Certificate that the node must show, or its issuer's (PEM). Default: $INTERTIE_CA, else the \
      system's trust roots.
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
      else { throw CommandFailure("'\(text)' is not HOST:PORT") }
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
      throw CommandFailure("--plaintext is for loopback addresses only; \(host) needs TLS")
    }
    if let ca = certificatePath, !plaintext, !FileManager.default.isReadableFile(atPath: ca) {
      throw CommandFailure("cannot read the certificate \(ca)")
    }
    let target: any ResolvableTarget =
      host.contains(":")
      ? .ipv6(address: host, port: port)
      : host.allSatisfy({ $0.isNumber || $0 == "." })
        ? .ipv4(address: host, port: port) : .dns(host: host, port: port)
    let transport = try Transport(
      target: target, transportSecurity: security,
      config: .defaults { $0.http2.targetWindowSize = 4 << 20 })
    do {
      return try await withGRPCClient(transport: transport) { client in
        try await body(NodeConnection(client))
      }
    } catch let error as RPCError {
      throw CommandFailure(Self.explain(error, host: host, port: port))
    }
  }

  private var certificatePath: String? { ca ?? ProcessInfo.processInfo.environment["INTERTIE_CA"] }

  private var security: Transport.TransportSecurity {
    if plaintext { return .plaintext }
    guard let ca = certificatePath else { return .tls }
    return .tls { $0.trustRoots = .certificates([.file(path: ca, format: .pem)]) }
  }

  private static func explain(_ error: RPCError, host: String, port: Int) -> String {
    let place = "the node at \(host):\(port)"
    guard [.unavailable, .deadlineExceeded].contains(error.code) else {
      return "the node says \(error.code): \(error.message)"
    }
    if error.message.contains("preface") {
      return "no secure connection to \(place): give the certificate that it shows with --ca "
        + "(a development certificate is DATA/tls-certificate.pem), and --plaintext only to a node "
        + "that runs without TLS"
    }
    if ["storage failed", "invariant", "stopping"].contains(where: error.message.contains) {
      return "\(place) has stopped: \(error.message)"
    }
    return "\(place) does not answer (\(error.message)); check the address"
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

  /// Signs and submits commands of one account in one call; the results in order. The account's
  /// next sequence is asked for, so that a wallet keeps no state of its own.
  func submit(_ bodies: [CommandBody], key: SigningKey) async throws -> [Intertie_V1_SubmitResult] {
    let status = try await currentStatus()
    guard let chain = ChainID(status.chainID) else {
      throw CommandFailure("the node gives no valid chain id")
    }
    let next: UInt64
    do { next = try await account(key.publicKey).nextSequence } catch let error as RPCError
      where error.code == .notFound
    { next = 1 }
    return try await submit(
      bodies, key: key, chain: chain, sequence: next, expires: Self.expiry(status))
  }

  /// Two minutes of wall-clock time from now, however fast the chain's runs.
  static func expiry(_ status: Intertie_V1_StatusResponse) -> Timestamp {
    Timestamp(microseconds: status.chainTimeUs + 120_000_000 * status.rate)
  }

  /// Signed, with sequences from `sequence` on.
  static func request(
    _ bodies: [CommandBody], key: SigningKey, chain: ChainID, sequence: UInt64, expires: Timestamp
  ) -> Intertie_V1_SubmitRequest {
    .with {
      $0.commands = bodies.enumerated().map { offset, body in
        let command = Command(
          chain: chain, signer: key.publicKey, sequence: sequence + UInt64(offset),
          expires: expires, body: body)
        return Intertie_V1_SignedCommand(command, key: key)
      }
    }
  }

  func submit(
    _ bodies: [CommandBody], key: SigningKey, chain: ChainID, sequence: UInt64, expires: Timestamp
  ) async throws -> [Intertie_V1_SubmitResult] {
    let request = Self.request(
      bodies, key: key, chain: chain, sequence: sequence, expires: expires)
    do { return try await ledger.submit(request, options: Self.options).results } catch let error
      as RPCError
      where [.unavailable, .deadlineExceeded, .cancelled].contains(error.code)
    {
      throw CommandFailure(
        "the node's answer was lost (\(error.message)): the command may have been applied. Before "
          + "you repeat it, ask: intertie wallet receipt \(sequence) --key …")
    }
  }
}
