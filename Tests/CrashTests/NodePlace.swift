import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import Wire

typealias Transport = HTTP2ClientTransport.Posix

/// The services of one node, over one connection.
struct Services: Sendable {
  let meter: Intertie_V1_Meter.Client<Transport>
  let market: Intertie_V1_Market.Client<Transport>
  let ledger: Intertie_V1_Ledger.Client<Transport>
  let status: Intertie_V1_Status.Client<Transport>

  init(_ client: GRPCClient<Transport>) {
    meter = .init(wrapping: client)
    market = .init(wrapping: client)
    ledger = .init(wrapping: client)
    status = .init(wrapping: client)
  }

  static let options: CallOptions = {
    var options = CallOptions.defaults
    options.timeout = .seconds(20)
    return options
  }()

  func submit(_ command: SignedBytes) async throws -> Intertie_V1_SubmitResult {
    try await submit([command])[0]
  }

  func submit(_ commands: [SignedBytes]) async throws -> [Intertie_V1_SubmitResult] {
    var request = Intertie_V1_SubmitRequest()
    request.commands = commands.map { Intertie_V1_SignedCommand($0) }
    let results = try await ledger.submit(request, options: Self.options).results
    guard results.count == commands.count else { throw Fault("not one result a command") }
    return results
  }

  /// What became of a command; nil when the chain does not have it.
  func receipt(_ signer: PublicKey, _ sequence: UInt64) async throws
    -> Intertie_V1_ReceiptResponse?
  {
    var request = Intertie_V1_ReceiptRequest()
    request.command = .with {
      $0.signer = signer.data
      $0.sequence = sequence
    }
    do { return try await ledger.receipt(request, options: Self.options) } catch let error
      as RPCError where error.code == .notFound
    { return nil }
  }

  func current() async throws -> Intertie_V1_StatusResponse {
    try await status.status(.init(), options: Self.options)
  }
}

/// Where a node listens, and the how manieth it is.
struct NodePlace: Sendable {
  var generation: Int
  var port: Int
  var certificate: String

  /// Connects over TLS, runs `body`, and disconnects.
  func connect<Result: Sendable>(
    _ body: @Sendable (Services) async throws -> Result
  ) async throws -> Result {
    let certificate = self.certificate
    let transport = try Transport(
      target: .ipv4(address: "127.0.0.1", port: port),
      transportSecurity: .tls {
        $0.trustRoots = .certificates([.file(path: certificate, format: .pem)])
      },
      config: .defaults { $0.http2.targetWindowSize = 1 << 20 })
    return try await withGRPCClient(transport: transport) { client in
      try await body(Services(client))
    }
  }
}

/// Tells the clients where the node is that runs at present, and when they may go home.
final class Beacon: Sendable {
  private struct State {
    var generation = 0
    var place: NodePlace?
    var isOver = false
    var isDark = false
  }

  private let state = Mutex(State())

  func light(port: Int, certificate: String) {
    state.withLock { state in
      state.generation += 1
      state.place = NodePlace(
        generation: state.generation, port: port, certificate: certificate)
    }
  }

  /// The node is dead.
  func dim() { state.withLock { $0.place = nil } }

  /// Clients finish what they have begun and end. `isDark`: there is no node to finish it with.
  func finish(isDark: Bool) {
    state.withLock { state in
      state.isOver = true
      state.isDark = isDark
    }
  }

  var isOver: Bool { state.withLock { $0.isOver } }

  /// Waits for a node; nil when there will be none.
  func place() async -> NodePlace? {
    while !Task.isCancelled {
      let (place, isDark) = state.withLock { ($0.place, $0.isDark) }
      if isDark { return nil }
      if let place { return place }
      try? await Task.sleep(for: .milliseconds(4))
    }
    return nil
  }
}
