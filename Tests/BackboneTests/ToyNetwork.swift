import Domain
import TestSupport

@testable import Backbone

/// Mistakes that the simulation must find.
enum PlantedBug: CaseIterable, Sendable {
  /// The backbone executes a packet that it has executed before.
  case backboneRepeats
  /// The backbone executes a packet whose predecessors it has not.
  case backboneSkips
  /// The backbone moves a transfer's value and sends it back as well.
  case backboneVoidsWhatItMoved
  /// A grid executes a packet that it has executed before.
  case gridRepeats
  /// A grid executes a packet whose predecessors it has not.
  case gridSkips
  /// A grid gives a transfer back when its deadline has passed by its own reckoning.
  case refundsByClock
  /// A grid ends a hold when the round should be over by its own reckoning.
  case endsHoldByClock
}

struct Fault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A backbone and four grids whose packets are lost, delayed, repeated, reordered and cut off for
/// long, and that restart from their chunks at any moment.
struct ToyNetwork {
  let planted: PlantedBug?
  var random: SplitMix64
  var core: BackboneCore
  var grids: [ToyGrid]
  var toBackbone: [[Sent]]
  var toGrid: [[Sent]]
  /// Step until which nothing passes, by grid.
  var cutUntil: [Int]
  var step = 0
  var journeys: [Journey] = []
  /// By source and sequence; transfers are known at their destination by their account.
  var journeyBySequence: [[UInt64: Int]]
  var commands: UInt64 = 0
  /// Results by grid and round.
  var results: Set<[Int64]> = []
  var tally = Tally()

  /// What happened, so that a test can see that it did.
  struct Tally: Sendable {
    var arrivals = 0, refunds = 0, fills = 0, releases = 0, restarts = 0, duplicates = 0
    var gaps = 0, frozen = 0, checkpoints = 0
  }

  init(seed: UInt64, planted: PlantedBug? = nil) throws {
    random = SplitMix64(seed: seed)
    self.planted = planted
    core = try BackboneCore(backboneGenesis)
    grids = (0..<4).map { ToyGrid($0) }
    toBackbone = Array(repeating: [], count: 4)
    toGrid = Array(repeating: [], count: 4)
    cutUntil = Array(repeating: 0, count: 4)
    journeyBySequence = Array(repeating: [:], count: 4)
  }

  mutating func run(steps: Int) throws {
    try begin(seconds: 1)
    for (signer, body) in founding { command(signer, body) }
    for grid in 0..<4 {
      let power = Power(BackboneLimits.cleanPower / 1000)
      command(Role.operator, .rate(gridID(grid), cleanPower: power))
    }
    try collect()
    for _ in 0..<steps {
      step += 1
      try begin(seconds: random.int(1...60))
      try closeRounds()
      let grid = random.below(4)
      try act(grid)
      for _ in 0..<3 { try relay(random.below(4)) }
      actByClock(grid)
      if random.isOne(in: 9) { try restart() }
      try check()
    }
    try heal()
  }

  mutating func begin(seconds: Int64) throws {
    try core.begin(height: core.height + 1, time: core.time.advanced(bySeconds: seconds))
  }

  // MARK: What members and roles do

  private mutating func act(_ grid: Int) throws {
    switch random.below(20) {
    case 0..<8: try transfer(from: grid)
    case 8: try withdraw(from: grid)
    case 9..<13: try bid(grid)
    case 13, 14: try checkpoint(grid)
    case 15: command(Role.gateway, .issue(gridID(grid), to: key(9), amount: Money(5000)))
    case 16:
      if let first = core.withdrawals.first {
        command(Role.gateway, .payOut(withdrawal: first.id))
      }
    case 17:
      if let owner = core.account(Role.owner), owner.money > .zero {
        command(Role.owner, .pay(gridID(grid), to: key(9), amount: owner.money))
      }
    case 18: cutUntil[grid] = step + random.below(40)
    default:
      command(Role.oracle, .setFee(line: 1, Price(random.int(0...50_000))))
      if random.isOne(in: 20) { try showTwoHistories(grid) }
    }
    try collect()
  }

  private mutating func transfer(from grid: Int) throws {
    let asset = random.element(of: TravellingAssets<Int64>.assets)
    let most = grids[grid].free[asset]
    guard most > 0, !grids[grid].lane.isStopped else { return }
    let amount = random.int(1...most)
    let number = journeys.count
    // One in ten goes to a grid that nobody has heard of.
    let target = random.isOne(in: 10) ? 77 : random.below(4)
    let sequence = try grids[grid].lane.transfer(
      TransferOut(
        grid: gridID(target), account: key(UInt64(number) + 100_000), asset: asset,
        amount: amount, deadline: core.height + UInt64(random.below(30)), sender: key(8)))
    grids[grid].free[asset] -= amount
    journeyBySequence[grid][sequence] = number
    journeys.append(Journey(grid: grid, sequence: sequence, isWithdrawal: false))
  }

  private mutating func withdraw(from grid: Int) throws {
    guard grids[grid].free.money > 0, !grids[grid].lane.isStopped else { return }
    let amount = random.int(1...grids[grid].free.money)
    let sequence = try grids[grid].lane.withdraw(Money(amount), from: key(8))
    grids[grid].free.money -= amount
    journeyBySequence[grid][sequence] = journeys.count
    journeys.append(Journey(grid: grid, sequence: sequence, isWithdrawal: true))
  }

  private mutating func bid(_ grid: Int) throws {
    let now = backboneGenesis.calendar.interval(at: core.time)
    // Mostly the interval that has ended; at times one that is long closed, or not begun.
    let round = now.advanced(by: random.isOne(in: 8) ? random.int(-3...1) : -1)
    let cost = random.isOne(in: 3) ? 0 : random.int(0...max(grids[grid].free.money / 4, 0))
    guard grids[grid].lane.canBid(in: round) else { return }
    try grids[grid].bid(round: round, cost: cost)
  }

  mutating func checkpoint(_ grid: Int) throws {
    guard !grids[grid].lane.isStopped else { return }
    grids[grid].cleanStored += random.int(0...400_000_000)
    try grids[grid].checkpoint(interval: backboneGenesis.calendar.interval(at: core.time))
    tally.checkpoints += 1
  }

  private mutating func command(_ signer: AccountID, _ body: CommandBody) {
    commands += 1
    let command = Command(
      chain: backboneID, signer: signer, sequence: commands, expires: core.time, body: body)
    _ = core.apply([(entry: 0, command: command)])
  }

  private mutating func showTwoHistories(_ grid: Int) throws {
    guard tally.frozen == 0 else { return }
    try core.report(grid: gridID(grid), height: 1, digest(1), digest(2))
    tally.frozen += 1
  }

  /// A clearing that keeps the rules of the money, if not those of the market.
  mutating func closeRounds() throws {
    while let round = core.dueRound {
      let bids = core.bids(of: round)
      var outcome = RoundOutcome(
        round: round,
        shares: bids.map {
          RoundOutcome.Share(grid: $0.grid, price: nil, bought: 0, sold: 0, money: .zero)
        }, flows: [], fund: .zero)
      let line = random.element(of: core.lines)
      if let seller = bids.firstIndex(where: { $0.grid == line.from }),
        let buyer = bids.firstIndex(where: { $0.grid == line.to }), bids[buyer].cost.raw > 3
      {
        let pays = bids[buyer].cost.raw
        let energy = random.int(1...core.capacities(of: line).forth)
        outcome.shares[seller].sold = energy
        outcome.shares[seller].money = Money(pays / 3)
        outcome.shares[buyer].bought = energy
        outcome.shares[buyer].money = Money(-pays)
        outcome.flows = [
          RoundOutcome.Flow(
            line: line.id, wattHours: energy, fee: Money(pays / 3), rent: Money(pays / 6))
        ]
        outcome.fund = Money(pays - 2 * (pays / 3) - pays / 6)
      }
      try core.close(outcome)
    }
    try collect()
  }
}
