import Domain

/// Who placed an order that rests in the book.
package enum OrderOrigin: UInt8, Sendable, CaseIterable {
  /// A command of the account's holder.
  case member = 1
  /// The account's agent, at a close; lives until the next close.
  case agent = 2
  /// The market maker, at a close; lives until the next close.
  case marketMaker = 3
}

/// "No slot" and "no level" in links and answers, which count from 0.
package let noSlot: Int32 = -1

/// An order in the book, in a slot of the pool. Links are slots, or `noSlot`.
struct RestingOrder: Sendable {
  var id: UInt64
  /// Last interval of its life; `RestingOrder.forever` when good till cancelled.
  var expires: Int64
  /// `remaining` and `executable`, narrow because a million orders may rest.
  private var narrowRemaining: Int32
  private var narrowExecutable: Int32
  private var narrowFrozen: Int32 = 0
  var account: UInt32
  var level: Int32 = noSlot
  /// Neighbours among the executable orders of the level, in order of time; unused (`noSlot`)
  /// while nothing of the order is executable. A free slot links to the next free one by `next`.
  var previous: Int32 = noSlot
  var next: Int32 = noSlot
  /// Neighbours among the account's orders of this side, in order of time.
  var older: Int32 = noSlot
  var younger: Int32 = noSlot
  var side: Side
  var origin: OrderOrigin

  static let forever = Int64.max

  /// A new order: nothing of it is executable, it is in no level or list yet.
  init(
    id: UInt64, account: UInt32, side: Side, remaining: Int64, expires: Int64, origin: OrderOrigin
  ) {
    self.id = id
    self.account = account
    self.side = side
    self.expires = expires
    self.origin = origin
    narrowRemaining = Int32(truncatingIfNeeded: remaining)
    narrowExecutable = 0
  }

  /// Wh that have not traded, frozen ones included, 1...Limits.orderWattHours; 0 in a free slot.
  var remaining: Int64 {
    get { Int64(narrowRemaining) }
    set { narrowRemaining = Int32(truncatingIfNeeded: newValue) }
  }

  /// Wh of `remaining` for which the account has energy or headroom set aside. What is neither
  /// executable nor frozen is dormant.
  var executable: Int64 {
    get { Int64(narrowExecutable) }
    set { narrowExecutable = Int32(truncatingIfNeeded: newValue) }
  }

  /// Wh of `remaining` that are in a coupling round and wait for its result.
  var frozen: Int64 {
    get { Int64(narrowFrozen) }
    set { narrowFrozen = Int32(truncatingIfNeeded: newValue) }
  }

  /// Wh that are the book's to match: all but the frozen ones.
  var free: Int64 { remaining - frozen }

  var dormant: Int64 { free - executable }

  var timeInForce: TimeInForce {
    expires == Self.forever ? .goodTillCancelled : .goodTillInterval(Interval(expires))
  }
}

/// All orders of one side at one price.
struct PriceLevel: Sendable {
  var price: Int64
  /// Sum of the orders' remaining Wh, dormant and frozen parts included.
  var wattHours: Int64 = 0
  /// Sum of the orders' executable Wh.
  var executable: Int64 = 0
  /// µ¤ that each Wh of a buy order at this price holds; 0 for sells.
  var perWattHour: Int64
  /// Orders at this price, dormant ones included.
  var orders: Int32 = 0
  /// Oldest and youngest order with an executable part. A free level links to the next free one
  /// by `first`.
  var first: Int32 = noSlot
  var last: Int32 = noSlot
  /// Where an order was last put between others, so that the next one is found from there.
  var finger: Int32 = noSlot
  var side: Side

  /// Whether it is in the book, for this side and price.
  func isLive(_ side: Side, _ price: Int64) -> Bool {
    self.price == price && orders > 0 && self.side.isBuy == side.isBuy
  }
}

/// What the book keeps for one side of one account.
///
/// Between two stages the account's energy (for sells) or headroom (for buys) is set aside for
/// its orders oldest first: all orders older than `firstDormant` are wholly executable, it is
/// so in part or not at all, and all that are younger are dormant.
struct AccountSide: Sendable {
  /// Sum of the orders' remaining Wh, without frozen ones.
  var total: Int64 = 0
  /// Sum of the orders' executable Wh.
  var allocated: Int64 = 0
  var oldest: Int32 = noSlot
  var youngest: Int32 = noSlot
  /// Oldest order with a dormant part.
  var firstDormant: Int32 = noSlot
  var count: Int32 = 0
  /// Waits in the queue of wakes.
  var isQueued = false
}

extension Side {
  /// As `== .buy`, without the detour over the raw value that the compiler takes for the
  /// comparison of another module's enum.
  var isBuy: Bool {
    switch self {
    case .buy: true
    case .sell: false
    }
  }

  var other: Side { isBuy ? .sell : .buy }

  /// 0 for buys, 1 for sells: the place of the side in arrays.
  var index: Int { isBuy ? 0 : 1 }

  /// Orders prices so that the best for the other side is the largest key.
  func key(_ price: Int64) -> Int64 { isBuy ? price : -price }
}
