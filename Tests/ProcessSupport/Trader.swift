import Domain
import GRPCCore
import TestSupport
import Wire

/// One member's client: one command under way at a time, under sequence numbers of its own. It
/// notes every receipt; when a connection broke it asks the next node what became of the command
/// that had no answer, and sends the same bytes again.
package actor Trader {
  /// How a trader behaves.
  package struct Habits: Sendable {
    /// Milliseconds between two commands.
    package var pause: ClosedRange<Int64> = 0...8
    /// With one node only: once it has died without a command, the command never happens any more
    /// and may be given up. Of several nodes another one may still have it.
    package var givesUp = true
    /// Goes to the next node once in so many commands, of itself.
    package var movesOnce: Int64?

    package init() {}
  }

  private struct Sent {
    var name: CommandName
    var body: CommandBody
    var signed: SignedBytes
    /// The node that it was sent to first.
    var generation: Int
    let start = ContinuousClock.now

    var digest: Digest { Digest.sha256(signed.payload) }
  }

  private let community: Community
  private let member: Int
  private let beacon: Beacon
  private let notebook: Notebook
  private let habits: Habits
  private var random: SplitMix64
  /// Number of the node to turn to.
  private var node: Int
  private var sequence: UInt64 = 0
  private var orders: [OrderID] = []
  private var open: Sent?

  package init(
    _ community: Community, member: Int, habits: Habits = Habits(), beacon: Beacon,
    notebook: Notebook, random: SplitMix64
  ) {
    self.community = community
    self.member = member
    node = member
    self.habits = habits
    self.beacon = beacon
    self.notebook = notebook
    self.random = random
  }

  /// Sends to one node after the other until it is over and no command is without an answer.
  package func run() async {
    while !Task.isCancelled, !beacon.isOver || open != nil {
      guard let place = await beacon.place(from: node) else { break }
      do {
        try await place.connect { try await self.trade($0, generation: place.generation) }
        node = place.node + 1
      } catch {
        node = place.node + 1
        if let fault = error as? Fault { notebook.fault("member \(member): \(fault)") }
        notebook.count { $0.breaks += 1 }
        try? await Task.sleep(for: .milliseconds(5))
      }
    }
    if let open { notebook.fault("what became of \(open.name) is not known") }
  }

  private func trade(_ services: Services, generation: Int) async throws {
    if let open { try await resolve(open, services, generation: generation) }
    while !beacon.isOver, !Task.isCancelled {
      if let once = habits.movesOnce, random.isOne(in: once) { return }
      let body = compose()
      sequence += 1
      let sent = Sent(
        name: CommandName(member: member, sequence: sequence), body: body,
        signed: community.command(body, by: member, sequence: sequence), generation: generation)
      open = sent
      if random.isOne(in: 12) {
        try await sendTwice(sent, services)
      } else {
        settle(sent, try await send(sent, services))
      }
      if random.isOne(in: 8) { try await replay(sent, services) }
      try await Task.sleep(for: .milliseconds(random.int(habits.pause)))
    }
  }

  private func send(_ sent: Sent, _ services: Services) async throws -> Intertie_V1_SubmitResult {
    let message = Intertie_V1_SignedCommand(sent.signed)
    switch sent.body {
    case .place: return try await services.market.place(message, options: services.options)
    case .cancel: return try await services.market.cancel(message, options: services.options)
    case .replace: return try await services.market.replace(message, options: services.options)
    default: return try await services.submit(sent.signed)
    }
  }

  /// The same bytes twice in one call: the second must come to nothing of its own.
  private func sendTwice(_ sent: Sent, _ services: Services) async throws {
    let results = try await services.submit([sent.signed, sent.signed])
    settle(sent, results[0])
    if results[1].rejection != .replayed, results[1] != results[0] {
      notebook.fault("the twin of \(sent.name) was not replayed but \(results[1])")
    }
    notebook.count { $0.replays += 1 }
  }

  /// The same bytes after the answer: must be refused as replayed, without a block.
  private func replay(_ sent: Sent, _ services: Services) async throws {
    let result = try await send(sent, services)
    if result.rejection != .replayed || result.height != 0 {
      notebook.fault("\(sent.name), sent again, was not replayed but \(result)")
    }
    notebook.count { $0.replays += 1 }
  }

  /// After a crash: the chain has the command, or it never happened; then it is sent again in
  /// the same bytes, or given up for good.
  private func resolve(_ sent: Sent, _ services: Services, generation: Int) async throws {
    let key = community.members[member].publicKey
    let hasDied = habits.givesUp && generation > sent.generation
    for _ in 0..<10 {
      if let found = try await services.receipt(key, sent.name.sequence) {
        if Array(found.entryDigest) != sent.digest.array {
          notebook.fault("the receipt of \(sent.name) is of other bytes")
        }
        settle(sent, found.result)
        notebook.count { $0.learnt += 1 }
        try await replay(sent, services)
        return
      }
      if hasDied, random.isOne(in: 4) {
        open = nil
        notebook.count { [name = sent.name] in $0.abandoned.append(name) }
        return
      }
      let result = try await send(sent, services)
      if result.rejection != .replayed {
        settle(sent, result)
        notebook.count { $0.repeated += 1 }
        return
      }
      // Whoever was told `replayed` can be told where, unless it is still under way.
      if hasDied { notebook.fault("\(sent.name) is replayed, yet has no receipt") }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw Fault("\(sent.name) is neither found nor taken")
  }

  private func settle(_ sent: Sent, _ result: Intertie_V1_SubmitResult) {
    open = nil
    guard let position = result.position else {
      notebook.fault("\(sent.name) was refused before any block: \(result.rejection)")
      return
    }
    let receipt = result.receipt
    if receipt.rejection == .replayed { notebook.fault("\(sent.name), new, was replayed") }
    notebook.note(
      NotedCommand(
        name: sent.name, body: sent.body, digest: sent.digest, position: position,
        receipt: receipt), waited: ContinuousClock.now - sent.start)
    if let order = receipt.order, receipt.resting > 0 { orders.append(order) }
    if case .cancel(let order) = sent.body { orders.removeAll { $0 == order } }
  }

  // MARK: What it asks for

  private func compose() -> CommandBody {
    if Community.pair.contains(member) {
      let other = community.members[Community.pair.first { $0 != member } ?? member].publicKey
      return .transfer(to: other, asset: .money, amount: random.int(1...2_000_000))
    }
    let others = Community.traders.filter { $0 != member }
    let other = community.members[random.element(of: others)].publicKey
    switch random.below(20) {
    case 0...2 where !orders.isEmpty: return .cancel(random.element(of: orders))
    case 3 where !orders.isEmpty:
      return .replace(
        random.element(of: orders), wattHours: random.int(1...300), limit: price())
    case 4...6: return .transfer(to: other, asset: .money, amount: random.int(1...50_000))
    case 7...8: return .transfer(to: other, asset: .watt, amount: random.int(1...200_000))
    case 9:
      let low = random.int(0...400_000)
      return .setAgent(
        AgentSettings(
          buyPrice: price(), sellPrice: price(), low: Energy(low),
          high: Energy(low + random.below(800_000))))
    default:
      return .place(
        OrderRequest(
          side: random.isOne(in: 2) ? .buy : .sell, wattHours: random.int(1...400),
          limit: price(), timeInForce: timeInForce()))
    }
  }

  private func price() -> Price { Price(random.int(100_000...300_000)) }

  private func timeInForce() -> TimeInForce {
    switch random.below(6) {
    case 0: .immediateOrCancel
    case 1: .fillOrKill
    case 2: .goodTillInterval(community.current.next)
    default: .goodTillCancelled
    }
  }
}
