import Domain
import Foundation
import ProcessSupport
import TestSupport

/// Does one bad thing after the other to a union, at random: to one of its nodes, or to all lines
/// between them, so that the backbone can agree on nothing for a while. After each it mends
/// everything and waits until all grids have coupled again.
struct UnionMischief {
  enum Kind: String, CaseIterable, Sendable {
    case kill
    case pause
    /// A node's lines are cut, of one side or both.
    case isolate
    /// A node's lines stand and pass nothing.
    case stall
    case delay
    /// All lines are slow.
    case slow
    /// All lines are cut: every grid is an island, and goes on by itself.
    case islands
    /// Two halves, of which none is a quorum of the backbone.
    case split
    /// A node is killed and loses all that it has of the backbone; its grid's chain it keeps. Never
    /// the first: who joins by a state has not the blocks before it, and one whole chain of the
    /// backbone is wanted for the audit.
    case wipe
    /// All nodes are killed at once.
    case blackout
  }

  private let stage: UnionStage
  private let pulse: UnionPulse
  private var random: SplitMix64
  private var deck = Deck<Kind>()
  private(set) var deeds: [Deed<Kind>] = []
  /// Nodes that lost what they had of the backbone.
  private(set) var wiped: Set<Int> = []

  private var count: Int { stage.union.grids.count }
  private var nodes: UnionNodes { stage.nodes }
  private var mesh: Mesh { stage.nodes.mesh }

  /// Seconds within which a mended union must have a round of all grids, which every node knows.
  static let recoverySeconds = 90.0

  init(_ stage: UnionStage, _ pulse: UnionPulse, random: SplitMix64) {
    self.stage = stage
    self.pulse = pulse
    self.random = random
  }

  /// One deed after the other for so many seconds, each to its end.
  mutating func run(seconds: Double) async throws {
    let deadline = Deadline(seconds)
    while !deadline.isOver {
      try await Task.sleep(for: .milliseconds(random.int(200...1500)))
      let kind = deck.draw(&random)
      let text = try await deed(kind)
      deeds.append(try await recover(kind, text))
      try await nodes.checkRunning()
    }
  }

  /// Does it and mends it; what it was.
  private mutating func deed(_ kind: Kind) async throws -> String {
    let node = kind == .wipe ? 1 + random.below(count - 1) : random.below(count)
    let length = random.int(500...4500)
    switch kind {
    case .kill:
      try await nodes.kill(node)
      try await sleep(length / 2)
      try await nodes.start([node])
    case .pause:
      await nodes.pause(node)
      try await sleep(length)
      await nodes.resume(node)
    case .isolate, .stall, .delay:
      let side = random.element(of: Mesh.Side.allCases)
      let mode: Switchboard.Mode =
        kind == .isolate ? .cut : kind == .stall ? .stalled : .delayed(random.below(150) + 5)
      mesh.set(mode, node, side)
      try await sleep(length)
      mesh.mend()
      return "node \(node), \(length) ms, \(side), \(mode)"
    case .slow:
      let mode = Switchboard.Mode.delayed(random.below(60) + 5)
      mesh.set(mode)
      try await sleep(length)
      mesh.mend()
      return "all lines, \(length) ms, \(mode)"
    case .islands:
      mesh.set(.cut)
      return try await apart("all nodes", length)
    case .split:
      let part = Set(Array(0..<count).shuffled(using: &random).prefix(count / 2))
      mesh.split(part)
      return try await apart("\(part.sorted())", length)
    case .wipe:
      try await nodes.kill(node)
      try await nodes.wipeBackbone(node)
      wiped.insert(node)
      try await nodes.start([node])
    case .blackout:
      for node in 0..<count { try await nodes.kill(node) }
      try await nodes.start(Array(0..<count))
      return "all nodes"
    }
    return "node \(node), \(length) ms"
  }

  private func sleep(_ milliseconds: Int64) async throws {
    try await Task.sleep(for: .milliseconds(milliseconds))
  }

  /// While nobody can agree on a block of the backbone, every grid closes its intervals.
  private func apart(_ who: String, _ length: Int64) async throws -> String {
    // As in `Mischief.split`: a vote from before may still complete a certificate for a while.
    try await sleep(2000)
    try await sleep(Int64(3 * UnionPulse.period))
    let height = pulse.height
    let closes = try await nextCloses()
    try await sleep(length)
    try await wait(20, every: 100, for: "closes of grids apart, not \(closes)") {
      zip(try await nextCloses(), closes).allSatisfy { $0 > $1 }
    }
    guard pulse.height == height else {
      throw Fault("block \(pulse.height) of the backbone became final without a quorum")
    }
    mesh.mend()
    return "\(who) apart, \(length) ms"
  }

  /// Of each grid: the first interval that is not closed.
  private func nextCloses() async throws -> [Int64] {
    var closes: [Int64] = []
    for place in 0..<count {
      closes.append(try await stage.at(place) { try await $0.current() }.nextClose)
    }
    return closes
  }

  private func recover(_ kind: Kind, _ text: String) async throws -> Deed<Kind> {
    let start = ContinuousClock.now
    let newest = pulse.newestRound
    do {
      let gap = try await pulse.round(after: newest, ofAll: false, within: Self.recoverySeconds)
      _ = try await pulse.round(after: newest, ofAll: true, within: Self.recoverySeconds)
      try await pulse.arrival(after: newest, within: Self.recoverySeconds)
      return Deed(kind: kind, text: text, gap: gap, recovery: ContinuousClock.now - start)
    } catch { throw Fault("after \(kind.rawValue) (\(text)): \(error)") }
  }
}
