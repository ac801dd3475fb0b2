import ArgumentParser
import CoreMetrics
import Domain
import Foundation
import Logging
import Node

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
      Blocks whose bodies and history to keep below the newest snapshot, 0 for none; all without \
      it. A pruned chain stays provable by its headers, but cannot be audited from its genesis.
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
      What is logged: \(LogLevels.words); for single parts of the node as in \
      Peers=debug,Consensus=trace,notice. Parts: \(LogLevels.parts.joined(separator: ", ")). \
      Without it notice.
      """, transform: LogLevels.init(_:))
  var logLevel = LogLevels()

  func validate() throws {
    try Self.check(peerListen, peers, peerPortFile, "peer", file: "--peers")
    try Self.check(
      backboneListen, backbonePeers, backbonePortFile, "backbone", file: "--backbone-peers")
    if let metricsListen {
      _ = try Self.listenAddress(metricsListen, "--metrics-listen")
    } else if metricsPortFile != nil {
      throw ValidationError("--metrics-port-file is given without --metrics-listen")
    }
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key are given together")
    }
    guard !plaintext || tlsCertificate == nil else {
      throw ValidationError("--plaintext is given with --tls-certificate")
    }
    let host = try Self.listenAddress(listen, "--listen").host
    guard !plaintext || ServerConfiguration.isLoopback(host) else {
      throw ValidationError("--plaintext is for loopback addresses only; \(host) needs TLS")
    }
  }

  /// The options for other nodes of one chain.
  private static func check(
    _ listen: String?, _ peers: String?, _ portFile: String?, _ chain: String, file: String
  ) throws {
    guard (listen == nil) == (peers == nil) else {
      throw ValidationError("\(file) and --\(chain)-listen are given together")
    }
    if let listen {
      _ = try listenAddress(listen, "--\(chain)-listen")
    } else if portFile != nil {
      throw ValidationError("--\(chain)-port-file is given without --\(chain)-listen")
    }
  }

  func run() async throws {
    Self.shareMemory()
    let log = logLevel.logger()
    let course = NodeCourse(log)
    let signals = StopSignals { course.stop() }
    defer { signals.cancel() }
    for (file, option) in [
      (portFile, "--port-file"), (peerPortFile, "--peer-port-file"),
      (backbonePortFile, "--backbone-port-file"), (metricsPortFile, "--metrics-port-file"),
    ] {
      if let file { try Self.prepare(file, option) }
    }
    let display = try await NodeDisplay.open(metricsListen, portFile: metricsPortFile, log)
    defer { display?.close() }
    let configuration = try configuration(metrics: display?.factory, log)
    let grid: Microgrid?
    let server: ServerConfiguration
    do {
      server = try serverConfiguration(log)
      log.notice("opening the chain", metadata: ["chain": "\(configuration.genesis.chainID)"])
      grid = try await course.opening { try await Microgrid.open(configuration) }
    } catch let failure as NodeFailure {
      throw CommandFailure("the node cannot start: \(failure)")
    }
    guard let grid else {
      log.notice("stopped before the chain was open")
      return
    }
    log.notice("recovered", metadata: ["height": "\(grid.view.tip.height)"])
    display?.show(grid)
    try await serve(grid, server, log)
    log.notice("stopped", metadata: ["height": "\(grid.view.tip.height)"])
  }

  /// glibc keeps what is freed apart in up to eight arenas for each core, and threads that come and
  /// go leave their share behind: after minutes of work half of a node's memory was free and of use
  /// to nobody. As many arenas as cores are enough. malloc.h is not in Swift's module of glibc, so
  /// the function is looked up; where it is not there, nothing is changed.
  private static func shareMemory() {
    #if canImport(Glibc)
      typealias MallocOption = @convention(c) (Int32, Int32) -> Int32
      let arenaMaximum: Int32 = -8
      guard let place = dlsym(nil, "mallopt") else { return }
      let setOption = unsafeBitCast(place, to: MallocOption.self)
      _ = setOption(arenaMaximum, Int32(ProcessInfo.processInfo.activeProcessorCount))
    #endif
  }

  private func serve(
    _ grid: Microgrid, _ server: ServerConfiguration, _ log: Logger
  ) async throws {
    do {
      try await NodeServer(grid, server).run { [log, portFile, server] port in
        log.notice("listening", metadata: ["address": "\(server.host):\(port)"])
        Self.write(port, to: portFile, log)
      }
    } catch let failure as NodeFailure {
      switch failure {
      case .storage, .invariant:
        log.critical("halted: \(failure)")
        throw CommandFailure("the node halted: \(failure)")
      default: throw CommandFailure("the node cannot start: \(failure)")
      }
    }
  }

  private func configuration(
    metrics: (any MetricsFactory)?, _ log: Logger
  ) throws -> NodeConfiguration {
    let peerLog = logLevel.logger(of: "Peers")
    let genesis = try Files.genesis(self.genesis)
    let key = try KeyFile.load(self.key).decrypt(passphrase: try protection.passphrase())
    do {
      try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    } catch {
      throw CommandFailure(
        "the node cannot start: no folder can be made at \(data) (--data): "
          + error.localizedDescription)
    }
    var configuration = NodeConfiguration(
      genesis: genesis, directory: data, validatorKey: key,
      peers: try Self.peerConfiguration(key, peerListen, peers, "--peer-listen", peerLog),
      keepBlocks: keepBlocks, log: log)
    configuration.backbonePeers = try Self.peerConfiguration(
      key, backboneListen, backbonePeers, "--backbone-listen", peerLog)
    guard genesis.backbone != nil || configuration.backbonePeers == nil else {
      throw CommandFailure("\(self.genesis) is of a grid of its own, without a backbone")
    }
    configuration.metrics = metrics
    configuration.onBackbonePort = { [log, backbonePortFile, backboneListen] port in
      log.notice(
        "listening for the backbone's nodes",
        metadata: ["address": "\(Self.bound(backboneListen, port))"])
      Self.write(port, to: backbonePortFile, log)
    }
    configuration.onPeerPort = { [log, peerPortFile, peerListen] port in
      log.notice(
        "listening for peers", metadata: ["address": "\(Self.bound(peerListen, port))"])
      Self.write(port, to: peerPortFile, log)
    }
    return configuration
  }

  private func serverConfiguration(_ log: Logger) throws -> ServerConfiguration {
    let (host, port) = try Self.listenAddress(listen, "--listen")
    let security: ServerConfiguration.Security
    if plaintext {
      security = .plaintext
    } else if let tlsCertificate, let tlsKey {
      security = .certificate(path: tlsCertificate, key: tlsKey)
    } else {
      let files = try DevelopmentCertificate.load(in: data)
      if !ServerConfiguration.isLoopback(host) {
        log.warning("the development certificate names only this machine's loopback addresses")
      }
      security = .certificate(path: files.certificatePath, key: files.keyPath)
    }
    return ServerConfiguration(host: host, port: port, security: security)
  }

  private static func peerConfiguration(
    _ key: SigningKey, _ listen: String?, _ peers: String?, _ option: String, _ log: Logger
  ) throws -> PeerConfiguration? {
    guard let listen, let peers else { return nil }
    let (host, port) = try listenAddress(listen, option)
    var configuration = PeerConfiguration(
      key: key, host: host, port: port, peers: peers, log: log)
    configuration.option = option
    return configuration
  }

  /// HOST:PORT as the system gave it.
  private static func bound(_ listen: String?, _ port: Int) -> String {
    let host = listen.flatMap { text in text.lastIndex(of: ":").map { text[..<$0] } } ?? ""
    return "\(host):\(port)"
  }

  /// Throws when a port could not be written to `file`; an older port in it is gone afterwards.
  private static func prepare(_ file: String, _ option: String) throws {
    let folder = (file as NSString).deletingLastPathComponent
    let isThere = access(folder.isEmpty ? "." : folder, W_OK) == 0
    guard isThere, unlink(file) == 0 || errno == ENOENT else {
      throw CommandFailure(
        "the node cannot start: cannot write \(file) (\(option)): "
          + String(cString: strerror(errno)))
    }
  }

  static func write(_ port: Int, to file: String?, _ log: Logger) {
    guard let file else { return }
    do {
      try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    } catch { log.error("cannot write the port \(port) to \(file): \(error.localizedDescription)") }
  }

  /// HOST:PORT of an option, port 0 for one that the system chooses.
  static func listenAddress(_ text: String, _ option: String) throws -> (host: String, port: Int) {
    let address = text.hasSuffix(":0") ? "\(text.dropLast())1" : text
    guard let endpoint = try? NodeAddress(node: address, ca: nil).endpoint, !endpoint.host.isEmpty
    else {
      throw ValidationError("\(option): '\(text)' is not HOST:PORT")
    }
    return (endpoint.host, address == text ? endpoint.port : 0)
  }
}
