import Domain
import Foundation
import ProcessSupport

/// The union's nodes, each a process of its own with both chains in its folder. Every node reaches
/// every other through a line whose port stays when the node behind it is another process.
actor UnionNodes {
  let union: Union
  let beacon: Beacon
  nonisolated let path: String
  private nonisolated let board: Switchboard
  /// lines[a][b] leads from node a to node b.
  private let lines: [[(line: Int, port: Int)?]]
  private let folders: [NodeFolder]
  private var processes: [NodeProcess?]

  init(_ union: Union, beacon: Beacon) throws {
    self.union = union
    self.beacon = beacon
    let path = NodeFolder.fresh()
    self.path = path
    let board = try Switchboard()
    self.board = board
    let nodes = union.grids.indices
    lines = try nodes.map { from in try nodes.map { from == $0 ? nil : try board.add() } }
    folders = try union.grids.enumerated().map { number, grid in
      try NodeFolder(
        genesis: grid.genesis, at: "\(path)/node-\(number)", key: grid.node, hasPeers: false)
    }
    processes = union.grids.map { _ in nil }
    for (node, folder) in folders.enumerated() {
      try folder.write(
        backbonePeers: nodes.compactMap { other in
          lines[node][other].map {
            "\(union.grids[other].node.publicKey.text(as: .node)) 127.0.0.1:\($0.port)"
          }
        })
    }
  }

  func folder(_ node: Int) -> NodeFolder { folders[node] }

  /// Starts nodes together and waits until they listen.
  func start(_ nodes: [Int]) async throws {
    for node in nodes { processes[node] = try NodeProcess(folders[node]) }
    for node in nodes {
      guard let process = processes[node] else { continue }
      lead(node, to: try await process.backbonePort())
      beacon.light(
        node: node, port: try await process.port(), certificate: folders[node].certificate)
    }
  }

  /// Kills a node with SIGKILL and waits for its end, which must not have come before.
  func kill(_ node: Int) async throws {
    try await end(node, with: SIGKILL, as: .signal(SIGKILL))
  }

  /// Ends a node in peace.
  func terminate(_ node: Int) async throws { try await end(node, with: SIGTERM, as: .exit(0)) }

  private func end(_ node: Int, with signal: Int32, as expected: NodeProcess.End) async throws {
    guard let process = processes[node] else { return }
    beacon.dim(node: node)
    process.signal(signal)
    let end = try await process.end()
    lead(node, to: nil)
    processes[node] = nil
    guard end == expected else {
      throw Fault("node \(node) ended with \(end):\n\(folders[node].logTail)")
    }
  }

  private func lead(_ node: Int, to port: Int?) {
    for other in folders.indices {
      if let line = lines[other][node] { board.lead(line.line, to: port) }
    }
  }

  /// The last lines of every node's log.
  var logs: String {
    folders.enumerated().map { "node \($0):\n\($1.logTail)" }.joined(separator: "\n")
  }

  /// Kills what runs and frees all ports; the files stay.
  func close() async {
    for node in processes.indices {
      guard let process = processes[node] else { continue }
      process.signal(SIGKILL)
      _ = try? await process.end()
      processes[node] = nil
    }
    board.end()
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
