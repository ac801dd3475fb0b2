import Domain
import Testing

@testable import Ledger

@Suite("Planted faults of a close")
struct CloseViolationTests {
  /// A ledger in the middle of a close: account 1 exported 2.5 kWh, account 2 lacks 300 mWh.
  private func middle() throws -> (LedgerCore, MeterClose, UtilitySettlement) {
    var ledger = try World.ledger(World.genesis(utilityMoney: 1_000_000))
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = [
      World.metered(ledger.index(1), exported: 2_500_000),
      World.metered(ledger.index(2), imported: 300),
    ]
    _ = try ledger.post(close)
    var settlement = UtilitySettlement(isAvailable: true)
    settlement.shortfalls = [
      UtilityPosting(account: ledger.index(2), energy: Energy(300), amount: Money(90))
    ]
    settlement.overflows = [
      UtilityPosting(account: ledger.index(1), energy: Energy(500_000), amount: Money(50_000))
    ]
    return (ledger, close, settlement)
  }

  @Test("Without a fault, the balance holds")
  func fine() throws {
    var (ledger, close, settlement) = try middle()
    let sheet = try ledger.settle(settlement, close: close)
    #expect(sheet.isBalanced)
    #expect(sheet.sources.raw == 2_500_300)
    #expect(ledger.account(1).money.raw == 1_050_000)
    try ledger.checkInvariants()
  }

  /// One milliwatt-hour too much or too little in any part.
  @Test("An imbalance of 1 mWh halts", arguments: [1, -1] as [Int64])
  func imbalance(error: Int64) throws {
    typealias Fault = (inout MeterClose, inout UtilitySettlement) -> Void
    let faults: [Fault] = [
      { close, _ in close.accounts[0].generation.raw += error },
      { close, _ in close.accounts[1].consumption.raw += error },
      { _, settlement in settlement.shortfalls[0].energy.raw += error },
      { close, _ in
        close.accounts.append(
          MeteredAccount(account: AccountIndex(9), generation: Energy(error)))
      },
      { _, settlement in settlement.shortfalls.removeAll() },
    ]
    for (place, fault) in faults.enumerated() {
      var (ledger, close, settlement) = try middle()
      fault(&close, &settlement)
      #expect(throws: InvariantViolation.self, "fault \(place)") {
        _ = try ledger.settle(settlement, close: close)
      }
    }
  }

  @Test("A supply that changed behind the ledger's back is found at the close")
  func plantedSupply() throws {
    var (ledger, close, settlement) = try middle()
    try ledger.changeWatt(of: ledger.index(3), by: Energy(1))
    try ledger.totals.count(1, from: .metering)
    #expect(throws: InvariantViolation.self) {
      _ = try ledger.settle(settlement, close: close)
    }
    // What leaves one account too few above B_max is found by the invariants.
    var (other, same, fewer) = try middle()
    fewer.overflows[0].energy.raw -= 1
    _ = try other.settle(fewer, close: same)
    #expect(throws: InvariantViolation.self) { try other.checkInvariants() }
  }

  @Test("Postings out of order, out of range, or for nobody halt")
  func settlementForm() throws {
    typealias Fault = (inout UtilitySettlement) -> Void
    let faults: [Fault] = [
      { $0.shortfalls.append($0.shortfalls[0]) },
      { $0.shortfalls[0].account = AccountIndex(10_000) },
      { $0.shortfalls[0].account = AccountIndex(1) },
      { $0.shortfalls[0].amount = Money(-1) },
      { $0.overflows[0].energy = Energy(2_500_001) },
      { $0.overflows[0].energy = Energy(0) },
      { $0.isAvailable = false },
    ]
    for (place, fault) in faults.enumerated() {
      var (ledger, close, settlement) = try middle()
      fault(&settlement)
      #expect(throws: InvariantViolation.self, "fault \(place)") {
        _ = try ledger.settle(settlement, close: close)
      }
    }
  }

  @Test("Intervals come one after the other, each closed once")
  func order() throws {
    var ledger = try World.ledger()
    let first = ledger.interval.next
    #expect(first == World.genesis().calendar.firstInterval)
    for wrong in [first.next, first.advanced(by: -1)] {
      #expect(throws: InvariantViolation.self) {
        _ = try ledger.post(MeterClose(interval: wrong))
      }
    }
    let close = MeterClose(interval: first)
    #expect(throws: InvariantViolation.self) {
      _ = try ledger.settle(UtilitySettlement(isAvailable: true), close: close)
    }
    _ = try ledger.post(close)
    #expect(throws: InvariantViolation.self) {
      _ = try ledger.post(MeterClose(interval: first.next))
    }
    _ = try ledger.settle(UtilitySettlement(isAvailable: true), close: close)
    #expect(throws: InvariantViolation.self) {
      _ = try ledger.settle(UtilitySettlement(isAvailable: true), close: close)
    }
    _ = try ledger.post(MeterClose(interval: first.next))
  }

  @Test("Metering that is out of place or range halts")
  func meteringForm() throws {
    let ledger = try World.ledger()
    let rows: [[MeteredAccount]] = [
      [World.metered(AccountIndex(1), exported: 1)],
      [World.metered(AccountIndex(10_000), exported: 1)],
      [
        World.metered(ledger.index(2), exported: 1), World.metered(ledger.index(1), exported: 1),
      ],
      [MeteredAccount(account: ledger.index(1), minted: Energy(-1))],
      [MeteredAccount(account: ledger.index(1), burned: Energy(-1))],
      [MeteredAccount(account: ledger.index(1), minted: Energy(Limits.amount + 1))],
    ]
    for (place, row) in rows.enumerated() {
      var copy = ledger
      var close = MeterClose(interval: ledger.interval.next)
      close.accounts = row
      #expect(throws: InvariantViolation.self, "row \(place)") { _ = try copy.post(close) }
    }
  }

  @Test("Planted faults in the state are found by the invariants")
  func plantedState() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    _ = ledger.run(World.command(genesis, World.key(1), 1, World.buy(1, at: 1)))
    try ledger.close([(1, 10), (2, -5_000_000)])
    #expect(ledger.account(2).arrears.raw == 500_000)
    _ = ledger.root()
    try ledger.checkInvariants()
    let utility = try #require(ledger.index(of: World.utilityKey))
    typealias Fault = (inout LedgerCore) throws -> Void
    let faults: [Fault] = [
      { $0.accounts[4].money.raw += 1 },
      { $0.accounts[$0.index(1).int].watt.raw = -1 },
      { $0.accounts[5].tsl.raw += 1 },
      { $0.accounts[6].ect.raw += 1 },
      { $0.accounts[$0.index(2).int].arrears.raw += 1 },
      { $0.accounts[$0.index(3).int].arrears.raw += 1 },
      { $0.arrears.owe(Money(1), from: $0.index(3), to: $0.index(4)) },
      { try $0.owe(Money(1), from: utility, to: $0.index(2)) },
      { try $0.owe(Money(1), from: $0.index(1), to: utility) },
      { $0.indexes[World.key(1)] = AccountIndex(3) },
      { $0.indexes[World.key(500)] = AccountIndex(3) },
      { try $0.totals.count(1, from: .genesisMoney) },
      { try $0.totals.count(1, of: .ect) },
      { $0.wattAtLastClose += 1 },
      // Moves that keep every sum, behind the back of the tree.
      {
        $0.accounts[$0.index(1).int].tsl.raw -= 1
        $0.accounts[$0.index(3).int].tsl.raw += 1
      },
      {
        $0.accounts[$0.index(1).int].watt.raw -= 1
        $0.accounts[0].watt.raw += 1
        $0.touch($0.index(1))
        $0.touch(AccountIndex(0))
      },
    ]
    for (place, fault) in faults.enumerated() {
      var copy = ledger
      try fault(&copy)
      #expect(throws: InvariantViolation.self, "fault \(place)") { try copy.checkInvariants() }
    }
  }
}
