import Domain
import Foundation
import Logging
import Node
import ProcessSupport

/// A node like that of `intertie node`, from the same arguments, that lets every signature of a
/// client pass: what a store without signatures has to do, and no more. Votes, proposals and
/// certificates are signed and verified as ever.
enum UnsignedNode {
  /// Where the benchmark leaves the key of the node whose key file is `path`.
  static func seedFile(_ path: String) -> String { path + ".seed" }

  static func run(_ arguments: [String]) async throws {
    let options = Dictionary(
      uniqueKeysWithValues: stride(from: 0, to: arguments.count - 1, by: 2).map {
        (arguments[$0], arguments[$0 + 1])
      })
    func option(_ name: String) throws -> String {
      guard let value = options[name] else { throw Fault("\(name) is missing") }
      return value
    }
    let genesis = try JSONDecoder().decode(
      Genesis.self, from: Data(contentsOf: URL(fileURLWithPath: option("--genesis"))))
    let seed = try String(contentsOfFile: seedFile(option("--key")), encoding: .utf8)
    guard let key = Hex.decode(seed).flatMap({ SigningKey(seed: $0) }) else {
      throw Fault("no seed in \(seedFile(try option("--key")))")
    }
    var log = Logger(label: "unsigned") { StreamLogHandler.standardError(label: $0) }
    log.logLevel = .warning
    var configuration = NodeConfiguration(
      genesis: genesis, directory: try option("--data"), validatorKey: key, log: log)
    configuration.signatures = .assumed
    if let peers = options["--peers"] {
      let file = try option("--peer-port-file")
      configuration.peers = PeerConfiguration(
        key: key, host: "127.0.0.1", port: 0, peers: peers, log: log)
      configuration.onPeerPort = { write($0, to: file) }
    }
    let certificate = try DevelopmentCertificate.load(in: configuration.directory)
    let file = try option("--port-file")
    let grid = try await Microgrid.open(configuration)
    let server = ServerConfiguration(
      host: "127.0.0.1", port: 0,
      security: .certificate(path: certificate.certificatePath, key: certificate.keyPath))
    try await NodeServer(grid, server).run { write($0, to: file) }
  }

  private static func write(_ port: Int, to file: String) {
    try? Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
  }
}
