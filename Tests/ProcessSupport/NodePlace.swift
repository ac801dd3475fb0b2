import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Wire

package typealias Transport = HTTP2ClientTransport.Posix

/// The services of one node, over one connection.
package struct Services: Sendable {
  package let meter: Intertie_V1_Meter.Client<Transport>
  package let market: Intertie_V1_Market.Client<Transport>
  package let ledger: Intertie_V1_Ledger.Client<Transport>
  package let status: Intertie_V1_Status.Client<Transport>
  package let backbone: Intertie_V1_Backbone.Client<Transport>
  /// With the time after which a unary call gives up.
  package let options: CallOptions

  package init(_ client: GRPCClient<Transport>, patience: Double = 20) {
    meter = .init(wrapping: client)
    market = .init(wrapping: client)
    ledger = .init(wrapping: client)
    status = .init(wrapping: client)
    backbone = .init(wrapping: client)
    var options = CallOptions.defaults
    options.timeout = .seconds(patience)
    self.options = options
  }

  package func submit(_ command: SignedBytes) async throws -> Intertie_V1_SubmitResult {
    try await submit([command])[0]
  }

  package func submit(_ commands: [SignedBytes]) async throws -> [Intertie_V1_SubmitResult] {
    var request = Intertie_V1_SubmitRequest()
    request.commands = commands.map { Intertie_V1_SignedCommand($0) }
    let results = try await ledger.submit(request, options: options).results
    guard results.count == commands.count else { throw Fault("not one result a command") }
    return results
  }

  /// What became of a command; nil when the chain does not have it.
  package func receipt(_ signer: PublicKey, _ sequence: UInt64) async throws
    -> Intertie_V1_ReceiptResponse?
  {
    try await receipt(
      by: .command(
        .with {
          $0.signer = signer.data
          $0.sequence = sequence
        }))
  }

  /// What stands at a place of the chain; nil when nothing does.
  package func receipt(at position: ReceiptPosition) async throws -> Intertie_V1_ReceiptResponse? {
    try await receipt(
      by: .position(
        .with {
          $0.height = position.height
          $0.index = position.index
        }))
  }

  private func receipt(by name: Intertie_V1_ReceiptRequest.OneOf_By) async throws
    -> Intertie_V1_ReceiptResponse?
  {
    var request = Intertie_V1_ReceiptRequest()
    request.by = name
    do { return try await ledger.receipt(request, options: options) } catch let error
      as RPCError where error.code == .notFound
    { return nil }
  }

  package func current() async throws -> Intertie_V1_StatusResponse {
    try await status.status(.init(), options: options)
  }
}

/// Where a node listens for clients, which one of a network's it is, and the how manieth start.
package struct NodePlace: Sendable {
  package var node = 0
  package var generation: Int
  package var port: Int
  package var certificate: String
  /// Seconds after which a unary call gives up, and a stream of which no answer came.
  package var patience = 20.0

  package init(
    node: Int = 0, generation: Int, port: Int, certificate: String, patience: Double = 20
  ) {
    self.node = node
    self.generation = generation
    self.port = port
    self.certificate = certificate
    self.patience = patience
  }

  /// Connects over TLS, runs `body`, and disconnects.
  package func connect<Result: Sendable>(
    _ body: @Sendable (Services) async throws -> Result
  ) async throws -> Result {
    let (certificate, patience) = (self.certificate, self.patience)
    let transport = try Transport(
      target: .ipv4(address: "127.0.0.1", port: port),
      transportSecurity: .tls {
        $0.trustRoots = .certificates([.file(path: certificate, format: .pem)])
      },
      config: .defaults { $0.http2.targetWindowSize = 1 << 20 })
    return try await withGRPCClient(transport: transport) { client in
      try await body(Services(client, patience: patience))
    }
  }
}
