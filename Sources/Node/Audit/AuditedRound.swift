import Domain

/// What must hold of every coupling round by its record alone, however it was solved: no energy and
/// no money is made or lost, no line is above its capacity, and each bidder was told what is
/// recorded of it.
struct AuditedRound: Sendable {
  let record: RoundRecord

  /// `lines` have the ends of the record's lines; `packets` are those of the block that closed it.
  func check(lines: [Interconnector], packets: [Packet]) throws(NodeFailure) {
    try checkFlows(lines)
    try checkMoney()
    try checkResults(packets)
  }

  private func fault(_ text: String) -> NodeFailure {
    .invariant("coupling round \(record.round.index): \(text)")
  }

  private func checkFlows(_ lines: [Interconnector]) throws(NodeFailure) {
    var nets: [ChainID: Int128] = [:]
    for grid in record.grids {
      guard grid.bought >= 0, grid.sold >= 0, nets[grid.grid] == nil else {
        throw fault("grid \(grid.grid) has two shares, or one below zero")
      }
      nets[grid.grid] = Int128(grid.sold) - Int128(grid.bought)
    }
    var left: [ChainID: Int128] = [:]
    for line in record.lines {
      guard let ends = lines.first(where: { $0.id == line.line }) else {
        throw fault("line \(line.line) does not exist")
      }
      guard (-line.back...line.forth).contains(line.flow) else {
        throw fault("line \(line.line) carries \(line.flow) Wh, above its capacity")
      }
      left[ends.from, default: 0] += Int128(line.flow)
      left[ends.to, default: 0] -= Int128(line.flow)
    }
    guard nets.values.reduce(0, +) == 0 else { throw fault("what is sold is not what is bought") }
    for grid in record.grids where left[grid.grid] ?? 0 != nets[grid.grid] {
      throw fault("the lines of grid \(grid.grid) do not carry what it has sold less bought")
    }
    let between = left.filter { nets[$0.key] == nil }
    guard between.values.allSatisfy({ $0 == 0 }) else {
      throw fault("energy stays in a grid that has not bid")
    }
  }

  private func checkMoney() throws(NodeFailure) {
    var sum = Int128(record.fund.raw)
    for grid in record.grids { sum += Int128(grid.money.raw) }
    for line in record.lines { sum += Int128(line.wheeling.raw) + Int128(line.rent.raw) }
    guard sum == 0 else { throw fault("\(sum) µ¤ come from nowhere") }
  }

  private func checkResults(_ packets: [Packet]) throws(NodeFailure) {
    var told: [ChainID: RoundRecord.Grid] = [:]
    for packet in packets {
      guard
        case .result(record.round, .cleared(let price, let bought, let sold, let money)) =
          try? packet.content()
      else { continue }
      let share = RoundRecord.Grid(
        grid: packet.destination, price: price, bought: bought, sold: sold, money: money)
      guard told.updateValue(share, forKey: packet.destination) == nil else {
        throw fault("grid \(packet.destination) is told two results")
      }
    }
    guard told.count == record.grids.count,
      record.grids.allSatisfy({ told[$0.grid] == $0 })
    else { throw fault("the grids are told other results than are recorded") }
  }
}
