import Domain
import ProcessSupport
import Testing
import Wire

/// That the reckoning of transfers finds what should not be.
@Suite struct RemittancesTests {
  private let remittances = Remittances()
  private let first: Remittances.Remittance
  private let second: Remittances.Remittance

  init() {
    first = remittances.draw(from: 0, to: 1, asset: .money, deadline: Remittances.never)
    second = remittances.draw(from: 1, to: 0, asset: .tsl, deadline: 7)
    for one in [first, second] { remittances.take(one.number) }
  }

  private func line(
    _ kind: Intertie_V1_HistoryKind, money: Int64 = 0, tsl: Int64 = 0, ect: Int64 = 0,
    packet: UInt64 = 0
  ) -> Intertie_V1_HistoryEntry {
    .with {
      $0.kind = kind
      $0.money = money
      $0.tsl = tsl
      $0.ect = ect
      $0.reference = packet
    }
  }

  /// The histories of both grids: the first transfer credited, the second refunded.
  private var histories: [[Intertie_V1_HistoryEntry]] {
    [
      [line(.sentAbroad, money: -1, packet: 4), line(.issued, money: 5)],
      [
        line(.refunded, tsl: 2, packet: 9), line(.receivedFromAbroad, money: 1, packet: 3),
        line(.sentAbroad, tsl: -2, packet: 9),
      ],
    ]
  }

  @Test func transfersThatEndOnceAreReckonedUp() throws {
    for (grid, lines) in histories.enumerated() {
      for line in lines { _ = remittances.note(line, in: grid) }
    }
    #expect(remittances.open.isEmpty && remittances.faults.isEmpty)
    let summary = try remittances.reckon(histories)
    #expect(summary.hasPrefix("2 transfers (1 of money, 1 of TSL, 0 of ECT): 1 credited"))
    #expect(summary.contains("1 refunded"))
  }

  @Test func whatEndsTwiceOrNeverIsFound() {
    let changes: [(String, (inout [[Intertie_V1_HistoryEntry]]) -> Void)] = [
      ("never credited", { $0[1].remove(at: 1) }),
      ("never refunded", { $0[1].remove(at: 0) }),
      ("credited twice", { $0[1].append($0[1][1]) }),
      ("credited and refunded", { $0[0].append(line(.receivedFromAbroad, tsl: 2)) }),
      ("refunded without a deadline", { $0[0].append(line(.refunded, money: 1, packet: 4)) }),
      ("never debited", { $0[0].remove(at: 0) }),
      ("debited elsewhere", { $0[1].append($0[0].removeFirst()) }),
      ("refunded for another packet", { $0[1][0].reference = 8 }),
      ("another asset", { $0[1][1] = line(.receivedFromAbroad, ect: 1) }),
      ("of nobody", { $0[0].append(line(.receivedFromAbroad, money: 3)) }),
    ]
    for (name, change) in changes {
      var changed = histories
      change(&changed)
      #expect(throws: Fault.self, "\(name)") { try remittances.reckon(changed) }
    }
  }

  @Test func twoEndsAreSeenAsTheyCome() {
    #expect(remittances.note(line(.receivedFromAbroad, money: 1), in: 1))
    #expect(!remittances.note(line(.receivedFromAbroad, money: 1), in: 1))
    #expect(remittances.faults.isEmpty)
    #expect(!remittances.note(line(.refunded, money: 1), in: 0))
    #expect(!remittances.note(line(.receivedFromAbroad, money: 3), in: 0))
    #expect(remittances.faults.count == 2)
    #expect(remittances.open.map(\.number) == [second.number])
  }
}
