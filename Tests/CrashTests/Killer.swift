import Domain
import Foundation
import ProcessSupport
import TestSupport

/// Starts the node and kills it with SIGKILL, again and again, on one data folder.
struct Killer {
  let folder: NodeFolder
  let beacon: Beacon
  let notebook: Notebook
  var random: SplitMix64
  /// Heights at which the nodes after a kill came back.
  private(set) var recovered: [UInt64] = []
  /// Whether the last kill came after a snapshot.
  private(set) var hasSnapshot = false
  /// Kills before the node listened.
  private(set) var early = 0

  init(folder: NodeFolder, beacon: Beacon, notebook: Notebook, random: SplitMix64) {
    self.folder = folder
    self.beacon = beacon
    self.notebook = notebook
    self.random = random
  }

  /// Kills so many nodes: most while they work, 20 to 700 ms after they began to listen, some
  /// while they start; the last one when there is a snapshot to start from.
  mutating func run(kills: Int) async throws {
    for kill in 1...kills {
      if kill > 1, kill < kills, random.isOne(in: 5) {
        let node = try NodeProcess(folder)
        try await Task.sleep(for: .milliseconds(random.int(1...250)))
        try await self.kill(node)
        early += 1
      } else {
        let node = try await start()
        if kill == kills { hasSnapshot = try await waitForSnapshot() }
        try await Task.sleep(for: .milliseconds(random.int(20...700)))
        await strike(node)
        try await self.kill(node)
        beacon.dim()
      }
    }
  }

  /// Two times in three the kill comes at the very moment at which a client hears an answer: what
  /// the node says must be durable by then.
  private mutating func strike(_ node: NodeProcess) async {
    let moments: [Notebook.Moment?] = [nil, .bulkyBatch, .earlyDuplicate]
    guard let moment = random.element(of: moments) else { return }
    notebook.set(trapFor: moment) { node.signal(SIGKILL) }
    let deadline = Deadline(0.7)
    while node.isRunning, !deadline.isOver {
      try? await Task.sleep(for: .milliseconds(2))
    }
    notebook.clearTrap()
  }

  /// A node takes a snapshot at the first close that is 2,000 blocks after the one before. False
  /// when a slow machine does not come so far in time.
  private func waitForSnapshot() async throws -> Bool {
    guard let place = await beacon.place() else { throw Fault("no node") }
    return try await place.connect { services in
      var close: Int64?
      let deadline = Deadline(30)
      while true {
        let status = try await services.current()
        if status.height > 2000 {
          if let close, status.nextClose > close { return true }
          close = close ?? status.nextClose
        }
        if deadline.isOver { return false }
        try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  /// Starts a node, waits until it listens, and tells the clients. It must have come back with
  /// every block that a client was told of.
  mutating func start() async throws -> NodeProcess {
    let promised = notebook.highest
    let node = try NodeProcess(folder)
    let port = try await node.port()
    guard let height = node.recoveredHeight else {
      throw Fault("the node does not say at which height it recovered:\n\(folder.logTail)")
    }
    if height < promised {
      notebook.fault("block \(promised) was acknowledged; the node came back at \(height)")
    }
    recovered.append(height)
    beacon.light(port: port, certificate: folder.certificate)
    return node
  }

  private func kill(_ node: NodeProcess) async throws {
    node.signal(SIGKILL)
    let end = try await node.end()
    guard end == .signal(SIGKILL) else {
      throw Fault("the node ended by itself, with \(end):\n\(folder.logTail)")
    }
  }
}
