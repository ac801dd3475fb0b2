import Domain
import Node
import TestSupport

/// One call of a client: signed bytes that go to some node, and again, the same bytes, to another
/// when it is not known what became of them.
struct Call {
  var entries: [VerifiedEntry]
  /// Nodes that may still answer it.
  var places: [Int] = []
  var isAnswered = false
}

/// The community's clients, and what they were told.
struct Clients {
  private(set) var calls: [Call] = []
  /// Calls whose node went down, until somebody tries them again.
  var abandoned: [Int] = []
  private var open: Set<Int> = []
  private var sequences: [PublicKey: UInt64] = [:]
  private let community: Community

  init(_ community: Community) { self.community = community }

  var isWaiting: Bool { !open.isEmpty }

  var waitingText: String {
    open.sorted().prefix(8).map { "\($0) at \(calls[$0].places)" }.joined(separator: ", ")
  }

  mutating func add(_ entries: [VerifiedEntry]) -> Int {
    calls.append(Call(entries: entries))
    open.insert(calls.count - 1)
    return calls.count - 1
  }

  mutating func send(_ call: Int, to node: Int) { calls[call].places.append(node) }

  /// False for an answer that came after the first.
  mutating func answered(_ call: Int) -> Bool {
    defer { calls[call].isAnswered = true }
    open.remove(call)
    return !calls[call].isAnswered
  }

  /// A node went down: what waited there is answered by nobody any more.
  mutating func lost(_ node: Int) {
    for call in open.sorted() where calls[call].places.contains(node) {
      calls[call].places.removeAll { $0 == node }
      if calls[call].places.isEmpty { abandoned.append(call) }
    }
  }

  mutating func sequence(of key: PublicKey) -> UInt64 {
    sequences[key, default: 0] += 1
    return sequences[key] ?? 1
  }

  // MARK: what they want

  mutating func entry(at now: Timestamp, _ random: inout SplitMix64) -> VerifiedEntry {
    random.chance(35) ? reading(now, &random) : command(now, &random)
  }

  /// Of the interval that ended last or one before, sometimes corrected, sometimes repeated.
  private func reading(_ now: Timestamp, _ random: inout SplitMix64) -> VerifiedEntry {
    let calendar = community.genesis.calendar
    let ended = calendar.interval(at: now).index - 1
    let interval = Interval(max(calendar.firstInterval.index, ended - random.int(0...2)))
    let version = UInt16(random.element(of: [1, 1, 1, 2, 3]))
    return community.reading(
      random.below(Community.meters), interval, exported: random.int(0...3_000_000),
      imported: random.int(0...2_000_000), version: version)
  }

  private mutating func command(_ now: Timestamp, _ random: inout SplitMix64) -> VerifiedEntry {
    let isBetweenPayers = random.chance(30)
    let places = isBetweenPayers ? Community.payers : Community.traders
    let key = community.members[places.lowerBound + random.below(places.count)]
    let expires =
      random.chance(10)
      ? Timestamp(microseconds: now.microseconds + random.int(0...2_000_000) * community.rate)
      : Timestamp(seconds: 1 << 40)
    if isBetweenPayers {
      let other = community.members[places.lowerBound + random.below(places.count)]
      return signed(
        .transfer(to: other.publicKey, asset: .money, amount: random.int(1...600_000_000)), by: key,
        expires)
    }
    if random.chance(8) { return signed(byLead(&random), by: community.lead, expires) }
    return signed(trade(&random), by: key, expires)
  }

  private mutating func trade(_ random: inout SplitMix64) -> CommandBody {
    let member = community.members[random.below(Community.traders.count)].publicKey
    switch random.int(0...9) {
    case 0: return .cancel(OrderID(UInt64(random.int(1...12))))
    case 1:
      return .replace(
        OrderID(UInt64(random.int(1...12))), wattHours: random.int(1...900),
        limit: Price(random.int(100_000...300_000)))
    case 2: return .transfer(to: member, asset: .watt, amount: random.int(1...400_000))
    case 3:
      return .setAgent(
        AgentSettings(
          buyPrice: Price(random.int(100_000...300_000)),
          sellPrice: Price(random.int(100_000...300_000)), low: Energy(random.int(0...500_000)),
          high: Energy(random.int(600_000...1_500_000))))
    case 4: return .redeem(amount: Money(random.int(1...1_000_000)))
    default:
      return .place(
        OrderRequest(
          side: random.chance(50) ? .buy : .sell, wattHours: random.int(1...1500),
          limit: Price(random.int(90_000...310_000)),
          timeInForce: random.element(of: [.goodTillCancelled, .immediateOrCancel, .fillOrKill])))
    }
  }

  private func byLead(_ random: inout SplitMix64) -> CommandBody {
    let member = community.members[random.below(Community.traders.count)].publicKey
    switch random.int(0...2) {
    case 0: return .issue(to: member, amount: Money(random.int(1...50_000_000)))
    case 1: return .setUtility(isAvailable: random.chance(60))
    default: return .admitMember(member)
    }
  }

  mutating func signed(_ body: CommandBody, by key: SigningKey, _ expires: Timestamp)
    -> VerifiedEntry
  {
    community.command(
      body, by: key, sequence: sequence(of: key.publicKey), expires: expires)
  }
}

extension Simulation {
  /// Now and then clients want something: one call of a few entries, at one node or at two.
  func callByClients() {
    var entries: [VerifiedEntry] = []
    for _ in 0..<random.int(1...3) {
      let entry = clients.entry(at: community.clock(time), &random)
      notary.enter(entry)
      entries.append(entry)
    }
    let call = clients.add(entries)
    counts.calls += 1
    submit(call)
    if random.chance(8) { submit(call) }
    // After the faults a few more, so that every node has something to do.
    if !isHealed || counts.callsAfterwards < nodes.count {
      if isHealed { counts.callsAfterwards += 1 }
      events.push(.clients, at: time + random.int(5_000...settings.clientPause * 1000))
    }
  }

  /// Sends a call to some honest node that runs; if none does, later.
  func submit(_ call: Int) {
    let running = nodes.filter { $0.isHonest && $0.isRunning }
    guard let node = random.pick(from: running) else {
      retryLater(call)
      return
    }
    clients.send(call, to: node.index)
    let submission = Submission(
      entries: clients.calls[call].entries, answer: node.answers.answer(to: call))
    events.push(
      .input(.submission(submission), node: node.index, life: node.life),
      at: time + random.int(100...5_000))
  }

  func retryLater(_ call: Int) {
    events.push(.retry(call: call), at: time + random.int(50_000...800_000))
  }

  func retry(_ call: Int) {
    guard !clients.calls[call].isAnswered, clients.calls[call].places.isEmpty else { return }
    counts.retries += 1
    submit(call)
  }

  /// Hands on what the node has answered.
  func takeAnswers(of node: SimulatedNode) {
    guard load == nil else { return takeLoadAnswers(of: node) }
    for (call, outcome) in node.answers.take() {
      guard case .success(let results) = outcome else { continue }
      let isFirst = clients.answered(call)
      note(node, "answers call", other: call)
      for (entry, result) in zip(clients.calls[call].entries, results) {
        if isFirst { counts.acknowledged += 1 }
        oracle.acknowledged(entry, result, by: node, name: trace.names[node.index])
      }
    }
  }
}
