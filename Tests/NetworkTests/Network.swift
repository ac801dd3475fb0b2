import Domain
import Foundation
import ProcessSupport
import Wire

/// Nodes of one chain, each a process of its own with a folder of its own. Every node reaches
/// every other through a line that can be cut.
actor Network {
  private struct Member {
    var key: SigningKey
    var folder: NodeFolder
    var process: NodeProcess?
    /// Whom its peers file lists.
    var acquaintances: [Int]
  }

  let community: Community
  let beacon: Beacon
  nonisolated let path: String
  nonisolated let mesh: Mesh
  private var members: [Member] = []

  /// The community's validators know each other; the nodes of the further keys, which have the
  /// numbers after them, know no one as yet.
  init(_ community: Community, others: [SigningKey] = [], beacon: Beacon) throws {
    self.community = community
    self.beacon = beacon
    path = NodeFolder.fresh()
    let keys = community.validators + others
    mesh = try Mesh(keys.count)
    let validators = Array(community.validators.indices)
    for (number, key) in keys.enumerated() {
      let folder = try NodeFolder(
        community, at: "\(path)/node-\(number)", key: key, hasPeers: true)
      let known = number < validators.count ? validators.filter { $0 != number } : []
      members.append(Member(key: key, folder: folder, acquaintances: known))
    }
  }

  var count: Int { members.count }

  func folder(_ node: Int) -> NodeFolder { members[node].folder }
  func key(_ node: Int) -> PublicKey { members[node].key.publicKey }
  func isRunning(_ node: Int) -> Bool { members[node].process?.isRunning ?? false }
  func peakResidentBytes(_ node: Int) -> Int? { members[node].process?.peakResidentBytes }

  /// Adds each to the other's peers file.
  func acquaint(_ node: Int, with others: [Int]) throws {
    for other in others {
      if !members[node].acquaintances.contains(other) { members[node].acquaintances.append(other) }
      if !members[other].acquaintances.contains(node) { members[other].acquaintances.append(node) }
      try writePeers(other)
    }
    try writePeers(node)
  }

  /// Adds the others to the node's peers file, and not the node to theirs.
  func introduce(_ others: [Int], to node: Int) throws {
    members[node].acquaintances += others
    try writePeers(node)
  }

  private func writePeers(_ node: Int) throws {
    try members[node].folder.write(
      peers: members[node].acquaintances.compactMap { other in
        mesh.port(from: node, to: other).map {
          "\(members[other].key.publicKey.text(as: .node)) 127.0.0.1:\($0)"
        }
      })
  }

  // MARK: Processes

  /// Starts nodes together and waits until they listen. The others reach them again, and so do
  /// the clients unless the nodes are to be kept from them.
  func start(_ nodes: [Int], forClients: Bool = true) async throws {
    for node in nodes { try launch(node) }
    for node in nodes {
      let place = try await connect(node)
      if forClients {
        beacon.light(node: node, port: place.port, certificate: place.certificate)
      }
    }
  }

  private func launch(_ node: Int) throws {
    try writePeers(node)
    members[node].process = try NodeProcess(members[node].folder)
  }

  private func connect(_ node: Int) async throws -> NodePlace {
    lead(node, to: try await peerPort(node))
    return try await place(node)
  }

  /// Where a node listens for clients.
  func place(_ node: Int) async throws -> NodePlace {
    guard let process = members[node].process else { throw Fault("node \(node) is not there") }
    return NodePlace(
      node: node, generation: 0, port: try await process.port(),
      certificate: members[node].folder.certificate)
  }

  /// Where the others' lines to a node lead.
  func lead(_ node: Int, to port: Int?) {
    mesh.lead(node, to: port)
  }

  func peerPort(_ node: Int) async throws -> Int {
    guard let process = members[node].process else { throw Fault("node \(node) is not there") }
    return try await process.peerPort()
  }

  /// Kills a node with SIGKILL and waits for its end, which must not have come before.
  func kill(_ node: Int) async throws {
    guard let process = members[node].process else { return }
    beacon.dim(node: node)
    process.signal(SIGKILL)
    let end = try await process.end()
    lead(node, to: nil)
    members[node].process = nil
    guard end == .signal(SIGKILL) else {
      throw Fault("node \(node) had ended by itself, with \(end):\n\(folder(node).logTail)")
    }
  }

  /// SIGSTOP: it keeps its connections and says nothing.
  func pause(_ node: Int) { members[node].process?.signal(SIGSTOP) }
  func resume(_ node: Int) { members[node].process?.signal(SIGCONT) }

  /// Ends a node in peace.
  func terminate(_ node: Int) async throws {
    guard let process = members[node].process else { return }
    beacon.dim(node: node)
    process.signal(SIGTERM)
    let end = try await process.end()
    lead(node, to: nil)
    members[node].process = nil
    guard end == .exit(0) else {
      throw Fault("node \(node), told to end, ended with \(end):\n\(folder(node).logTail)")
    }
  }

  func wipe(_ node: Int) throws { try members[node].folder.wipe() }

  /// Throws if a node ended of itself.
  func checkRunning() throws {
    for (number, member) in members.enumerated() {
      if let process = member.process, !process.isRunning {
        throw Fault("node \(number) ended by itself:\n\(member.folder.logTail)")
      }
    }
  }

  // MARK: The end

  /// Kills what runs and frees all ports; the files stay.
  func end() async {
    for node in members.indices {
      guard let process = members[node].process else { continue }
      process.signal(SIGKILL)
      _ = try? await process.end()
      members[node].process = nil
    }
    mesh.end()
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
