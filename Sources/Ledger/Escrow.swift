import Domain

/// What an open coupling round holds of the accounts' energy, beside their balances: part of the
/// supply, and for nothing else until the result. The money of buys is in the accounts' holds.
struct Escrow: Hashable, Sendable {
  /// One account's part; not all zero.
  struct Part: Hashable, Sendable {
    /// Offered by its orders: trades, or becomes its holder's again.
    var orders: Energy = .zero
    /// Overflow, which leaves in any case: to another grid or to the utility.
    var overflow: Energy = .zero
    /// Room below B_max for what its buys may bring.
    var headroom: Energy = .zero

    var isEmpty: Bool { self == Part() }
  }

  let interval: Interval
  /// By account; looked up, or walked in ascending order.
  private var parts: [AccountIndex: Part] = [:]
  /// Of all parts: what orders offer, and that with the overflows.
  private(set) var ordersEnergy: Energy = .zero
  private(set) var energy: Energy = .zero

  init(interval: Interval) { self.interval = interval }

  subscript(account: AccountIndex) -> Part { parts[account] ?? Part() }

  var accounts: [AccountIndex] { parts.keys.sorted() }

  /// What may come back to the account, or be bought for it: B_max less this is left to it.
  func reserved(by account: AccountIndex) -> Energy {
    guard let part = parts[account] else { return .zero }
    return part.orders + part.headroom
  }

  /// Adds to what an account has here, below zero takes off it. Throws when that is not there.
  mutating func change(
    _ account: AccountIndex, orders: Energy = .zero, overflow: Energy = .zero,
    headroom: Energy = .zero
  ) throws(InvariantViolation) {
    var part = self[account]
    part.orders += orders
    part.overflow += overflow
    part.headroom += headroom
    guard part.orders >= .zero, part.overflow >= .zero, part.headroom >= .zero else {
      throw InvariantViolation(
        "account \(account.raw) has less in the round of \(interval.index) than is taken")
    }
    ordersEnergy += orders
    energy += orders + overflow
    parts[account] = part.isEmpty ? nil : part
  }

  // MARK: Canonical bytes

  private static let chunkName = "ledger/escrow"

  /// Interval, then by account: index, energy of orders, of overflow, headroom.
  var chunk: StateChunk {
    var writer = CanonicalWriter(capacity: 12 + parts.count * 28)
    writer.write(interval)
    writer.write(UInt32(parts.count))
    for account in accounts {
      let part = self[account]
      writer.write(account)
      writer.write(part.orders)
      writer.write(part.overflow)
      writer.write(part.headroom)
    }
    return StateChunk(name: Self.chunkName, bytes: writer.bytes)
  }

  /// Throws `malformed` for anything that no ledger of so many accounts gives.
  init(_ chunk: StateChunk, accounts: Int) throws(Rejection) {
    guard chunk.name == Self.chunkName else { throw .malformed }
    var reader = CanonicalReader(chunk.bytes)
    interval = try reader.readInterval()
    var last: AccountIndex?
    for _ in 0..<(try reader.readCount(elementSize: 28)) {
      let account = try reader.readAccount()
      let part = Part(
        orders: try reader.read(), overflow: try reader.read(), headroom: try reader.read())
      let amounts = 0...Limits.amount
      guard last.map({ $0 < account }) ?? true, account.int < accounts, !part.isEmpty,
        amounts.contains(part.orders.raw), amounts.contains(part.overflow.raw),
        amounts.contains(part.headroom.raw)
      else { throw .malformed }
      last = account
      parts[account] = part
      ordersEnergy = try ordersEnergy.plus(part.orders)
      energy = try energy.plus(part.orders).plus(part.overflow)
    }
    try reader.finish()
  }
}
