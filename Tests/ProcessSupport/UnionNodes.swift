import Domain
import Foundation

/// Nodes of several grids, each a process of its own with its grid's chain and the backbone's in
/// its folder. Every node reaches every other through a line whose port stays when the node behind
/// it is another process.
package actor UnionNodes {
  /// A grid of one node.
  package struct Seat: Sendable {
    package var genesis: Genesis
    /// The node's key: of the grid's validator, and of one of the backbone's.
    package var key: SigningKey

    package init(genesis: Genesis, key: SigningKey) {
      self.genesis = genesis
      self.key = key
    }
  }

  package nonisolated let beacon: Beacon
  package nonisolated let path: String
  package nonisolated let mesh: Mesh
  package nonisolated let folders: [NodeFolder]
  private var processes: [NodeProcess?]

  package init(_ seats: [Seat], beacon: Beacon) throws {
    self.beacon = beacon
    let path = NodeFolder.fresh()
    self.path = path
    let mesh = try Mesh(seats.count)
    self.mesh = mesh
    folders = try seats.enumerated().map { number, seat in
      try NodeFolder(
        genesis: seat.genesis, at: "\(path)/node-\(number)", key: seat.key, hasPeers: false)
    }
    processes = seats.map { _ in nil }
    for (node, folder) in folders.enumerated() {
      try folder.write(
        backbonePeers: seats.indices.compactMap { other in
          mesh.port(from: node, to: other).map {
            "\(seats[other].key.publicKey.text(as: .node)) 127.0.0.1:\($0)"
          }
        })
    }
  }

  /// Of the nodes that run.
  package var processIDs: [Int32] { processes.compactMap { $0?.id } }

  /// Starts nodes together and waits until they listen.
  package func start(_ nodes: [Int]) async throws {
    for node in nodes { processes[node] = try NodeProcess(folders[node]) }
    for node in nodes {
      guard let process = processes[node] else { continue }
      mesh.lead(node, to: try await process.backbonePort())
      beacon.light(
        node: node, port: try await process.port(), certificate: folders[node].certificate)
    }
  }

  /// Kills a node with SIGKILL and waits for its end, which must not have come before.
  package func kill(_ node: Int) async throws {
    try await end(node, with: SIGKILL, as: .signal(SIGKILL))
  }

  /// Ends a node in peace.
  package func terminate(_ node: Int) async throws {
    try await end(node, with: SIGTERM, as: .exit(0))
  }

  private func end(_ node: Int, with signal: Int32, as expected: NodeProcess.End) async throws {
    guard let process = processes[node] else { return }
    beacon.dim(node: node)
    process.signal(signal)
    let end = try await process.end()
    mesh.lead(node, to: nil)
    processes[node] = nil
    guard end == expected else {
      throw Fault("node \(node) ended with \(end):\n\(folders[node].logTail)")
    }
  }

  /// SIGSTOP: it keeps its connections and says nothing.
  package func pause(_ node: Int) { processes[node]?.signal(SIGSTOP) }
  package func resume(_ node: Int) { processes[node]?.signal(SIGCONT) }

  /// Takes all that a node, which does not run, has of the backbone; its grid's chain stays.
  package func wipeBackbone(_ node: Int) throws {
    try FileManager.default.removeItem(atPath: folders[node].backboneData)
  }

  /// Throws if a node ended of itself.
  package func checkRunning() throws {
    for (node, process) in processes.enumerated() {
      if let process, !process.isRunning {
        throw Fault("node \(node) ended by itself:\n\(folders[node].logTail)")
      }
    }
  }

  /// The last lines of every node's log.
  package nonisolated var logs: String {
    folders.enumerated().map { "node \($0):\n\($1.logTail)" }.joined(separator: "\n")
  }

  /// Kills what runs and frees all ports; the files stay.
  package func close() async {
    for node in processes.indices {
      guard let process = processes[node] else { continue }
      process.signal(SIGKILL)
      _ = try? await process.end()
      processes[node] = nil
    }
    mesh.end()
  }

  package nonisolated func remove() { try? FileManager.default.removeItem(atPath: path) }
}
