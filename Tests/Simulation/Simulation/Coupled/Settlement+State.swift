import Backbone
import Domain
import Node

// The backbone's state beside what its blocks come to.
extension Settlement {
  /// A command that was applied.
  mutating func take(_ command: Command) {
    guard case .backbone(let body) = command.body else { return }
    switch body {
    case .putLine(let line): lines[line.id] = line
    case .setFee(let id, let fee): lines[id]?.fee = fee
    case .issue(_, _, let amount): issued += amount.raw
    case .grant(_, _, let amount): granted += amount.raw
    case .payOut(let number):
      guard let name = waiting.removeValue(forKey: number), let journey = journeys[name] else {
        return fail("withdrawal \(number) is paid out, and does not wait")
      }
      paidOut += journey.amount
      journeys[name]?.state = .paid
      figures.withdrawals += 1
    case .register, .rate, .pay: return
    }
  }

  /// The state says what the blocks come to.
  mutating func compare(_ core: BackboneCore, _ name: String) {
    var sums = TravellingAssets<Int64>()
    for record in core.gridRecords {
      guard let grid = federation.number(of: record.grid) else {
        return fail("\(name) has a grid that nobody knows")
      }
      for asset in TravellingAssets<Int64>.assets {
        sums[asset] += record.reserve[asset]
        if record.reserve[asset] < 0 { fail("a reserve of grid \(grid) is below zero") }
      }
      compare(record, grid, name)
    }
    sums.money += core.fund.raw
    for account in core.accounts { sums.money += account.money.raw }
    for item in core.withdrawals { sums.money += item.amount.raw }
    if sums.money != issued - paidOut {
      fail("\(name) has \(sums.money) µ¤, and \(issued - paidOut) came in and did not leave")
    }
    if core.treasury.raw + sums.tsl != Limits.storageTokens || sums.tsl != granted {
      fail("\(name) has other TSL than there are")
    }
    if core.withdrawals.map(\.id) != waitingWithdrawals {
      fail("\(name) has other withdrawals waiting")
    }
    for place in lanes.indices where lanes[place].isHonest { balance(place) }
  }

  private mutating func compare(_ record: GridRecord, _ grid: Int, _ name: String) {
    let lane = lanes[grid]
    if lane.isFrozen && !record.isFrozen {
      fail("grid \(grid) signed two histories and is not frozen")
    }
    if record.isFrozen && !lane.isFrozen {
      if lane.isHonest { fail("the honest grid \(grid) is frozen") }
      fail("grid \(grid) is frozen, and has shown one history")
    }
    if record.received != lane.executed.count {
      fail(
        "the backbone is at packet \(record.received) of grid \(grid), not \(lane.executed.count)")
    }
    guard !record.isFrozen else { return }
    if record.sent != lane.fromBackbone.count {
      fail(
        "the backbone has sent grid \(grid) \(record.sent) packets, not \(lane.fromBackbone.count)")
    }
    if record.reserve != lane.reserve {
      fail("\(name) has the reserve \(record.reserve) of grid \(grid), not \(lane.reserve)")
    }
    if record.openRound != lane.openBid { fail("\(name) has another bid of grid \(grid) open") }
  }

  /// For each asset: what the accounts have, and what packets of either direction carry, is the
  /// reserve.
  mutating func balance(_ grid: Int) {
    let lane = lanes[grid]
    var sum = lane.supply
    for packet in lane.sent.dropFirst(lane.executed.count) {
      if let cargo = (try? packet.content())?.cargo { sum[cargo.asset] += cargo.amount }
    }
    for packet in lane.fromBackbone.dropFirst(Int(lane.received)) {
      let content = try? packet.content()
      if let gift = content?.gift { sum[gift.asset] += gift.amount }
      if case .void(let sequence, _)? = content, sequence <= lane.sent.count,
        let cargo = (try? lane.sent[Int(sequence) - 1].content())?.cargo
      {
        sum[cargo.asset] += cargo.amount
      }
    }
    if sum != lane.reserve {
      fail("grid \(grid): supply and packets under way are \(sum), the reserve is \(lane.reserve)")
    }
  }
}
