import Domain
import Foundation
import ProcessSupport
import TestSupport

/// Does one bad thing after the other to a network, at random: never more at a time than the
/// protocol stands, or, for a short while, so much that nothing can be agreed on. After each it
/// mends everything and waits until all nodes are there again.
struct Mischief {
  enum Kind: String, CaseIterable, Sendable {
    case kill
    case pause
    /// A node's lines are cut, of one side or both.
    case isolate
    /// A node's lines stand and pass nothing.
    case stall
    case delay
    /// A node is killed and starts on an empty disk. Never the first: what joins by a state has
    /// not the blocks before it, and one whole chain is wanted for the audit at the end.
    case wipe
    /// Two halves of which none is a quorum.
    case split
    /// All nodes are killed at once.
    case blackout
  }

  private let network: Network
  private let pulse: Pulse
  private let count: Int
  private var random: SplitMix64
  private var deck = Deck<Kind>()
  private(set) var deeds: [Deed<Kind>] = []

  /// Seconds within which a mended network must agree on a block, and all its nodes be there.
  static let growthSeconds = 20.0
  static let recoverySeconds = 60.0

  init(_ network: Network, _ pulse: Pulse, nodes count: Int, random: SplitMix64) {
    self.network = network
    self.pulse = pulse
    self.count = count
    self.random = random
  }

  /// One deed after the other for so many seconds, each to its end.
  mutating func run(seconds: Double) async throws {
    let deadline = Deadline(seconds)
    while !deadline.isOver {
      try await sleep(200...800)
      deeds.append(try await deed(deck.draw(&random)))
      try await network.checkRunning()
    }
  }

  private func sleep(_ milliseconds: Int64) async throws {
    try await Task.sleep(for: .milliseconds(milliseconds))
  }

  private mutating func sleep(_ range: ClosedRange<Int64>) async throws {
    try await sleep(random.int(range))
  }

  private mutating func deed(_ kind: Kind) async throws -> Deed<Kind> {
    let node = kind == .wipe ? 1 + random.below(count - 1) : random.below(count)
    let length = random.int(300...3000)
    pulse.begin(kind == .split || kind == .blackout ? .severed : .impaired)
    var text = "node \(node), \(length) ms"
    switch kind {
    case .kill:
      try await network.kill(node)
      try await sleep(length / 2)
      try await network.start([node])
    case .pause:
      await network.pause(node)
      try await sleep(length)
      await network.resume(node)
    case .isolate, .stall, .delay:
      let side = random.element(of: Mesh.Side.allCases)
      let mode: Switchboard.Mode =
        kind == .isolate ? .cut : kind == .stall ? .stalled : .delayed(random.below(150) + 5)
      text += ", \(side), \(mode)"
      network.mesh.set(mode, node, side)
      try await sleep(length)
      network.mesh.mend()
    case .wipe:
      try await network.kill(node)
      try await network.wipe(node)
      try await network.start([node])
    case .split: text = try await split(length)
    case .blackout:
      text = "all nodes"
      for node in 0..<count { try await network.kill(node) }
      try await network.start(Array(0..<count))
    }
    return try await recover(kind, text)
  }

  /// Halves that hear nothing of each other: what was under way may still end, then nothing is
  /// agreed on until they are one again.
  private mutating func split(_ length: Int64) async throws -> String {
    let part = Set(Array(0..<count).shuffled(using: &random).prefix(count / 2))
    network.mesh.split(part)
    // A vote from before the split can still complete a certificate when a node of its half has
    // asked for what it lacks, every 3Δ, and voted: 0.6 s, and again as long.
    try await sleep(2000)
    // What the nodes knew of this moment they have told a question later.
    try await sleep(Int64(3 * Pulse.period))
    let height = pulse.highest
    try await sleep(length)
    if pulse.highest > height {
      throw Fault("block \(pulse.highest) became final in halves that cannot hear each other")
    }
    network.mesh.mend()
    return "\(part.sorted()) apart from the others, \(length) ms"
  }

  private func recover(_ kind: Kind, _ text: String) async throws -> Deed<Kind> {
    pulse.begin(.healed)
    let start = ContinuousClock.now
    let height = pulse.highest
    do {
      let gap = try await pulse.growth(above: height, within: Self.growthSeconds)
      pulse.begin(.calm)
      try await pulse.arrival(
        of: Array(0..<count), at: height + 1, within: Self.recoverySeconds)
      return Deed(kind: kind, text: text, gap: gap, recovery: ContinuousClock.now - start)
    } catch {
      throw Fault("after \(kind.rawValue) (\(text)): \(error)")
    }
  }
}

extension Duration {
  /// In milliseconds.
  var text: String { "\(Int((self / .milliseconds(1)).rounded())) ms" }
}
