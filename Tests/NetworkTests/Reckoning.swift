import Domain
import Foundation
import ProcessSupport
import Storage
import Wire

/// At the end of a run: what clients were told against what every node tells, against what stands
/// on every disk, and the nodes against each other.
struct Reckoning: Sendable {
  private let trial: Trial
  /// The nodes that are looked at.
  private let nodes: [Int]
  /// Who may command besides the members.
  private let officials: Set<PublicKey>

  init(_ trial: Trial, nodes: [Int], officials: Set<PublicKey> = []) {
    self.trial = trial
    self.nodes = nodes
    self.officials = officials
  }

  /// Waits until all nodes are at one height with one state root; that height.
  func level(within seconds: Double = 30) async throws -> UInt64 {
    var answers: [Intertie_V1_StatusResponse] = []
    try await wait(
      seconds, every: 10,
      for: "equal heights and roots, not \(answers.map { ($0.height, Digest($0.stateRoot)) })"
    ) {
      answers = try await withThrowingTaskGroup(of: Intertie_V1_StatusResponse.self) { group in
        for node in nodes {
          guard let place = trial.beacon.place(of: node) else {
            throw Fault("node \(node) is gone")
          }
          group.addTask { try await place.connect { try await $0.current() } }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      return Set(answers.map(\.height)).count == 1 && Set(answers.map(\.stateRoot)).count == 1
    }
    return answers[0].height
  }

  /// Asks every node for everything that was acknowledged.
  func hear() async throws {
    let pages = trial.notebook.pages
    var testimonies: [Testimony] = []
    for (number, node) in nodes.enumerated() {
      testimonies.append(try await hear(node, pages, share: (number, nodes.count)))
    }
    try compare(testimonies)
  }

  private func hear(_ node: Int, _ pages: Notebook.Pages, share: (number: Int, of: Int))
    async throws -> Testimony
  {
    guard var place = trial.beacon.place(of: node) else { throw Fault("node \(node) is gone") }
    place.patience = 20
    return try await place.connect { services -> Testimony in
      let testimony = try await Testimony(services, community: trial.community)
      let contradictions: [String] = try await testimony.contradictions(
        to: pages, services, share: share)
      try demand(
        contradictions.isEmpty,
        "node \(node): \(contradictions.count), such as \(contradictions.prefix(3))")
      return testimony
    }
  }

  private func compare(_ testimonies: [Testimony]) throws {
    let low = testimonies.map(\.first).max() ?? 1
    let high = testimonies.map(\.height).min() ?? 0
    try demand(low <= high, "the nodes have no block in common")
    for height in low...high where Set(testimonies.map { $0.hash(at: height) }).count > 1 {
      throw Fault("the nodes' blocks differ at height \(height)")
    }
    try demand(
      high >= trial.notebook.highest, "a node misses blocks that clients were told of")
  }

  /// Ends the nodes in peace and reads what they left; the heights.
  func readDisks() async throws -> [UInt64] {
    trial.pulse.end()
    for node in nodes { try await trial.network.terminate(node) }
    let pages = trial.notebook.pages
    var heights: [UInt64] = []
    var roots: [UInt64: Digest] = [:]
    var audited = 0
    for node in nodes {
      let folder = await trial.network.folder(node)
      let store = try Store(path: folder.database, chain: trial.community.chain)
      let record: ChainRecord
      do {
        defer { try? store.close() }
        try store.checkInvariants()
        record = try ChainRecord(
          store, members: trial.community.members, meters: trial.community.meters,
          officials: officials)
        try Self.compare(store, through: record.blocks, with: &roots, node: node)
      }
      try demand(record.faults.isEmpty, "node \(node): \(record.faults.prefix(5))")
      let contradictions = record.contradictions(to: pages)
      try demand(
        contradictions.isEmpty,
        "node \(node)'s disk: \(contradictions.count), such as \(contradictions.prefix(3))")
      heights.append(record.blocks)
      // A node that joined by snapshot has not the blocks before it, which an audit replays.
      if record.first == 1 {
        try await audit(node, folder)
        audited += 1
      }
    }
    try demand(audited > 0, "no node has the whole chain")
    return heights
  }

  /// Every block's state root is the one that the nodes before have for it, as far as a node that
  /// joined by a state knows it: of the blocks before, from what later headers attest.
  private static func compare(
    _ store: Store, through end: UInt64, with roots: inout [UInt64: Digest], node: Int
  ) throws {
    var next: UInt64 = 1
    while next <= end {
      let blocks = try store.blocks(from: next, through: end, limit: 64)
      guard let last = blocks.last else { break }
      for block in blocks where block.head.stateRoot != .zero {
        let root = block.head.stateRoot
        if let known = roots.updateValue(root, forKey: block.height), known != root {
          throw Fault("the disks differ at height \(block.height), on node \(node)")
        }
      }
      next = last.height + 1
    }
  }

  private func audit(_ node: Int, _ folder: NodeFolder) async throws {
    let (code, text) = try await Executable.intertie(
      ["audit", "--genesis", folder.genesis, "--data", folder.data], within: 600)
    try demand(code == 0 && text.contains("audit passed"), "node \(node): \(text)")
  }
}
