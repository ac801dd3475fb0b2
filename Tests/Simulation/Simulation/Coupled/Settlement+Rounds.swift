import Domain
import Market

/// What was so before a block: rounds close before it and after it.
struct RoundPlace {
  var lines: [UInt64: Interconnector]
  /// By grid.
  var isFrozen: [Bool]
}

// A coupling round, checked from the bids and lines alone.
extension Settlement {
  mutating func close(_ round: RoundRecord, _ before: RoundPlace) {
    let name = "round \(round.round.index)"
    guard rounds[round.round] == nil else { return fail("\(name) is closed twice") }
    rounds[round.round] = round
    figures.rounds += 1
    var nets: [ChainID: Int64] = [:]
    var money = round.fund.raw
    var wattHours: Int64 = 0
    for grid in round.grids {
      nets[grid.grid] = grid.sold - grid.bought
      money += grid.money.raw
      wattHours += grid.sold
      check(grid, in: round.round)
    }
    if nets.values.reduce(0, +) != 0 { fail("\(name): the net positions are not zero together") }
    figures.wattHours += wattHours
    for line in round.lines {
      money += line.wheeling.raw + line.rent.raw
      guard let ends = registered(line, before) else {
        fail("\(name), line \(line.line): its figures are not what was registered")
        continue
      }
      nets[ends.from, default: 0] -= line.flow
      nets[ends.to, default: 0] += line.flow
      check(line, ends, in: round, before)
    }
    if nets.values.contains(where: { $0 != 0 }) {
      fail("\(name): what grids sell and buy does not flow")
    }
    if money != 0 { fail("\(name): \(money) µ¤ come from nowhere") }
    if round.fund.raw < 0 { fail("\(name): the fund pays") }
  }

  /// The line as it was registered before the block or in it, with the capacities that the round
  /// says it had; none if it ends at a grid that signed two histories.
  private func registered(_ line: RoundRecord.Line, _ before: RoundPlace) -> Interconnector? {
    let hours = federation.backbone.calendar.intervalSeconds / 3600
    return [before.lines[line.line], lines[line.line]].compactMap { $0 }.first { ends in
      let isClosed = line.forth == 0 && line.back == 0 && isOfLiar(ends)
      let isOpen =
        line.forth == ends.forth.raw / 1000 * hours && line.back == ends.back.raw / 1000 * hours
      return (isOpen || isClosed) && line.fee == ends.fee
    }
  }

  private func isOfLiar(_ line: Interconnector) -> Bool {
    lanes.contains { !$0.isHonest && ($0.id == line.from || $0.id == line.to) }
  }

  /// No line above its capacity; energy flows where it is dearer, by the fee at least; a difference
  /// above the fee means a full line.
  private mutating func check(
    _ line: RoundRecord.Line, _ ends: Interconnector, in round: RoundRecord, _ before: RoundPlace
  ) {
    let name = "round \(round.round.index), line \(line.line)"
    if line.flow > line.forth || line.flow < -line.back {
      fail("\(name): \(line.flow) above its capacity")
    }
    if line.wheeling.raw < 0 || line.rent.raw < 0 { fail("\(name): its owner pays") }
    let isFrozen = lanes.indices.contains { place in
      before.isFrozen[place] && (lanes[place].id == ends.from || lanes[place].id == ends.to)
    }
    if isFrozen && line.flow != 0 { fail("\(name): energy of a frozen grid flows") }
    func price(of id: ChainID) -> Int64? {
      round.grids.first { $0.grid == id }.flatMap { $0.price?.raw }
    }
    guard let from = price(of: ends.from), let to = price(of: ends.to) else { return }
    let fee = ends.fee.raw
    if line.flow > 0, to - from < fee { fail("\(name): energy flows for less than the fee") }
    if line.flow < 0, from - to < fee { fail("\(name): energy flows back for less than the fee") }
    if to - from > fee, line.flow < line.forth {
      fail("\(name): prices differ, and it is not full")
    }
    if from - to > fee, line.flow > -line.back {
      fail("\(name): prices differ, and it is not full back")
    }
  }

  /// No accepted step lies on the wrong side of the price, and no better one is left out.
  private mutating func check(_ grid: RoundRecord.Grid, in round: Interval) {
    guard let number = federation.number(of: grid.grid),
      let bid = lanes[number].bids[round]
    else { return fail("round \(round.index) has a grid without a bid") }
    let name = "round \(round.index), grid \(number)"
    guard let price = grid.price?.raw else {
      if grid.bought != 0 || grid.sold != 0 { fail("\(name) trades without a price") }
      return
    }
    for (steps, total, sign) in [(bid.buys, grid.bought, Int64(1)), (bid.sells, grid.sold, -1)] {
      var left = total
      for step in steps {
        let accepted = min(left, step.wattHours)
        left -= accepted
        let advantage = (step.price - price) * sign
        if accepted > 0, advantage < 0 { fail("\(name): a step of \(step.price) at \(price)") }
        if accepted < step.wattHours, advantage > 0 {
          fail("\(name): a step of \(step.price) is left out at \(price)")
        }
      }
      if left != 0 { fail("\(name): more than was bid") }
    }
  }
}
