import Domain
import Testing

@testable import Ledger

@Suite("Ledger against a list of postings")
struct PropertyTests {
  /// Blocks, trades, closes with shortfalls, overflows, islanding, arrears, and restarts.
  @Test("Random steps", arguments: 0..<320 as Range<UInt64>)
  func steps(seed: UInt64) throws {
    var driver = try PropertyDriver(seed: seed)
    try driver.run(steps: 20)
  }

  /// The steps above are worth something only if they reach the rules that they are to test.
  @Test("Random steps reach arrears, set-offs, islanding and every kind of line")
  func coverage() throws {
    var kinds: Set<HistoryKind> = []
    var owing = 0
    var owed = 0
    for seed in 1000..<1040 as Range<UInt64> {
      var driver = try PropertyDriver(seed: seed)
      try driver.run(steps: 20)
      kinds.formUnion(driver.kinds)
      if driver.ledger.utility.arrears.raw > 0 { owing += 1 }
      owed += driver.ledger.accounts.count { $0.arrears.raw > 0 }
    }
    #expect(kinds == Set(HistoryKind.allCases))
    #expect(owing > 0)
    #expect(owed > 0)
  }
}
