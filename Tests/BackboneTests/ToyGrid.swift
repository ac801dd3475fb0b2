import Domain

@testable import Backbone

/// A ledger that knows only what crosses its border, with the grid's end of the lane.
struct ToyGrid {
  var lane: GridLane
  /// What the members have together, by asset; what they do with it inside is nobody's concern.
  var free = TravellingAssets<Int64>()
  /// Money behind the open bid.
  var held: Int64 = 0
  var holds: UInt64 = 0
  var cleanStored: Int64 = 0
  var height: UInt64 = 0
  /// How often each hold has ended.
  var endedHolds: [UInt64: Int] = [:]

  init(_ number: Int) {
    lane = GridLane(grid: gridID(number), backbone: backboneID, validators: [key(400)])
  }

  var supplies: TravellingAssets<Int64> {
    TravellingAssets(money: free.money + held, tsl: free.tsl, ect: free.ect)
  }

  mutating func checkpoint(interval: Interval) throws {
    height += 1
    // A chain of hashes that differs from every other grid's.
    let hash = MerkleTree.node(lane.grid, Digest(Bytes32(height, 0, 0, 0)))
    try lane.checkpoint(
      ProvenHeader(height: height, hash: hash), interval: interval, supplies: supplies,
      cleanStored: Energy(cleanStored), energyHeld: .zero)
  }

  mutating func bid(round: Interval, cost: Int64) throws {
    holds += 1
    try lane.bid(round: round, steps: bidSteps(cost: cost), hold: holds)
    free.money -= cost
    held = cost
  }

  /// Does what the lane says.
  mutating func perform(_ effect: LaneEffect) {
    switch effect {
    case .credit(let transfer): free[transfer.asset] += transfer.amount
    case .issue(_, let asset, let amount): free[asset] += amount
    case .refund(let entry, _): free[entry.item.asset] += entry.item.amount
    case .reward(_, _, let amount): free.ect += amount.raw
    case .fill(let bid, _, _, _, let money):
      release(bid)
      free.money += money.raw
    case .release(let bid, _): release(bid)
    case .none, .wheeling, .validators: break
    }
  }

  mutating func release(_ bid: LaneBid) {
    free.money += held
    held = 0
    endedHolds[bid.hold, default: 0] += 1
  }
}

/// A packet that was sent and stays in its sender's blocks, with the value that it carries.
struct Sent {
  let packet: Packet
  var asset = Asset.money
  var amount: Int64 = 0

  /// `refund` says what a voided packet had taken.
  init(_ packet: Packet, refund: (UInt64) -> (Asset, Int64)) throws {
    self.packet = packet
    switch try packet.content() {
    case .transferOut(let transfer): (asset, amount) = (transfer.asset, transfer.amount)
    case .withdrawal(_, let money): amount = money.raw
    case .transferIn(let transfer): (asset, amount) = (transfer.asset, transfer.amount)
    case .issue(_, let what, let much): (asset, amount) = (what, much)
    case .reward(_, _, let tokens): (asset, amount) = (.ect, tokens.raw)
    case .result(_, .cleared(_, _, _, let money)): amount = money.raw
    case .void(let sequence, _): (asset, amount) = refund(sequence)
    case .result, .checkpoint, .bid, .wheeling, .validators, .frozen: break
    }
  }
}

/// A member's transfer or withdrawal, and how often it ended each way.
struct Journey {
  let grid: Int
  let sequence: UInt64
  let isWithdrawal: Bool
  var arrivals = 0
  var refunds = 0
}
