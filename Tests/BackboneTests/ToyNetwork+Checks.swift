import Domain

@testable import Backbone

extension ToyNetwork {
  // MARK: What must hold

  func check() throws {
    try core.checkInvariants()
    for (number, grid) in grids.enumerated() {
      try grid.lane.checkInvariants()
      let record = core.gridRecords[number]
      var backed = grid.supplies
      for asset in TravellingAssets<Int64>.assets {
        guard grid.lane.supply(of: asset) == Int128(backed[asset]) else {
          throw Fault("grid \(number): the lane's sums are not the supply of \(asset)")
        }
      }
      for sent in toBackbone[number].dropFirst(Int(record.received)) {
        backed[sent.asset] += sent.amount
      }
      for sent in toGrid[number].dropFirst(Int(grid.lane.received)) {
        backed[sent.asset] += sent.amount
      }
      guard backed == record.reserve else {
        throw Fault("grid \(number): supply and packets under way are not the reserve")
      }
      guard grid.endedHolds.values.allSatisfy({ $0 == 1 }) else {
        throw Fault("grid \(number): a hold ended twice")
      }
    }
    for journey in journeys where journey.arrivals + journey.refunds > 1 {
      throw Fault("packet \(journey.sequence) of grid \(journey.grid) ended more than once")
    }
  }

  /// The links heal, everything is carried to its end, and each grid says what it has.
  mutating func heal() throws {
    for _ in 0..<6 {
      try begin(seconds: 1100)
      try closeRounds()
      try carryAll()
    }
    for grid in 0..<4 { try checkpoint(grid) }
    try collect()
    try carryAll()
    try check()
    for (number, grid) in grids.enumerated() where !core.gridRecords[number].isFrozen {
      let record = core.gridRecords[number]
      guard record.checkpoint?.height == grid.height, grid.lane.underWay.isEmpty,
        grid.lane.openBid == nil, grid.held == 0, grid.endedHolds.count == Int(grid.holds),
        grid.supplies == record.reserve
      else { throw Fault("grid \(number) is not at rest") }
    }
    for (number, grid) in grids.enumerated() where core.gridRecords[number].isFrozen {
      guard grid.lane.isStopped, grid.lane.openBid == nil, grid.held == 0,
        grid.endedHolds.count == Int(grid.holds)
      else { throw Fault("grid \(number) is frozen, and does not know it") }
    }
    for journey in journeys where !core.gridRecords[journey.grid].isFrozen {
      guard journey.arrivals + journey.refunds == 1 else {
        throw Fault("packet \(journey.sequence) of grid \(journey.grid) never ended")
      }
    }
  }

  private mutating func carryAll() throws {
    for _ in 0..<2 {
      for grid in 0..<4 {
        let last = Int(core.gridRecords[grid].received)
        let rest = toBackbone[grid].dropFirst(last).map(\.packet)
        for start in stride(from: 0, to: rest.count, by: Limits.packetsPerDelivery) {
          let end = min(start + Limits.packetsPerDelivery, rest.count)
          try handToBackbone(Array(rest[start..<end]), of: grid)
        }
      }
      for grid in 0..<4 {
        for sent in toGrid[grid].dropFirst(Int(grids[grid].lane.received)) {
          try handToGrid(sent.packet, grid)
        }
      }
    }
  }
}
