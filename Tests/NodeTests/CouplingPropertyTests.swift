import Backbone
import Domain
import Market
import Node
import TestSupport
import Testing

/// Many intervals of a grid whose rounds are answered at random: at once, late, after several
/// closes, or not; with any quantities that its bid can make up. Three times: straight on, over
/// actors, and restored from the chunks of every state that has some, open rounds included.
@Suite struct CouplingPropertyTests {
  @Test(arguments: 1...24 as ClosedRange<UInt64>)
  func everyRoundEndsOnceAndEverythingBalances(seed: UInt64) async throws {
    var script = try await CouplingScript(seed: seed)
    for _ in 0..<140 { try await script.step() }
    #expect(script.rounds > 4, "seed \(seed): the script must open rounds")
    #expect(script.late > 0, "seed \(seed): results must come after later closes")
    #expect(script.filled > 0, "seed \(seed): rounds must fill orders")
    // Over all intervals together: what came in less what went out is what is held.
    let held = script.grid.pipeline.ledger.totals().held.raw
    let pending = script.grid.pipeline.open?.stored.raw ?? 0
    #expect(script.stored + pending == held, "seed \(seed)")
  }
}

private struct CouplingScript {
  let seed: UInt64
  var random: SplitMix64
  var grid: CoupledGrid
  /// The same, restored again and again.
  var twin: CoupledGrid
  var acting: NodePipeline
  var bid: CouplingBid?
  /// Rounds that were opened, and results that came after a later close.
  var rounds = 0
  var late = 0
  /// Parts of orders that rounds filled.
  var filled = 0
  /// Sums over all final intervals.
  var stored: Int64 = 0
  private var finals: Set<Interval> = []
  private var orders: UInt64 = 0
  private let homes = 4

  init(seed: UInt64) async throws {
    self.seed = seed
    random = SplitMix64(seed: seed)
    let fee = [Int64(0), 5, 40][random.below(3)]
    grid = try await CoupledGrid(homes: homes, money: 3_000_000, fee: fee)
    twin = grid
    acting = NodePipeline(over: grid.pipeline)
  }

  mutating func step() async throws {
    if bid != nil, random.chance(30) { try await answer() }
    let close = CoupledGrid.calendar.close(of: grid.next).seconds
    let time = random.chance(8) ? close + random.int(0...4000) : grid.time + random.int(1...400)
    var entries: [VerifiedEntry] = []
    for _ in 0..<random.below(6) { entries.append(command()) }
    let now = CoupledGrid.calendar.interval(at: Timestamp(seconds: time))
    for home in 0..<homes where random.chance(60) {
      entries.append(
        grid.reading(
          home, now.advanced(by: -1), exported: random.int(0...22_000_000),
          imported: random.int(0...18_000_000)))
    }
    let third = try await acting.execute(grid.decide(entries, at: time))
    let execution = try await grid.execute(entries, at: time)
    let again = try await twin.execute(entries, at: time)
    #expect(execution.attestation == third.attestation, "seed \(seed), height \(grid.height)")
    #expect(execution.attestation == again.attestation, "seed \(seed), height \(grid.height)")
    #expect(execution.receipts == again.receipts && execution.records == again.records)
    if let chunks = execution.chunks {
      twin.pipeline = try BarePipeline(genesis: grid.genesis, chunks: chunks)
      #expect(await twin.pipeline.stateChunks() == chunks, "seed \(seed), height \(grid.height)")
    }
    try note(execution)
  }

  private mutating func note(_ execution: Execution) throws {
    for close in execution.closes {
      #expect(close.sheet.isBalanced, "seed \(seed)")
      #expect(finals.insert(close.interval).inserted, "seed \(seed): final twice")
      stored += close.sheet.stored.raw
      filled += close.roundTrades.count
      if close.interval.next < grid.next { late += 1 }
    }
    if let sent = try grid.takeBid() {
      #expect(bid == nil && grid.open != nil, "seed \(seed): two rounds are open")
      bid = sent
      rounds += 1
    }
    _ = try twin.takeBid()
    acting.lane = grid.pipeline.lane
  }

  /// A result within the bid, or none.
  private mutating func answer() async throws {
    let bid = try #require(self.bid)
    self.bid = nil
    var fill: RoundFill?
    if random.chance(80) {
      let price = random.int(80_000...320_000)
      let bought = bid.buys.reduce(0) { $0 + ($1.price >= price ? $1.wattHours : 0) }
      let sold = bid.sells.reduce(0) { $0 + ($1.price <= price ? $1.wattHours : 0) }
      fill = try grid.fill(
        at: price, bought: random.int(0...bought), sold: random.int(0...sold))
    }
    let round = try #require(grid.open)
    let close = try await grid.settle(fill)
    try await twin.settle(fill)
    acting.lane = grid.pipeline.lane
    let third = try await acting.settleRound(round, fill)
    #expect(close.sheet == third.sheet, "seed \(seed)")
    grid.checkSupplies()
  }

  private mutating func command() -> VerifiedEntry {
    let home = random.below(homes)
    let entry = grid.command(body(), by: CoupledGrid.home(home))
    guard random.chance(4) else { return entry }
    return grid.command(.setUtility(isAvailable: random.chance(70)), by: CoupledGrid.lead)
  }

  private mutating func body() -> CommandBody {
    let peer = CoupledGrid.home(random.below(homes))
    switch random.below(12) {
    case 0: return .transfer(to: peer, asset: .watt, amount: random.int(1...9_000_000))
    case 1: return .transfer(to: peer, asset: .money, amount: random.int(1...300_000))
    case 2, 3: return .cancel(OrderID(UInt64(random.int(1...Int64(orders + 1)))))
    case 4:
      return .replace(
        OrderID(UInt64(random.int(1...Int64(orders + 1)))), wattHours: random.int(1...9000),
        limit: Price(random.int(100_000...300_000)))
    case 5:
      return .setAgent(
        random.chance(70)
          ? AgentSettings(
            buyPrice: Price(random.int(100_000...250_000)),
            sellPrice: Price(random.int(150_000...300_000)),
            low: Energy(random.int(0...8_000_000)),
            high: Energy(random.int(8_000_000...20_000_000))) : nil)
    default:
      orders += 1
      return .place(
        OrderRequest(
          side: random.chance(50) ? .buy : .sell, wattHours: random.int(1...9000),
          limit: Price(random.int(100_000...300_000)), timeInForce: timeInForce()))
    }
  }

  private mutating func timeInForce() -> TimeInForce {
    switch random.below(8) {
    case 0: .goodTillInterval(grid.next.advanced(by: random.int(0...2)))
    case 1: .immediateOrCancel
    default: .goodTillCancelled
    }
  }
}
