import Domain
import Fees
import Ledger
import Market
import Metering
import Node

/// The community's books as they must be, kept from entries, receipts and interval totals alone.
struct Books {
  private let community: Community
  /// Money that is in the grid.
  private var money: Int128
  private let tokens: Int128
  private var rewards: Int128 = 0
  private var watt: Int128 = 0
  /// Free money of the two members who only pay each other.
  private var paid: [PublicKey: Int64]
  /// The figures that count for a meter's interval, from its newest applied reading; forgotten
  /// when no reading can come any more.
  private var figures: [Interval: [MeterID: Figure]] = [:]
  private var nextClose: Interval
  /// Intervals closed.
  var closed: Int { Int(nextClose.index - community.genesis.calendar.firstInterval.index) }

  private struct Figure {
    var exported: Energy
    var imported: Energy
    var version: UInt16
  }

  /// Intervals of two days, which no late reading is older than.
  private static let kept: Int64 = 48

  init(_ community: Community) {
    self.community = community
    let genesis = community.genesis
    money = genesis.accounts.reduce(0) { $0 + Int128($1.money.raw) }
    tokens = genesis.accounts.reduce(Int128(genesis.parameters.educationFund.raw)) {
      $0 + Int128($1.tsl.raw)
    }
    let payers = Community.payers.map { community.members[$0].publicKey }
    paid = Dictionary(
      uniqueKeysWithValues: payers.map { ($0, Community.money.raw) }
        + community.population.payers.map { ($0, Population.money.raw) })
    nextClose = genesis.calendar.firstInterval
  }

  /// Takes a final block down; what is wrong with it.
  mutating func take(_ decided: Decided) -> String? {
    for (close, metered) in zip(decided.execution.closes, decided.execution.metered) {
      if let fault = take(close, metered) { return "interval \(nextClose.index - 1): \(fault)" }
    }
    for (entry, receipt) in zip(decided.block.entries, decided.execution.receipts)
    where receipt.rejection == nil {
      switch entry.content {
      case .reading(let reading):
        if let fault = take(reading) { return fault }
      case .command(let command):
        if let fault = take(command) { return fault }
      case .delivery, .report: return "a delivery was applied on a grid of its own"
      }
    }
    return nil
  }

  /// Energy is neither made nor lost, and each meter's figure is what its newest reading said.
  private mutating func take(_ close: IntervalClose, _ metered: MeterClose) -> String? {
    let sheet = close.sheet
    guard close.interval == nextClose, metered.interval == nextClose else {
      return "closed out of its turn"
    }
    nextClose = nextClose.next
    figures[nextClose.advanced(by: -Self.kept)] = nil
    let sources =
      Int128(sheet.generation.raw) + Int128(sheet.utilityImport.raw)
      + Int128(sheet.tieImport.raw) + Int128(sheet.unserved.raw)
    let uses =
      Int128(sheet.consumption.raw) + Int128(sheet.utilityExport.raw)
      + Int128(sheet.tieExport.raw) + Int128(sheet.curtailed.raw) + Int128(sheet.stored.raw)
    guard sources == uses else { return "energy does not balance: \(sheet)" }
    watt += Int128(sheet.stored.raw)
    rewards += close.rewards.reduce(0) { $0 + Int128($1.amount) }
    var (exported, imported) = (Int128(0), Int128(0))
    for figure in metered.figures where figure.interval == metered.interval {
      exported += Int128(figure.exported.raw)
      imported += Int128(figure.imported.raw)
      let known = figures[figure.interval]?[community.genesis.meters[Int(figure.meter)].id]
      if let known, known.exported != figure.exported || known.imported != figure.imported {
        return "the figure of meter \(figure.meter) is not its reading's"
      }
      if known == nil && figure.quality != .estimated {
        return "meter \(figure.meter) has a figure that nobody read"
      }
    }
    if metered.late == 0,
      Int128(sheet.generation.raw) != exported || Int128(sheet.consumption.raw) != imported
    {
      return "generation and consumption are not what the meters read"
    }
    return nil
  }

  private mutating func take(_ reading: Reading) -> String? {
    let before = figures[reading.interval]?[reading.meter]
    if let before, before.version >= reading.version {
      return "version \(reading.version) of a reading is applied after \(before.version)"
    }
    figures[reading.interval, default: [:]][reading.meter] = Figure(
      exported: reading.exported, imported: reading.imported, version: reading.version)
    return nil
  }

  private mutating func take(_ command: Command) -> String? {
    switch command.body {
    case .issue(_, let amount): money += Int128(amount.raw)
    case .redeem(let amount): money -= Int128(amount.raw)
    case .transfer(let to, .money, let amount):
      guard let own = paid[command.signer] else { return nil }
      guard own >= amount else { return "a member pays what it does not have" }
      paid[command.signer] = own - amount
      paid[to, default: 0] += amount
    default: return nil
    }
    return nil
  }

  /// Compares with a ledger that has executed the same blocks.
  func compare(_ ledger: LedgerCore) -> String? {
    var sums = (money: Int128(0), tokens: Int128(0), rewards: Int128(0), watt: Int128(0))
    for index in 0..<ledger.accountCount {
      let account = ledger.account(AccountIndex(index))
      sums.money += Int128(account.money.raw) + Int128(account.heldMoney.raw)
      sums.tokens += Int128(account.tsl.raw)
      sums.rewards += Int128(account.ect.raw)
      sums.watt += Int128(account.watt.raw)
      if let expected = paid[account.id], account.money.raw != expected {
        return "a payer has \(account.money.raw), not \(expected)"
      }
    }
    if sums.money != money { return "there is \(sums.money) of money, not \(money)" }
    if sums.tokens != tokens { return "there are \(sums.tokens) TSL, not \(tokens)" }
    if sums.rewards != rewards { return "there are \(sums.rewards) ECT, not \(rewards)" }
    if sums.watt != watt { return "there are \(sums.watt) mWh, not \(watt)" }
    return nil
  }
}

extension Oracle {
  /// 11: the ledger of a node at the newest height holds what the books say.
  mutating func audit(_ replica: BareReplica, name: String) {
    if let fault = books.compare(replica.pipeline.ledger) { fail("\(name): \(fault)") }
  }
}
