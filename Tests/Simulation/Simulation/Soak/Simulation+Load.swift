import Domain
import Node

// Runs about load: what clients offer, at what cost to the nodes' cores.
extension Simulation {
  /// The calls of one tick go out, each when its client wants it to.
  func offerLoad() {
    for call in load?.due(at: time, &random) ?? [] { send(call: call) }
    events.push(.clients, at: time + LoadSettings.tick)
  }

  /// To some node that runs; if none does, later.
  func send(call: Int) {
    guard let wanted = load?.calls[call], wanted.places.isEmpty else { return }
    guard let node = random.pick(from: nodes.filter(\.isRunning)) else {
      retryLater(call)
      return
    }
    load?.sent(call, to: node.index)
    events.push(
      .call(call, node: node.index, life: node.life),
      at: max(time, wanted.intended) + random.int(100...5_000))
  }

  /// As the node takes a call: a place is reserved, then its signatures are checked.
  func receive(call: Int, at node: SimulatedNode) {
    guard let wanted = load?.calls[call], wanted.places.contains(node.index) else { return }
    guard node.gate.reserve(Self.reservation(wanted.entries), at: time) == .accepted else {
      if load?.refused(call, by: node.index) == false { retryLater(call) }
      return
    }
    counts.calls += 1
    let checked = node.processor.queue(
      Int64(wanted.entries.count) * settings.service.entry, at: time)
    let submission = Submission(
      entries: wanted.entries, answer: node.answers.answer(to: call))
    events.push(.input(.submission(submission), node: node.index, life: node.life), at: checked)
  }

  private static func reservation(_ entries: [VerifiedEntry]) -> Reservation {
    Reservation(
      entries: entries.count, bytes: entries.reduce(0) { $0 + $1.encodedSize },
      for: entries.contains { !$0.isReading } ? .commands : .readings)
  }

  /// What another node hands on: as the node does, only what is not on the chain is verified.
  func receive(
    loaded entries: [(EntryKind, SignedBytes)], from sender: SimulatedNode,
    at node: SimulatedNode
  ) {
    guard let replica = node.replica else { return }
    let verifier = Verifier(chain: community.chain)
    let now = clock(of: node)
    var wanted: [VerifiedEntry] = []
    for (kind, signed) in entries {
      guard let entry = try? verifier.parse(kind: kind, signed), notary.isSigned(entry) else {
        counts.badMessages += 1
        continue
      }
      if Self.isWanted(entry, by: replica.pipeline, now) { wanted.append(entry) }
    }
    guard !wanted.isEmpty else { return }
    let checked = node.processor.queue(Int64(wanted.count) * settings.service.entry, at: time)
    events.push(
      .input(.entries(wanted, from: sender.id), node: node.index, life: node.life), at: checked)
  }

  private static func isWanted(
    _ entry: VerifiedEntry, by pipeline: BarePipeline, _ now: Timestamp
  ) -> Bool {
    switch entry.content {
    case .reading(let reading): return pipeline.meter.admit(reading, time: now) == nil
    case .command(let command):
      guard let index = pipeline.ledger.index(of: command.signer) else { return false }
      var window = pipeline.ledger.account(index).window
      return command.sequence > 0 && window.use(command.sequence)
    case .delivery, .report: return false
    }
  }

  /// Clients hear what became of their calls.
  func takeLoadAnswers(of node: SimulatedNode) {
    for (call, outcome) in node.answers.take() {
      guard case .success(let results) = outcome,
        let entries = load?.answered(call, results, at: time)
      else { continue }
      node.gate.release(Self.reservation(entries), isChecked: true, at: time)
      for (entry, result) in zip(entries, results) {
        oracle.acknowledged(entry, result, by: node, name: trace.names[node.index])
      }
    }
    if let fault = load?.fault { oracle.fail(fault) }
  }

  /// A node went down: what waited there is sent again, the same bytes, to another.
  func loseLoad(of node: SimulatedNode) {
    for call in load?.lost(node.index) ?? [] { retryLater(call) }
  }

  /// What a step of an honest node has made durable, before the oracle hears of it.
  func takeLoad(_ step: Step, of node: SimulatedNode) {
    guard load != nil else { return }
    for decided in step.decided {
      let height = decided.block.header.height
      guard height > pace.height else {
        pace.follow(height, at: time)
        continue
      }
      load?.take(decided)
      pace.lead(height, at: time)
      for metered in decided.execution.metered {
        let due = community.genesis.calendar.close(of: metered.interval)
        let chain = due.microseconds - Community.origin * 1_000_000
        pace.close(late: time - chain / community.rate)
      }
    }
    if let fault = load?.fault { oracle.fail(fault) }
  }
}

/// How far the chain has come, and how far behind nodes are: since it was taken last.
struct Pace {
  /// When the newest blocks were first durable anywhere: block h at h % length.
  private var times = [Int64](repeating: 0, count: 8192)
  private(set) var height: UInt64 = 0
  private var newestAt: Int64 = 0
  private(set) var blocks = 0
  private(set) var closes = 0
  /// The latest close after its time, the longest time between two blocks, and the longest that a
  /// node came after the first with a block, µs.
  private(set) var closeLag: Int64 = 0
  private(set) var gap: Int64 = 0
  private(set) var nodeLag: Int64 = 0

  mutating func lead(_ height: UInt64, at time: Int64) {
    if self.height > 0 { gap = max(gap, time - newestAt) }
    self.height = height
    newestAt = time
    times[Int(height) % times.count] = time
    blocks += 1
  }

  mutating func follow(_ height: UInt64, at time: Int64) {
    let isKnown = self.height - height < UInt64(times.count)
    let known = isKnown ? times[Int(height) % times.count] : 0
    nodeLag = max(nodeLag, time - known)
  }

  mutating func close(late: Int64) {
    closes += 1
    closeLag = max(closeLag, late)
  }

  /// Begins to count anew.
  mutating func reset() {
    (blocks, closes, closeLag, gap, nodeLag) = (0, 0, 0, 0, 0)
  }
}
