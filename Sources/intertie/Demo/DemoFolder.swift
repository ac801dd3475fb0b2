import Domain
import Foundation

/// Where the demonstration's files are.
struct DemoFolder: Sendable {
  var path: String
  private(set) var isKept: Bool
  private let secret = Hex.encode((0..<16).map { _ in UInt8.random(in: 0...255) })

  /// A folder that is new and readable by its owner only: `keep`, or a temporary one.
  init(keep: String?) throws {
    isKept = keep != nil
    path =
      keep
      ?? FileManager.default.temporaryDirectory
      .appendingPathComponent("intertie-demo-\(UUID().uuidString)").path
    guard !FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure("\(path) exists already; --keep takes a folder that is new")
    }
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try Files.create(passphrase, Data((secret + "\n").utf8), permissions: 0o600)
    } catch { throw CommandFailure("cannot make the folder \(path)") }
  }

  var passphrase: String { path + "/passphrase" }

  /// The files of the node of that name; without one, of the only node.
  func node(_ name: String? = nil) -> NodeFiles {
    NodeFiles(path: name.map { path + "/" + $0 } ?? path, passphrase: passphrase)
  }

  func save(_ key: SigningKey, _ path: String) throws {
    guard !FileManager.default.fileExists(atPath: path) else { return }
    try KeyFile(encrypting: key, passphrase: secret).save(path)
  }

  /// Writes a node's key, and into a folder that is kept those of its community as well.
  func save(_ keys: DemoKeys, for node: NodeFiles) throws {
    try FileManager.default.createDirectory(atPath: node.path, withIntermediateDirectories: true)
    try save(keys.node, node.key)
    guard isKept else { return }
    for (name, key) in keys.named { try save(key, "\(node.path)/\(name).key") }
  }

  /// What checks the only node's chain.
  var auditCommand: String {
    "intertie audit --genesis \(node().genesis) --data \(node().data)"
  }

  func remove() {
    if !isKept { try? FileManager.default.removeItem(atPath: path) }
  }
}

/// The files of one node.
struct NodeFiles: Sendable {
  var path: String
  var passphrase: String
  /// Of the node.
  var key: String

  init(path: String, passphrase: String) {
    self.path = path
    self.passphrase = passphrase
    key = path + "/node.key"
  }

  var genesis: String { path + "/genesis.json" }
  var data: String { path + "/data" }
  var certificate: String { data + "/tls-certificate.pem" }
  var log: String { path + "/node.log" }
  var port: String { path + "/port" }
  var backbonePort: String { path + "/backbone-port" }
  var backbonePeers: String { path + "/backbone-peers" }

  /// Begins a chain anew: one that did not come in time is forgotten.
  func write(_ genesis: Genesis) throws {
    let faults = genesis.faults
    guard faults.isEmpty else { throw CommandFailure(faults.joined(separator: "\n")) }
    try? FileManager.default.removeItem(atPath: self.genesis)
    try? FileManager.default.removeItem(atPath: data)
    try Files.create(self.genesis, try Files.json(genesis))
  }

  /// The nodes that this one talks to over the backbone, from one moment to the next.
  func write(backbonePeers lines: [String]) throws {
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(
      to: URL(fileURLWithPath: backbonePeers), options: .atomic)
  }
}
