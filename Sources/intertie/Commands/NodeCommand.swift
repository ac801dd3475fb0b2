import ArgumentParser
import Domain
import Foundation
import Logging
import Node
import Synchronization

struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "Runs the node of a microgrid.",
    discussion: """
      Keeps the chain in --data and serves gRPC with TLS. Without a certificate of yours a \
      development certificate for this machine is made in --data at the first start; clients \
      trust it with `--ca DATA/tls-certificate.pem`. SIGTERM and SIGINT end it after the block \
      under way. Exit code 1 with the reason when it had to halt: everything that it acknowledged \
      is there on the next start.
      """)

  @Option(help: "The genesis file of the chain.") var genesis: String
  @Option(help: "Folder of the chain's database; made if it is not there.") var data: String
  @Option(help: "Key file of this node.") var key: String
  @OptionGroup var protection: KeysCommand.Protection
  @Option(help: "HOST:PORT to listen on; port 0 lets the system choose.")
  var listen = "127.0.0.1:7411"
  @Option(help: "TLS certificate chain, PEM.") var tlsCertificate: String?
  @Option(help: "Its private key, PEM.") var tlsKey: String?
  @Flag(help: "Without TLS; only on a loopback address.") var plaintext = false
  @Option(
    help: """
      Blocks whose bodies and history to keep below the newest snapshot; all without it. A pruned \
      chain stays provable by its headers, but cannot be audited from its genesis.
      """)
  var keepBlocks: UInt64?
  @Option(help: "File to write the port to, once the node listens.") var portFile: String?
  @Option(
    help: """
      HOST:PORT to listen on for the chain's other nodes; port 0 lets the system choose. Needed \
      with --peers, and for each chain of several validators.
      """)
  var peerListen: String?
  @Option(
    help: """
      File with the other nodes: a line `tienode1… HOST:PORT` for each; `#` begins a comment. Read \
      again when it changes. This node talks to no other keys.
      """)
  var peers: String?
  @Option(help: "File to write the peer port to, once the node listens there.")
  var peerPortFile: String?
  @Option(
    help: """
      As --peer-listen, for the other nodes of the backbone that the grid is part of. Its chain is \
      kept in --data, too.
      """)
  var backboneListen: String?
  @Option(help: "As --peers, of the backbone's other nodes.") var backbonePeers: String?
  @Option(help: "As --peer-port-file, for --backbone-listen.") var backbonePortFile: String?
  @Option(
    help: """
      HOST:PORT to serve /metrics (for Prometheus), /livez and /readyz on, over plain HTTP; port 0 \
      lets the system choose. Off without it.
      """)
  var metricsListen: String?
  @Option(help: "File to write the metrics port to, once the node listens there.")
  var metricsPortFile: String?
  @Option(
    help: """
      trace, debug, info, notice, warning, error or critical; for single parts of the node as in \
      Peers=debug,Consensus=trace,notice. Parts: \(LogLevels.parts.joined(separator: ", ")).
      """)
  var logLevel = LogLevels()

  func run() async throws {
    let log = logLevel.logger()
    let peerLog = logLevel.logger(of: "Peers")
    let display = try await NodeDisplay.open(metricsListen, portFile: metricsPortFile, log)
    defer { display?.close() }
    let genesis = try Files.genesis(self.genesis)
    let key = try KeyFile.load(self.key).decrypt(passphrase: try protection.passphrase())
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    var configuration = NodeConfiguration(
      genesis: genesis, directory: data, validatorKey: key,
      peers: try Self.peerConfiguration(key, listen: peerListen, peers: peers, "peer", peerLog),
      keepBlocks: keepBlocks, log: log)
    configuration.backbonePeers = try Self.peerConfiguration(
      key, listen: backboneListen, peers: backbonePeers, "backbone", peerLog)
    guard genesis.backbone != nil || configuration.backbonePeers == nil else {
      throw CommandFailure("\(self.genesis) is of a grid of its own, without a backbone")
    }
    configuration.metrics = display?.factory
    configuration.onBackbonePort = { [log, backbonePortFile, backboneListen] port in
      log.notice(
        "listening for the backbone's nodes",
        metadata: ["address": "\(Self.bound(backboneListen, port))"])
      Self.write(port, to: backbonePortFile)
    }
    configuration.onPeerPort = { [log, peerPortFile, peerListen] port in
      log.notice(
        "listening for peers", metadata: ["address": "\(Self.bound(peerListen, port))"])
      Self.write(port, to: peerPortFile)
    }
    var signals: StopSignals?
    defer { signals?.cancel() }
    do {
      let server = try serverConfiguration(log)
      log.notice("opening the chain", metadata: ["chain": "\(genesis.chainID)"])
      let grid = try await Microgrid.open(configuration)
      log.notice("recovered", metadata: ["height": "\(grid.view.tip.height)"])
      display?.show(grid)
      signals = StopSignals { grid.stop() }
      try await NodeServer(grid, server).run { [log, portFile, server] port in
        log.notice("listening", metadata: ["address": "\(server.host):\(port)"])
        Self.write(port, to: portFile)
      }
      log.notice("stopped", metadata: ["height": "\(grid.view.tip.height)"])
    } catch let failure as NodeFailure {
      switch failure {
      case .storage, .invariant:
        log.critical("halted: \(failure)")
        throw CommandFailure("the node halted: \(failure)")
      // Asked to stop before it served: that is no failure.
      case .stopped where signals?.hasCome == true: log.notice("stopped")
      default: throw CommandFailure("the node cannot run: \(failure)")
      }
    }
  }

  private func serverConfiguration(_ log: Logger) throws -> ServerConfiguration {
    let (host, port) = try Self.listenAddress(listen)
    let security: ServerConfiguration.Security
    if plaintext {
      security = .plaintext
    } else if let tlsCertificate, let tlsKey {
      security = .certificate(path: tlsCertificate, key: tlsKey)
    } else if tlsCertificate == nil, tlsKey == nil {
      let files = try DevelopmentCertificate.load(in: data)
      if host != "localhost", host != "::1", !host.hasPrefix("127.") {
        log.warning("the development certificate names only this machine's loopback addresses")
      }
      security = .certificate(path: files.certificatePath, key: files.keyPath)
    } else {
      throw ValidationError("--tls-certificate and --tls-key are given together")
    }
    return ServerConfiguration(host: host, port: port, security: security)
  }

  private static func peerConfiguration(
    _ key: SigningKey, listen: String?, peers: String?, _ option: String, _ log: Logger
  ) throws -> PeerConfiguration? {
    guard listen != nil || peers != nil else { return nil }
    guard let listen, let peers else {
      let file = option == "peer" ? "--peers" : "--\(option)-peers"
      throw ValidationError("\(file) and --\(option)-listen are given together")
    }
    let (host, port) = try listenAddress(listen)
    return PeerConfiguration(key: key, host: host, port: port, peers: peers, log: log)
  }

  /// HOST:PORT as the system gave it.
  private static func bound(_ listen: String?, _ port: Int) -> String {
    let host = listen.flatMap { text in text.lastIndex(of: ":").map { text[..<$0] } } ?? ""
    return "\(host):\(port)"
  }

  static func write(_ port: Int, to file: String?) {
    guard let file else { return }
    try? Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
  }

  static func listenAddress(_ text: String) throws -> (host: String, port: Int) {
    if text.hasSuffix(":0") {
      return (text.dropLast(2).trimmingCharacters(in: ["[", "]"]), 0)
    }
    return try NodeAddress(node: text, ca: nil).endpoint
  }
}

/// Calls `action` on SIGTERM, SIGINT and SIGHUP, instead of ending the process at once.
final class StopSignals: @unchecked Sendable {
  // Only touched in init and cancel, both on the command's own task.
  private var sources: [any DispatchSourceSignal] = []
  private let came = Atomic(false)

  /// Whether one of them has come.
  var hasCome: Bool { came.load(ordering: .relaxed) }

  init(_ action: @escaping @Sendable () -> Void) {
    for number in [SIGTERM, SIGINT, SIGHUP] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [self] in
        came.store(true, ordering: .relaxed)
        action()
      }
      source.resume()
      sources.append(source)
    }
  }

  func cancel() { for source in sources { source.cancel() } }
}
