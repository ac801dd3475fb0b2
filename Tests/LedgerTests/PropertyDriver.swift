import Domain
import TestSupport
import Testing

@testable import Ledger

/// Drives the ledger and its naive reference with the same random steps, and compares them.
struct PropertyDriver {
  let seed: UInt64
  let genesis: Genesis
  var random: SplitMix64
  var ledger: LedgerCore
  var naive: NaiveLedger
  /// Genesis balances plus all lines of history so far, in the order of `purses`.
  var told: [AccountID: [Int64]] = [:]
  /// Kinds of the lines so far.
  var kinds: Set<HistoryKind> = []
  /// What the network fund got from trades, which has no lines.
  var fees: Int64 = 0
  /// What was sent abroad, or withdrawn, and may still come back.
  var underWay: [Departure] = []
  var sent: UInt64 = 0

  init(seed: UInt64) throws {
    self.seed = seed
    random = SplitMix64(seed: seed)
    let isPoor = random.chance(50)
    let isDependent = random.chance(40)
    genesis =
      isDependent
      ? World.dependent(grant: 1_000, feePermille: random.int(0...20))
      : World.genesis(
        members: 6, money: isPoor ? 20_000 : 2_000_000, tsl: random.int(0...3000),
        utilityMoney: random.chance(50) ? 0 : 500_000,
        feePermille: random.int(0...20), areMembers: random.chance(50),
        educationFund: random.int(0...4_000), grant: 1_000)
    ledger = try World.ledger(genesis)
    naive = NaiveLedger(genesis, maximumHeld: World.maximumHeld)
    for position in 0..<ledger.accountCount {
      let account = ledger.account(AccountIndex(position))
      told[account.id] = [
        account.watt.raw, account.money.raw, account.tsl.raw, account.ect.raw,
      ]
    }
    try compare("genesis")
    if isDependent { try opening() }
  }

  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      if naive.hasBackbone, random.chance(20) { try arrivals("arrivals \(step)") }
      switch random.int(0...9) {
      case 0...4: try block("block \(step)")
      case 5...6: try trades(covering: [:], "trades \(step)")
      default: try close("close \(step)")
      }
      if random.chance(15) { try restart() }
    }
  }

  // MARK: Blocks

  private mutating func anyKey(orNew percent: Int = 0) -> AccountID {
    if random.chance(percent) { return World.key(UInt64(random.int(200...205))) }
    return naive.keys[Int(random.int(0...Int64(naive.keys.count - 1)))]
  }

  private mutating func anyBody(_ signer: AccountID) -> CommandBody {
    let limit = random.int(1...400_000)
    switch random.int(0...11) {
    case 0...4:
      let asset = Asset.allCases[Int(random.int(0...3))]
      let amount = random.int(1...(asset == .watt ? 900_000 : asset == .money ? 30_000 : 500))
      var to = anyKey(orNew: 20)
      while to == signer { to = anyKey() }
      return .transfer(to: to, asset: asset, amount: amount)
    case 5: return World.buy(random.int(1...200), at: limit)
    case 6: return World.sell(random.int(1...200), at: limit)
    case 7: return .replace(OrderID(1), wattHours: random.int(1...200), limit: Price(limit))
    case 8: return .redeem(amount: Money(random.int(1...50_000)))
    case 11:
      let asset = Asset.allCases[Int(random.int(1...3))]
      return World.abroad(asset, random.int(1...(asset == .money ? 30_000 : 500)))
    case 9:
      if random.chance(50) { return .acceptValidators(Digest.sha256([UInt8(limit & 1)])) }
      let first = UInt64(random.int(206...208))
      return .proposeValidators((first...first + 1).map { World.key($0) })
    default:
      if random.chance(50) { return .issue(to: anyKey(orNew: 20), amount: Money(limit)) }
      return .admitMember(World.key(UInt64(random.int(200...205))))
    }
  }

  private mutating func anyCommand() -> Command {
    var signer = anyKey(orNew: 5)
    let body = anyBody(signer)
    if random.chance(80), let role = body.requiredSigner(genesis.roles) { signer = role }
    let highest = naive.used[signer]?.max() ?? 0
    let sequence =
      random.chance(80)
      ? highest + UInt64(random.int(1...3))
      : UInt64(random.int(1...Int64(highest) + 1))
    var command = World.command(genesis, signer, sequence, body)
    if random.chance(2) { command.chain = .zero }
    if random.chance(2) { command.expires = Timestamp(seconds: 5) }
    return command
  }

  private mutating func block(_ label: String) throws {
    let commands = (0..<Int(random.int(0...8))).map { (entry: $0 + 3, command: anyCommand()) }
    let watt = Dictionary(uniqueKeysWithValues: naive.keys.map { ($0, naive.sum($0, .watt)) })
    let room = naive.hasBackbone ? LaneRoom(next: sent + 1, packets: naive.drawRoom(&random)) : nil
    let outcome = ledger.hold(commands, time: World.now, room: room)
    var receipts: [PlacedReceipt] = []
    var held: [Int64] = []
    var validators: [ValidatorInstruction] = []
    for (entry, command) in commands {
      let (rejection, amount) = naive.run(command, time: World.now)
      switch (rejection, command.body) {
      case (nil, .place), (nil, .replace): held.append(amount)
      case (nil, .proposeValidators(let keys)):
        validators.append(.propose(entry: entry, keys))
      case (nil, .acceptValidators(let proposal)):
        validators.append(.accept(entry: entry, signer: command.signer, proposal: proposal))
      case (nil, .transferAbroad),
        (nil, .redeem) where naive.hasBackbone:
        sent += 1
        receipts.append(PlacedReceipt(entry, Receipt(packet: sent)))
      default: receipts.append(PlacedReceipt(entry, Receipt(rejection: rejection)))
      }
    }
    #expect(outcome.validators == validators, "seed \(seed), \(label)")
    #expect(outcome.receipts == receipts, "seed \(seed), \(label)")
    let packets = outcome.departures.map { PlacedReceipt($0.entry, Receipt(packet: $0.sequence)) }
    #expect(packets == receipts.filter { $0.receipt.packet != nil }, "seed \(seed), \(label)")
    underWay += outcome.departures
    let instructed = outcome.book.map { instruction -> Int64 in
      switch instruction {
      case .place(_, _, _, let held), .replace(_, _, _, _, _, let held): held.raw
      default: -1
      }
    }
    #expect(instructed == held, "seed \(seed), \(label)")
    let toldAccounts = Set(outcome.energy.map { ledger.account($0.account).id })
    #expect(toldAccounts.count == outcome.energy.count, "seed \(seed), \(label)")
    for line in outcome.energy {
      #expect(line.balance.raw == naive.sum(ledger.account(line.account).id, .watt))
    }
    for key in naive.keys where naive.sum(key, .watt) != watt[key, default: 0] {
      #expect(toldAccounts.contains(key), "seed \(seed), \(label)")
    }
    try compare(label)
  }

  // MARK: Trades

  /// Random trades between who holds money and who holds energy; then random releases. `covering`
  /// are shortfalls in mWh, of which trades burn what they cover.
  @discardableResult
  mutating func trades(covering open: [AccountID: Int64], _ label: String) throws
    -> [AccountID: Int64]
  {
    var shortfalls = open
    var priced: [PricedTrade] = []
    for _ in 0..<random.int(0...6) {
      let buyers = naive.keys.filter { naive.sum($0, .held) > 0 }
      let sellers = naive.keys.filter { naive.sum($0, .watt) >= 1000 }
      guard let buyer = buyers.randomElement(using: &random),
        let seller = sellers.randomElement(using: &random), buyer != seller
      else { continue }
      let covers = (shortfalls[buyer] ?? 0) >= 1000
      let room =
        covers ? shortfalls[buyer]! : World.maximumHeld.raw - naive.sum(buyer, .watt)
      let most = min(naive.sum(seller, .watt), room) / 1000
      guard most > 0 else { continue }
      let released = random.int(0...naive.sum(buyer, .held))
      let pays = random.int(0...released)
      let gets = random.int(0...pays)
      let wattHours = random.int(1...most)
      guard let from = ledger.index(of: seller), let to = ledger.index(of: buyer) else { continue }
      priced.append(
        World.trade(
          from: from, to: to, wattHours: wattHours, released: released, pays: pays, gets: gets,
          coversShortfall: covers))
      if covers { shortfalls[buyer]! -= wattHours * 1000 }
      apply(priced[priced.count - 1])
    }
    var releases: [Release] = []
    for key in naive.keys where random.chance(40) {
      let amount = random.int(0...naive.sum(key, .held))
      guard let index = ledger.index(of: key) else { continue }
      releases.append(Release(account: index, amount: Money(amount)))
      naive.credit(amount, from: .account(key), purse: .held, to: key)
    }
    try ledger.settle(priced, releases: releases)
    if open.isEmpty { try compare(label) }
    return shortfalls
  }

  private mutating func apply(_ priced: PricedTrade) {
    let buyer = ledger.account(priced.trade.buyer).id
    let seller = ledger.account(priced.trade.seller).id
    let change = priced.trade.released - priced.buyerPays
    let hold = NaiveLedger.Holder.account(buyer)
    naive.credit(change.raw, from: hold, purse: .held, to: buyer)
    naive.credit(priced.sellerGets.raw, from: hold, purse: .held, to: seller)
    naive.credit(priced.networkGets.raw, from: hold, purse: .held, to: naive.network)
    fees += priced.networkGets.raw
    naive.move(
      .watt, priced.trade.wattHours * 1000, .account(seller),
      priced.trade.coversShortfall ? .outside(.metering) : .account(buyer))
  }

  /// Through a snapshot and back.
  private mutating func restart() throws {
    let chunks = ledger.chunks()
    var restored = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, chunks: chunks)
    #expect(restored.root() == ledger.root(), "seed \(seed)")
    #expect(restored.chunks() == chunks, "seed \(seed)")
    ledger = restored
  }
}
