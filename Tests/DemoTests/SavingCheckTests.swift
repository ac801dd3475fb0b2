import Testing
import Wire
import intertie

@Suite("What was saved, against the utility's account")
struct SavingCheckTests {
  /// A day: 3 kWh bought at 0.30 and 1 kWh sold at 0.08, each in one payment; one trade leaves 1
  /// µ¤.
  private func alone() -> DemoPayments {
    var payments = DemoPayments()
    payments.utilityGot = 900_000
    payments.utilityPaid = 80_000
    payments.purchases = 1
    payments.sales = 1
    payments.fund = 1
    payments.members = 820_001
    payments.storedPrice = 80_000
    payments.holders = 1
    return payments
  }

  /// The same with 2 kWh less from the utility, for which other grids got 0.2, and 1 kWh stored.
  private func coupled() -> DemoPayments {
    var payments = alone()
    payments.utilityGot = 300_000
    payments.rounds = -200_000
    payments.members = 420_001
    payments.stored = 1_000_000
    payments.held = 1_000_000
    return payments
  }

  private func interval(bought: Int64, sold: Int64) -> Intertie_V1_IntervalTotals {
    .with {
      $0.utilityImportMwh = bought
      $0.utilityExportMwh = sold
      $0.retailPrice = 300_000
      $0.feedInPrice = 80_000
    }
  }

  @Test("What members pay is what utility, fund and other grids get, and the utility its tariff")
  func pass() {
    let own = [interval(bought: 3_000_000, sold: 1_000_000)]
    let less = [interval(bought: 1_000_000, sold: 1_000_000)]
    #expect(alone().faults(own, arrears: 0).isEmpty)
    #expect(coupled().faults(less, arrears: 0).isEmpty)
    var wrong = alone()
    wrong.members -= 1
    #expect(wrong.faults(own, arrears: 0).count == 1)
    wrong = coupled()
    wrong.rounds = 200_000
    #expect(wrong.faults(less, arrears: 0).count == 1)
    wrong = coupled()
    wrong.held = -1_000_000
    #expect(wrong.faults(less, arrears: 0).count == 1)
    #expect(alone().faults(less, arrears: 0).count == 1)
  }

  @Test("A payment is rounded by less than one µ¤, for the payee down and for the payer up")
  func roundings() {
    let some = [interval(bought: 2_999_999, sold: 1_000_001)]
    #expect(alone().faults(some, arrears: 0).isEmpty)
    let fewer = [interval(bought: 2_999_996, sold: 1_000_000)]
    #expect(alone().faults(fewer, arrears: 0).count == 1)
    let more = [interval(bought: 3_000_001, sold: 1_000_000)]
    #expect(alone().faults(more, arrears: 0).count == 1)
    #expect(alone().faults(more, arrears: 1).isEmpty)
    let sold = [interval(bought: 3_000_000, sold: 1_000_013)]
    #expect(alone().faults(sold, arrears: 0).count == 1)
    var rounds = coupled()
    rounds.members += 1
    rounds.roundPayments = 1
    let less = [interval(bought: 1_000_000, sold: 1_000_000)]
    #expect(rounds.faults(less, arrears: 0).count == 1)
    rounds.roundPayments = 2
    #expect(rounds.faults(less, arrears: 0).isEmpty)
  }

  @Test("Savings are the utility's loss and what is stored, less what funds got")
  func saved() {
    let check = SavingCheck(alone: [alone()], coupled: [coupled()], fund: 3)
    #expect(check.utilitiesLess == 600_000 && check.storedMore == 80_000)
    // The homes' 400 000 and 80 000 that are stored; 199 997 of the others' 200 000 to a line.
    let saved: Int64 = 400_000 + 80_000 + 199_997
    #expect(check.fault(saved: saved) == nil)
    #expect(check.fault(saved: saved + 1) != nil && check.fault(saved: saved - 1) != nil)
    #expect(check.fault(saved: -saved) != nil)
    var odd = coupled()
    odd.stored += 6
    let rounded = SavingCheck(alone: [alone()], coupled: [odd], fund: 3)
    // Half a µ¤ more is stored than the homes' bills say.
    #expect(rounded.fault(saved: saved) == nil && rounded.fault(saved: saved - 1) != nil)
  }
}
