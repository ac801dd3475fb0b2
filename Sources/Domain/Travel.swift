// What the grid's ledger and its lane to the backbone hand each other. Neither sees the other.

/// Lane → Ledger.hold: what a block can still send of transfers and withdrawals.
package struct LaneRoom: Hashable, Sendable {
  /// The sequence of the next packet.
  package var next: UInt64
  /// How many more fit, 0 or more.
  package var packets: Int
  /// How many each account has under way; those that have none are left out.
  package var underWay: [AccountID: Int]
  /// How many one account may have.
  package var perAccount: Int
  /// The backbone has frozen the grid.
  package var isStopped: Bool

  package init(
    next: UInt64, packets: Int, underWay: [AccountID: Int] = [:], perAccount: Int = .max,
    isStopped: Bool = false
  ) {
    self.next = next
    self.packets = packets
    self.underWay = underWay
    self.perAccount = perAccount
    self.isStopped = isStopped
  }
}

/// Ledger.hold → Lane: what was debited to travel to another chain.
package struct Departure: Hashable, Sendable {
  package enum Cargo: Hashable, Sendable {
    case transfer(TransferOut)
    /// Money for the backbone's gateway.
    case withdrawal(from: AccountID, amount: Money)
  }

  package var entry: Int
  /// Of the packet that carries it.
  package var sequence: UInt64
  package var cargo: Cargo

  package init(entry: Int, sequence: UInt64, cargo: Cargo) {
    self.entry = entry
    self.sequence = sequence
    self.cargo = cargo
  }
}

/// Lane → Ledger: what an executed packet of the backbone has brought. It cannot be refused.
package enum Arrival: Hashable, Sendable {
  case credit(TravelCredit)
  /// ECT for the clean energy that the grid has stored up to this interval.
  case reward([TokenShare], interval: Interval, entry: UInt32?)
}

/// A balance that a packet of the backbone has brought, or brought back.
package struct TravelCredit: Hashable, Sendable {
  /// A key that was never seen becomes an account.
  package var account: AccountID
  /// Money, TSL or ECT.
  package var asset: Asset
  /// 1...Limits.amount.
  package var amount: Int64
  /// `issued`, `receivedFromAbroad` or `refunded`.
  package var kind: HistoryKind
  /// The packet that brought it; of a refund, the packet that had taken it.
  package var packet: UInt64
  /// Place in the block of the delivery that had the packet.
  package var entry: UInt32?

  package init(
    account: AccountID, asset: Asset, amount: Int64, kind: HistoryKind, packet: UInt64,
    entry: UInt32? = nil
  ) {
    self.account = account
    self.asset = asset
    self.amount = amount
    self.kind = kind
    self.packet = packet
    self.entry = entry
  }
}
