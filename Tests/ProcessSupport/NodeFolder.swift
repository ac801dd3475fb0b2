import Domain
import Foundation

/// The files of one node: genesis, key, data, log. Gone with `remove()`.
package struct NodeFolder: Sendable {
  package let path: String
  /// Whether the node has others to talk to, listed in `peers`.
  package let hasPeers: Bool
  /// Whether it keeps a backbone's chain, too, whose other nodes are listed in `backbonePeers`.
  package let hasBackbone: Bool

  package var genesis: String { path + "/genesis.json" }
  package var data: String { path + "/data" }
  package var key: String { path + "/node.key" }
  package var port: String { path + "/port" }
  package var peerPort: String { path + "/peer-port" }
  package var peers: String { path + "/peers" }
  package var backbonePort: String { path + "/backbone-port" }
  package var backbonePeers: String { path + "/backbone-peers" }
  package var log: String { path + "/log" }
  package var database: String { data + "/chain.sqlite" }
  /// What the node has of the backbone.
  package var backboneData: String { data + "/backbone" }
  package var backboneDatabase: String { backboneData + "/chain.sqlite" }
  package var certificate: String { data + "/tls-certificate.pem" }

  package static var environment: [String: String] {
    ProcessInfo.processInfo.environment.merging(["INTERTIE_PASSPHRASE": "crash"]) { $1 }
  }

  /// A folder of its own in the system's place for passing files.
  package static func fresh() -> String {
    NSTemporaryDirectory() + "intertie-test-\(UUID().uuidString)"
  }

  /// `key` is the first validator's unless told.
  package init(
    _ community: Community, at path: String = fresh(), key: SigningKey? = nil,
    hasPeers: Bool = false
  ) throws {
    try self.init(
      genesis: community.genesis, at: path, key: key ?? community.validators[0], hasPeers: hasPeers)
  }

  package init(genesis: Genesis, at path: String, key: SigningKey, hasPeers: Bool) throws {
    self.path = path
    self.hasPeers = hasPeers
    hasBackbone = genesis.backbone != nil
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    try JSONEncoder().encode(genesis).write(to: URL(fileURLWithPath: self.genesis))
    try Self.save(key, at: self.key)
  }

  /// Writes a key file, under the passphrase of `environment`.
  package static func save(_ key: SigningKey, at path: String) throws {
    let seed = Hex.encode(key.seed) + "\n"
    let code = try Executable.run(Executable.path(), ["keys", "import", path], input: seed)
    guard code == 0 else { throw Fault("'intertie keys import' ended with \(code)") }
  }

  /// What the node finds as its peers file, from one moment to the next.
  package func write(peers lines: [String]) throws { try write(lines, to: peers) }

  /// The same of the backbone's nodes.
  package func write(backbonePeers lines: [String]) throws { try write(lines, to: backbonePeers) }

  private func write(_ lines: [String], to path: String) throws {
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(
      to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The disk is lost: nothing is left of the chain, of votes, of certificates.
  package func wipe() throws {
    try FileManager.default.removeItem(atPath: data)
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
  }

  package func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// What the newest node of this folder wrote to standard error.
  package var logText: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

  package var logTail: String { logText.split(separator: "\n").suffix(8).joined(separator: "\n") }

  /// Puts the log of the node before aside, as `log.1` and so on.
  func turnLog() {
    guard FileManager.default.fileExists(atPath: log) else { return }
    var number = 1
    while FileManager.default.fileExists(atPath: "\(log).\(number)") { number += 1 }
    try? FileManager.default.moveItem(atPath: log, toPath: "\(log).\(number)")
  }
}
