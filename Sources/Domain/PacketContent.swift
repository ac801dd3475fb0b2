/// The bodies of packets, read.
package enum PacketContent: Hashable, Sendable {
  /// Grid: what it is and has, at one of its blocks.
  case checkpoint(Checkpoint)
  /// Grid: what it offers and asks for in the round of this interval; the steps as the market
  /// encodes them, 1...Limits.couplingBidBytes.
  case bid(round: Interval, steps: [UInt8])
  /// Grid: a member sends to a member of another grid.
  case transferOut(TransferOut)
  /// Grid: money of this member leaves by the gateway.
  case withdrawal(from: AccountID, amount: Money)

  /// Backbone: what became of the grid's bid.
  case result(round: Interval, CouplingAnswer)
  /// Backbone: credit from another grid, or from an account of the backbone.
  case transferIn(TransferIn)
  /// Backbone: what the grid's packet of this sequence asked for was not done.
  case void(sequence: UInt64, PacketReason)
  /// Backbone: money from the gateway, or TSL from the backbone's own.
  case issue(to: AccountID, asset: Asset, amount: Int64)
  /// Backbone: the answer to a checkpoint that it took. ECT for the storage owners by capacity, 0
  /// and more, for this much clean energy.
  case reward(interval: Interval, clean: Energy, amount: RewardTokens)
  /// Backbone: an interconnector's fee, in force from the next round that closes.
  case wheeling(line: UInt64, fee: Price)
  /// Backbone: who validates it from this epoch on.
  case validators(epoch: UInt64, [PublicKey])
  /// Backbone: the grid has signed two histories, and nothing of it counts any more.
  case frozen

  package var kind: PacketKind {
    switch self {
    case .checkpoint: .checkpoint
    case .bid: .bid
    case .transferOut: .transferOut
    case .withdrawal: .withdrawal
    case .result: .result
    case .transferIn: .transferIn
    case .void: .void
    case .issue: .issue
    case .reward: .reward
    case .wheeling: .wheeling
    case .validators: .validators
    case .frozen: .frozen
    }
  }
}

/// A figure for each asset that travels between chains. Energy stays where it is stored.
package struct TravellingAssets<Value: FixedWidthInteger & Sendable>: Hashable, Sendable {
  package var money: Value
  package var tsl: Value
  package var ect: Value

  package init(money: Value = 0, tsl: Value = 0, ect: Value = 0) {
    self.money = money
    self.tsl = tsl
    self.ect = ect
  }

  /// In this order wherever they are walked.
  package static var assets: [Asset] { [.money, .tsl, .ect] }

  /// The asset is not WATT, by contract.
  package subscript(asset: Asset) -> Value {
    get {
      switch asset {
      case .money: money
      case .tsl: tsl
      case .ect: ect
      case .watt: preconditionFailure("energy does not travel")
      }
    }
    set {
      switch asset {
      case .money: money = newValue
      case .tsl: tsl = newValue
      case .ect: ect = newValue
      case .watt: preconditionFailure("energy does not travel")
      }
    }
  }

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(money)
    writer.write(tsl)
    writer.write(ect)
  }

  package init(from reader: inout CanonicalReader) throws(Rejection) {
    money = try reader.read(Value.self)
    tsl = try reader.read(Value.self)
    ect = try reader.read(Value.self)
  }
}

/// A grid at one of its final blocks.
package struct Checkpoint: Hashable, Sendable {
  /// The block, and the one that the checkpoint before named: the genesis (0, the chain's id) for
  /// the first.
  package var height: UInt64
  package var hash: Digest
  package var previousHeight: UInt64
  package var previousHash: Digest
  /// The interval that was closed last.
  package var interval: Interval
  /// The last packet of the backbone that was executed before this one was sent.
  package var received: UInt64
  /// What all accounts have together.
  package var supplies: TravellingAssets<Int64>
  /// What packets of the backbone have brought so far, refunds aside.
  package var credited: TravellingAssets<Int128>
  /// What packets to the backbone have taken so far, less what was refunded.
  package var debited: TravellingAssets<Int128>
  /// Clean energy stored since the genesis, mWh; never falls.
  package var cleanStored: Energy
  /// WATT held at the close of the interval, mWh.
  package var energyHeld: Energy

  package init(
    height: UInt64, hash: Digest, previousHeight: UInt64, previousHash: Digest,
    interval: Interval, received: UInt64, supplies: TravellingAssets<Int64>,
    credited: TravellingAssets<Int128>, debited: TravellingAssets<Int128>, cleanStored: Energy,
    energyHeld: Energy
  ) {
    self.height = height
    self.hash = hash
    self.previousHeight = previousHeight
    self.previousHash = previousHash
    self.interval = interval
    self.received = received
    self.supplies = supplies
    self.credited = credited
    self.debited = debited
    self.cleanStored = cleanStored
    self.energyHeld = energyHeld
  }

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(height)
    writer.write(hash)
    writer.write(previousHeight)
    writer.write(previousHash)
    writer.write(interval)
    writer.write(received)
    supplies.encode(into: &writer)
    credited.encode(into: &writer)
    debited.encode(into: &writer)
    writer.write(cleanStored)
    writer.write(energyHeld)
  }

  /// Totals stay below this, so that no sum of them leaves 128 bits.
  private static let bound = Int128(1) << 120

  /// Throws `malformed`, also for supplies, energy or totals out of range.
  package init(from reader: inout CanonicalReader) throws(Rejection) {
    height = try reader.read(UInt64.self)
    hash = try reader.readDigest()
    previousHeight = try reader.read(UInt64.self)
    previousHash = try reader.readDigest()
    interval = try reader.readInterval()
    received = try reader.read(UInt64.self)
    supplies = try TravellingAssets(from: &reader)
    credited = try TravellingAssets(from: &reader)
    debited = try TravellingAssets(from: &reader)
    cleanStored = try reader.read(Energy.self)
    energyHeld = try reader.read(Energy.self)
    guard supplies.money >= 0, supplies.tsl >= 0, supplies.ect >= 0, cleanStored >= .zero,
      energyHeld >= .zero
    else { throw .malformed }
    for asset in TravellingAssets<Int128>.assets {
      guard credited[asset].magnitude < Self.bound, debited[asset].magnitude < Self.bound else {
        throw .malformed
      }
    }
  }
}

package struct TransferOut: Hashable, Sendable {
  package var grid: ChainID
  package var account: AccountID
  /// Money, TSL or ECT.
  package var asset: Asset
  /// 1...Limits.amount.
  package var amount: Int64
  /// The last height of the backbone at which it may be executed.
  package var deadline: UInt64
  /// Who gets the refund, if the backbone does not execute it.
  package var sender: AccountID

  package init(
    grid: ChainID, account: AccountID, asset: Asset, amount: Int64, deadline: UInt64,
    sender: AccountID
  ) {
    self.grid = grid
    self.account = account
    self.asset = asset
    self.amount = amount
    self.deadline = deadline
    self.sender = sender
  }
}

package struct TransferIn: Hashable, Sendable {
  /// The chain that it comes from; the backbone's own id for one of its accounts.
  package var origin: ChainID
  package var sender: AccountID
  package var account: AccountID
  /// Money, TSL or ECT.
  package var asset: Asset
  /// 1...Limits.amount.
  package var amount: Int64

  package init(
    origin: ChainID, sender: AccountID, account: AccountID, asset: Asset, amount: Int64
  ) {
    self.origin = origin
    self.sender = sender
    self.account = account
    self.asset = asset
    self.amount = amount
  }
}

/// What a grid is told of its bid.
package enum CouplingAnswer: Hashable, Sendable {
  /// The grid's price, what its members bought and sold in all (Wh, 0 and more), and what its
  /// reserve got for it, below zero what it paid. No price when nobody bid within reach.
  case cleared(price: Price?, bought: Int64, sold: Int64, money: Money)
  case notIncluded(PacketReason)
}
