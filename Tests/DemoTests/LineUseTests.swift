import Testing
import Wire
import intertie

@Suite("What a line did in a round")
struct LineUseTests {
  /// A line of 100 Wh either way for a fee of 20.
  private func use(
    flow: Int64, from: Int64?, to: Int64?, rent: Int64 = 0
  ) -> LineUse {
    var use = LineUse(UnionPlan.lines[1], names: ["a", "b", "c", "d"])
    use.take(
      .with {
        $0.line = 2
        $0.forthWh = 100
        $0.backWh = 100
        $0.fee = 20
        $0.flowWh = flow
        $0.rent = rent
      }, at: 7, from: from, to: to)
    return use
  }

  @Test("Partly used: the prices differ by exactly the fee, in the direction of the flow")
  func partly() {
    let forth = use(flow: 60, from: 100, to: 120)
    #expect(forth.partly == 1 && forth.exact == 1 && forth.forth == 60 && forth.faults.isEmpty)
    let back = use(flow: -60, from: 120, to: 100)
    #expect(back.partly == 1 && back.exact == 1 && back.back == 60 && back.faults.isEmpty)
    for (from, to) in [(100, 121), (100, 119), (120, 100)] as [(Int64, Int64)] {
      let wrong = use(flow: 60, from: from, to: to)
      #expect(wrong.exact == 0 && !wrong.faults.isEmpty)
    }
    #expect(!use(flow: 60, from: 100, to: 120, rent: 1).faults.isEmpty)
  }

  @Test("Full: the prices may differ by more, and there is rent")
  func full() {
    let forth = use(flow: 100, from: 100, to: 300, rent: 18)
    #expect(forth.full == 1 && forth.beyond == 1 && forth.beyondAndFull == 1)
    #expect(forth.rent == 18 && forth.faults.isEmpty)
    let level = use(flow: -100, from: 120, to: 100)
    #expect(level.full == 1 && level.beyond == 0 && level.faults.isEmpty)
    #expect(!use(flow: 100, from: 100, to: 110).faults.isEmpty)
    #expect(!use(flow: 101, from: 100, to: 300).faults.isEmpty)
  }

  @Test("Idle: the prices do not differ by more than the fee")
  func idle() {
    let near = use(flow: 0, from: 100, to: 120)
    #expect(near.idle == 1 && near.beyond == 0 && near.faults.isEmpty)
    let far = use(flow: 0, from: 121, to: 100)
    #expect(far.idle == 1 && far.beyond == 1 && far.beyondAndFull == 0 && far.faults.count == 1)
  }

  @Test("A grid without a price neither sends nor gets")
  func unpriced() {
    #expect(use(flow: 0, from: nil, to: 100).faults.isEmpty)
    #expect(!use(flow: 5, from: nil, to: 100).faults.isEmpty)
  }

  @Test("A round makes neither energy nor money of nothing")
  func conserved() {
    var round = Intertie_V1_CouplingRound.with {
      $0.round = 7
      $0.fund = 1
      $0.grids = [
        .with {
          $0.soldWh = 60
          $0.money = 6000
        },
        .with {
          $0.boughtWh = 60
          $0.money = -7202
        },
      ]
      $0.lines = [
        .with {
          $0.wheeling = 1200
          $0.rent = 1
        }
      ]
    }
    #expect(RoundCheck.faults(round).isEmpty)
    round.grids[0].soldWh = 61
    round.lines[0].rent = 2
    #expect(RoundCheck.faults(round).count == 2)
  }
}
