import Domain
import Testing

@testable import Ledger

extension PropertyDriver {
  /// A whole close: metering, commissions, budgets, trades, the utility or none, rewards.
  mutating func close(_ label: String) throws {
    let close = anyClose()
    let before = naive.keys.map { naive.sum($0, .watt) }.reduce(0, +)
    var shortfalls = try post(close, label)
    let isAvailable = random.chance(75)
    try commission(close, isAvailable)
    try ledger.checkInvariants()
    reserve(label)
    shortfalls = try trades(covering: shortfalls, label)
    let settlement = settle(shortfalls, isAvailable)
    let sheet = try ledger.settle(settlement, close: close)
    let after = naive.keys.map { naive.sum($0, .watt) }.reduce(0, +)
    #expect(sheet.isBalanced, "seed \(seed), \(label)")
    #expect(sheet.stored.raw == after - before, "seed \(seed), \(label)")
    #expect(
      sheet.generation.raw - sheet.consumption.raw
        == close.accounts.reduce(0) { $0 + $1.minted.raw - $1.burned.raw },
      "seed \(seed), \(label)")
    let imbalance =
      sheet.generation.raw + sheet.utilityImport.raw + sheet.unserved.raw
      - sheet.consumption.raw - sheet.utilityExport.raw - sheet.curtailed.raw
    #expect(imbalance == after - before, "seed \(seed), \(label)")
    try reward()
    try compare(label)
    checkHistory(label)
  }

  /// Late differences make generation and consumption differ from what is minted and burned.
  private mutating func anyClose() -> MeterClose {
    var close = MeterClose(interval: ledger.interval.next)
    for position in 2..<ledger.accountCount where random.chance(50) {
      let exported = random.int(0...1_500_000)
      let imported = random.int(0...1_500_000)
      let late = random.chance(20) ? random.int(-3_000_000...0) : 0
      var line = World.metered(AccountIndex(position), exported: exported, imported: imported)
      line.generation.raw += late
      line.burned.raw -= late
      close.accounts.append(line)
    }
    return close
  }

  private mutating func post(_ close: MeterClose, _ label: String) throws -> [AccountID: Int64] {
    let posted = try ledger.post(close)
    var shortfalls: [AccountID: Int64] = [:]
    for line in close.accounts {
      let id = ledger.account(line.account).id
      naive.move(.watt, line.minted.raw, .outside(.metering), .account(id))
      let burned = min(naive.sum(id, .watt), line.burned.raw)
      naive.move(.watt, burned, .account(id), .outside(.metering))
      if burned < line.burned.raw { shortfalls[id] = line.burned.raw - burned }
    }
    #expect(
      posted.shortfalls.map { ledger.account($0.account).id }
        == naive.keys.filter { shortfalls[$0] != nil }, "seed \(seed), \(label)")
    for line in posted.shortfalls {
      #expect(line.energy.raw == shortfalls[ledger.account(line.account).id])
    }
    let holders = naive.keys.filter { naive.sum($0, .watt) > 0 }
    #expect(
      posted.holdings.map { ledger.account($0.account).id } == holders, "seed \(seed), \(label)")
    for holding in posted.holdings {
      let id = ledger.account(holding.account).id
      let line = close.accounts.first { $0.account == holding.account }
      #expect(holding.energy.raw == naive.sum(id, .watt))
      #expect(holding.tsl.raw == naive.sum(id, .tsl))
      #expect(holding.netExport.raw == (line?.minted.raw ?? 0) - (line?.burned.raw ?? 0))
    }
    for line in posted.energy {
      #expect(line.balance.raw == naive.sum(ledger.account(line.account).id, .watt))
    }
    return shortfalls
  }

  private mutating func commission(_ close: MeterClose, _ isAvailable: Bool) throws {
    var assessment = CloseAssessment(
      interval: close.interval, retail: Price(300_000), feedIn: Price(100_000),
      isUtilityAvailable: isAvailable)
    var rest: Int64 = 0
    for key in naive.keys where naive.sum(key, .watt) > 0 && naive.sum(key, .tsl) > 0 {
      let amount = random.int(0...naive.sum(key, .tsl))
      guard let index = ledger.index(of: key) else { continue }
      assessment.commissions.append(Commission(account: index, amount: StorageTokens(amount)))
      naive.move(.tsl, amount, .account(key), .outside(.genesisTokens))
      rest += amount
    }
    while rest > 0 {
      let amount = random.chance(50) ? rest : random.int(1...rest)
      let position = Int(random.int(0...Int64(ledger.accountCount - 1)))
      assessment.shares.append(TokenShare(account: AccountIndex(position), amount: amount))
      naive.move(.tsl, amount, .outside(.genesisTokens), .account(naive.keys[position]))
      rest -= amount
    }
    try ledger.collect(assessment)
  }

  private mutating func reserve(_ label: String) {
    let list = naive.keys.indices.dropFirst(2).filter { _ in random.chance(50) }
    for budget in ledger.reserve(list.map { AccountIndex($0) }) {
      let key = naive.keys[budget.account.int]
      let free = naive.owed(by: key) > 0 ? 0 : naive.sum(key, .free)
      #expect(budget.held.raw == free, "seed \(seed), \(label)")
      naive.move(.free, free, .account(key), .account(key), into: .held)
    }
  }

  /// The utility takes the rest of the shortfalls, and what is above B_max, or more.
  private mutating func settle(_ shortfalls: [AccountID: Int64], _ isAvailable: Bool)
    -> UtilitySettlement
  {
    var settlement = UtilitySettlement(isAvailable: isAvailable)
    for (position, key) in naive.keys.enumerated() {
      let index = AccountIndex(position)
      let amount = Money(isAvailable ? random.int(0...100_000) : 0)
      if let energy = shortfalls[key], energy > 0 {
        settlement.shortfalls.append(
          UtilityPosting(account: index, energy: Energy(energy), amount: amount))
      }
      let watt = naive.sum(key, .watt)
      let energy = max(watt - World.maximumHeld.raw, random.chance(30) ? watt / 2 : 0)
      if energy > 0 {
        settlement.overflows.append(
          UtilityPosting(account: index, energy: Energy(energy), amount: amount))
      }
    }
    apply(settlement)
    return settlement
  }

  private mutating func apply(_ settlement: UtilitySettlement) {
    let utility = naive.utility
    let isAvailable = settlement.isAvailable
    var setOff: [Int64] = []
    for posting in settlement.shortfalls {
      let key = naive.keys[posting.account.int]
      let energy = posting.energy.raw
      // In and consumed at once.
      naive.move(
        .watt, energy, .outside(isAvailable ? .utility : .unserved), .outside(.metering))
      setOff.append(
        key == utility ? 0 : naive.setOff(utility, key, upTo: posting.amount.raw))
    }
    for (posting, less) in zip(settlement.shortfalls, setOff) {
      let key = naive.keys[posting.account.int]
      if key != utility { naive.pay(posting.amount.raw - less, from: key, to: utility) }
    }
    for posting in settlement.overflows {
      let key = naive.keys[posting.account.int]
      naive.move(
        .watt, posting.energy.raw, .account(key),
        .outside(isAvailable ? .utility : .curtailed))
      guard key != utility else { continue }
      let less = naive.setOff(key, utility, upTo: posting.amount.raw)
      naive.pay(posting.amount.raw - less, from: utility, to: key)
    }
  }

  private mutating func reward() throws {
    var shares: [TokenShare] = []
    let source: Counter = naive.hasBackbone ? .travelledRewards : .rewards
    for position in naive.keys.indices where random.chance(20) {
      let amount = random.int(naive.hasBackbone ? 1...900 : 0...900)
      shares.append(TokenShare(account: AccountIndex(position), amount: amount))
      naive.move(.ect, amount, .outside(source), .account(naive.keys[position]))
    }
    if naive.hasBackbone {
      try ledger.receive([.reward(shares, interval: ledger.interval, entry: nil)])
    } else {
      try ledger.reward(shares, interval: ledger.interval)
    }
  }

  // MARK: Comparison

  /// Every account, every debt and every counter against the sums of the naive list.
  mutating func compare(_ label: String) throws {
    do { try ledger.checkInvariants() } catch { Issue.record("seed \(seed), \(label): \(error)") }
    note()
    let balances = naive.balances()
    #expect(ledger.accountCount == naive.keys.count, "seed \(seed), \(label)")
    for (position, key) in naive.keys.enumerated() {
      let account = ledger.account(AccountIndex(position))
      let purses = balances[.account(key)] ?? [:]
      #expect(account.id == key, "seed \(seed), \(label)")
      #expect(
        [account.watt.raw, account.money.raw, account.heldMoney.raw]
          == [purses[.watt] ?? 0, purses[.free] ?? 0, purses[.held] ?? 0],
        "seed \(seed), \(label), account \(position)")
      #expect(
        [account.tsl.raw, account.ect.raw, account.arrears.raw]
          == [purses[.tsl] ?? 0, purses[.ect] ?? 0, naive.owed(by: key)],
        "seed \(seed), \(label), account \(position)")
      #expect(account.isMember == naive.members.contains(key), "seed \(seed), \(label)")
      #expect(account.window.highest == naive.used[key]?.max() ?? 0, "seed \(seed), \(label)")
      #expect(
        ledger.arrears(of: AccountIndex(position)) == merged(key), "seed \(seed), \(label)")
    }
    for counter in Counter.allCases {
      let total = -(balances[.outside(counter)] ?? [:]).values.reduce(0, +)
      #expect(ledger.total(of: counter) == total, "seed \(seed), \(label), \(counter)")
    }
    try checkProof(label)
  }

  private func merged(_ key: AccountID) -> [Arrear] {
    var entries: [Arrear] = []
    for debt in naive.debts where debt.debtor == key {
      guard let creditor = ledger.index(of: debt.creditor) else { continue }
      if entries.last?.creditor == creditor {
        entries[entries.count - 1].amount.raw += debt.amount
      } else {
        entries.append(Arrear(creditor: creditor, amount: Money(debt.amount)))
      }
    }
    return entries
  }

  private mutating func checkProof(_ label: String) throws {
    let position = AccountIndex(Int(random.int(0...Int64(ledger.accountCount - 1))))
    let root = ledger.root()
    let (leaf, proof) = ledger.proof(of: position)
    #expect(proof.root(of: MerkleTree.leaf(leaf)) == root, "seed \(seed), \(label)")
    var reader = CanonicalReader(leaf)
    #expect(try Account(from: &reader) == ledger.account(position), "seed \(seed), \(label)")
  }

  /// Adds the lines of history to what the accounts were told.
  private mutating func note() {
    for line in ledger.takeHistory() {
      kinds.insert(line.kind)
      let key = ledger.account(line.account).id
      let changes = [line.watt.raw, line.money.raw, line.tsl.raw, line.ect.raw]
      let sums = told[key] ?? [0, 0, 0, 0]
      told[key] = zip(sums, changes).map { $0 + $1 }
    }
  }

  /// Outside a close, the lines of history explain every balance.
  private func checkHistory(_ label: String) {
    for (position, key) in naive.keys.enumerated() {
      let account = ledger.account(AccountIndex(position))
      let money = account.money.raw + account.heldMoney.raw
      let unexplained = position == 0 ? fees : 0
      #expect(
        told[key] ?? [0, 0, 0, 0]
          == [account.watt.raw, money - unexplained, account.tsl.raw, account.ect.raw],
        "seed \(seed), \(label), account \(position)")
    }
  }
}
