import Domain
import Node
import TestSupport

/// A call under way: some entries, and the nodes that may still answer.
struct LoadCall {
  var entries: [VerifiedEntry]
  /// When its client wanted to send it.
  var intended: Int64
  var places: [Int] = []
  /// It was sent to a node that went down since: a copy of it may still be under way.
  var isRepeated = false
}

/// Clients that send at a set rate, whatever becomes of it, and what they were told. Every entry is
/// known until it was answered and no longer, so that nothing here grows with time: an entry that
/// is applied twice, or after it was refused, is applied when nobody waits for it any more.
struct Load {
  let settings: LoadSettings
  private let community: Community
  private(set) var calls: [Int: LoadCall] = [:]
  private var nextCall = 0
  /// The entries of `calls`, and where the chain applied them so far.
  private var pending: [Digest: ReceiptPosition?] = [:]
  /// Since the beginning.
  private(set) var sums = LoadSums()
  /// Since they were taken last.
  var latency = Latencies()
  private(set) var fault: String?

  // Clients.
  private var isOver = false
  /// What is due to be sent, in entries × whole × 10⁶.
  private var readingsDue: Int64 = 0
  private var commandsDue: Int64 = 0
  private var nextMeter = 0
  /// By meter, the interval that it read last, and the version.
  private var newest: [(interval: Int64, version: UInt16)]
  private var sequences: [AccountID: UInt64] = [:]
  /// Orders that rest until they are cancelled, the oldest first.
  private var resting: [(owner: AccountID, order: OrderID)] = []
  /// Entries of `resting` beyond which orders are no longer good till cancelled.
  private static let restingOrders = 2048

  init(_ community: Community, _ settings: LoadSettings) {
    self.community = community
    self.settings = settings
    newest = Array(repeating: (.min, 0), count: community.population.meters.count)
  }

  var isWaiting: Bool { !calls.isEmpty }
  /// Entries whose clients wait.
  var waiting: Int { pending.count }

  /// Clients send nothing new any more.
  mutating func stop() { isOver = true }

  // MARK: what they want

  /// The calls of one tick from `time` on.
  mutating func due(at time: Int64, _ random: inout SplitMix64) -> [Int] {
    guard !isOver else { return [] }
    let unit = Int64(LoadSettings.whole) * 1_000_000
    let share = Int64(settings.rate) * LoadSettings.tick
    // Before the first interval has ended there is nothing to read.
    let calendar = community.genesis.calendar
    if calendar.interval(at: community.clock(time)) > calendar.firstInterval {
      readingsDue += share * Int64(LoadSettings.readings)
    }
    commandsDue += share * Int64(LoadSettings.whole - LoadSettings.readings)
    var due: [Int] = []
    while readingsDue >= unit * Int64(LoadSettings.readingsPerCall) {
      readingsDue -= unit * Int64(LoadSettings.readingsPerCall)
      let at = time + random.int(0...LoadSettings.tick - 1)
      due.append(open(readings(at: at, &random), at: at))
    }
    while commandsDue >= unit * Int64(LoadSettings.commandsPerCall) {
      commandsDue -= unit * Int64(LoadSettings.commandsPerCall)
      let at = time + random.int(0...LoadSettings.tick - 1)
      let now = community.clock(at)
      due.append(
        open((0..<LoadSettings.commandsPerCall).map { _ in command(now, &random) }, at: at))
    }
    return due
  }

  private mutating func open(_ entries: [VerifiedEntry], at time: Int64) -> Int {
    nextCall += 1
    calls[nextCall] = LoadCall(entries: entries, intended: time)
    for entry in entries { pending[entry.identity] = .some(nil) }
    sums.sent += entries.count
    return nextCall
  }

  /// Of the interval that ended last, which is open until the next one has ended; one in fifty
  /// corrects the one before.
  private mutating func readings(at time: Int64, _ random: inout SplitMix64) -> [VerifiedEntry] {
    let ended = community.genesis.calendar.interval(at: community.clock(time)).index - 1
    let first = community.genesis.calendar.firstInterval.index
    return (0..<LoadSettings.readingsPerCall).map { _ in
      let meter = nextMeter
      nextMeter = (nextMeter + 1) % newest.count
      var interval = max(ended, first)
      var version = newest[meter].interval == interval ? newest[meter].version + 1 : 1
      if interval > first, version == 1, random.isOne(in: 50) {
        (interval, version) = (interval - 1, 100)
      } else {
        newest[meter] = (interval, version)
      }
      return community.reading(
        of: community.population.meters[meter], Interval(interval),
        exported: random.int(0...300_000), imported: random.int(0...300_000), version: version)
    }
  }

  private mutating func command(_ now: Timestamp, _ random: inout SplitMix64) -> VerifiedEntry {
    let kind = random.below(LoadSettings.orders + LoadSettings.transfers + LoadSettings.cancels)
    if kind < LoadSettings.transfers {
      let payers = community.population.payers
      let payer = random.below(payers.count)
      let payee = (payer + 1 + random.below(payers.count - 1)) % payers.count
      return signed(
        .transfer(to: payers[payee], asset: .money, amount: random.int(1...1_000_000)),
        by: payers[payer])
    }
    if kind < LoadSettings.transfers + LoadSettings.cancels, !resting.isEmpty {
      let (owner, order) = resting.removeFirst()
      return signed(.cancel(order), by: owner)
    }
    let interval = community.genesis.calendar.interval(at: now)
    let isKept = resting.count < Self.restingOrders && random.isOne(in: 6)
    return signed(
      .place(
        OrderRequest(
          side: random.chance(50) ? .buy : .sell, wattHours: random.int(1...300),
          limit: Price(random.int(100_000...300_000)),
          timeInForce: isKept ? .goodTillCancelled : .goodTillInterval(interval))),
      by: random.element(of: community.population.households))
  }

  private mutating func signed(_ body: CommandBody, by account: AccountID) -> VerifiedEntry {
    sequences[account, default: 0] += 1
    return community.command(body, of: account, sequence: sequences[account] ?? 1)
  }

  // MARK: what becomes of it

  mutating func sent(_ call: Int, to node: Int) { calls[call]?.places.append(node) }

  /// The node has no room and says so before it looks at anything. True when the client gives up;
  /// one that cannot know what became of an earlier copy does not.
  mutating func refused(_ call: Int, by node: Int) -> Bool {
    calls[call]?.places.removeAll { $0 == node }
    guard let refused = calls[call], !refused.isRepeated else { return false }
    calls[call] = nil
    sums.refused += refused.entries.count
    for entry in refused.entries { pending[entry.identity] = nil }
    return true
  }

  /// A node went down. The calls that nobody will answer any more, in their order.
  mutating func lost(_ node: Int) -> [Int] {
    var abandoned: [Int] = []
    for call in calls.keys.sorted() where calls[call]?.places.contains(node) == true {
      calls[call]?.places.removeAll { $0 == node }
      calls[call]?.isRepeated = true
      if calls[call]?.places.isEmpty == true { abandoned.append(call) }
    }
    sums.retries += abandoned.count
    return abandoned
  }

  /// The next block of the chain, as the first node that made it durable executed it.
  mutating func take(_ decided: Decided) {
    let height = decided.block.header.height
    sums.final += decided.block.entries.count
    for (index, entry) in decided.block.entries.enumerated()
    where decided.execution.receipts[index].rejection == nil {
      sums.applied += 1
      let position = ReceiptPosition(height: height, index: UInt32(index))
      guard let known = pending[entry.identity] else {
        fault = "block \(height) applies an entry that was answered before, or that nobody sent"
        continue
      }
      if let known { fault = "an entry is applied in block \(known.height) and in \(height)" }
      pending[entry.identity] = .some(position)
    }
  }

  /// The first answer to a call; nil for another.
  mutating func answered(_ call: Int, _ results: [EntryResult], at time: Int64)
    -> [VerifiedEntry]?
  {
    guard let done = calls.removeValue(forKey: call) else { return nil }
    for (entry, result) in zip(done.entries, results) {
      let applied = pending.removeValue(forKey: entry.identity) ?? nil
      sums.answered += 1
      if let reason = result.receipt.rejection {
        sums.rejected[reason, default: 0] += 1
        // Sent again after a crash: its first copy was applied, and this one was too late.
        if applied != nil { sums.appliedUnheard += 1 }
        continue
      }
      sums.acknowledged += 1
      if applied != result.position {
        fault = "what was acknowledged at \(String(describing: result.position)) is not there"
      }
      keep(entry, result.receipt)
    }
    latency.add(time - done.intended, count: done.entries.count)
    return done.entries
  }

  private mutating func keep(_ entry: VerifiedEntry, _ receipt: Receipt) {
    guard receipt.resting > 0, let order = receipt.order,
      case .command(let command) = entry.content, case .place(let request) = command.body,
      request.timeInForce == .goodTillCancelled
    else { return }
    resting.append((command.signer, order))
  }

  /// The end, when no call waits: as many as were sent are accounted for.
  var imbalance: String? {
    if isWaiting { return "\(calls.count) calls were never answered" }
    if sums.sent != sums.answered + sums.refused {
      return "\(sums.sent) sent, \(sums.answered) answered, \(sums.refused) refused"
    }
    let told = sums.acknowledged + sums.appliedUnheard
    guard sums.applied == told else {
      return "the chain applied \(sums.applied) entries, and \(told) were acknowledged"
    }
    return nil
  }
}

/// Entries, since the beginning of a run about load.
package struct LoadSums: Sendable {
  package var sent = 0
  /// Before a node looked at them, for want of room.
  package var refused = 0
  package var answered = 0
  /// Answered with a receipt of a block that applied them.
  package var acknowledged = 0
  /// Applied, while the client's only answer was to a later copy.
  package var appliedUnheard = 0
  /// In blocks of the chain, rejected ones and repeats included.
  package var final = 0
  package var applied = 0
  /// Calls that were sent again because their node went down.
  package var retries = 0
  package var rejected: [Rejection: Int] = [:]
}
