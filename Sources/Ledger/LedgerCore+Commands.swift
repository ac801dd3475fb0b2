import Domain

extension LedgerCore {
  // MARK: What the ledger does by itself

  mutating func transfer(
    _ asset: Asset, _ amount: Int64, to receiver: AccountID, _ by: Admitted
  ) throws(Rejection) {
    try checkRoom(for: receiver)
    if asset == .watt {
      let room = indexes[receiver].map { self.room(for: $0) } ?? terms.maximumHeld
      guard !isSystem(receiver), amount <= room.raw else {
        throw .limitExceeded
      }
    }
    let from = by.signer
    guard accounts[from.int].free(asset) >= amount else { throw .insufficientFunds }
    let to = try open(receiver)
    var sent = HistoryLine(
      from, .transferOut, reference: by.sequence, entry: by.place, counterparty: to)
    var received = HistoryLine(
      to, .transferIn, reference: by.sequence, entry: by.place, counterparty: from)
    sent.add(-amount, of: asset)
    received.add(amount, of: asset)
    history.append(sent)
    history.append(received)
    switch asset {
    case .watt:
      accounts[from.int].watt -= Energy(amount)
      accounts[to.int].watt += Energy(amount)
      touchEnergy(from)
      touchEnergy(to)
    case .money:
      accounts[from.int].money -= Money(amount)
      credit(Money(amount), to: to, entry: by.place)
    case .tsl:
      accounts[from.int].tsl -= StorageTokens(amount)
      accounts[to.int].tsl += StorageTokens(amount)
    case .ect:
      accounts[from.int].ect -= RewardTokens(amount)
      accounts[to.int].ect += RewardTokens(amount)
    }
    touch(from)
    touch(to)
  }

  mutating func admitMember(_ id: AccountID, _ by: Admitted) throws(Rejection) {
    try checkRoom(for: id)
    if let index = indexes[id], accounts[index.int].isMember { throw .duplicate }
    let member = try open(id)
    accounts[member.int].isMember = true
    touch(member)
    let grant = terms.educationGrant
    let fund = Self.educationFund
    guard grant.raw > 0, accounts[fund.int].tsl >= grant else { return }
    accounts[fund.int].tsl -= grant
    accounts[member.int].tsl += grant
    touch(fund)
    record(
      fund, .granted, reference: by.sequence, entry: by.place, counterparty: member, tsl: -grant)
    record(
      member, .granted, reference: by.sequence, entry: by.place, counterparty: fund, tsl: grant)
  }

  mutating func issue(_ amount: Money, to receiver: AccountID, _ by: Admitted)
    throws(Rejection)
  {
    try checkRoom(for: receiver)
    guard amount.raw <= Limits.amount - totals[.money] else { throw .limitExceeded }
    try changeMoneySupply(by: amount)
    let to = try open(receiver)
    record(
      to, .issued, reference: by.sequence, entry: by.place, counterparty: by.signer,
      money: amount)
    credit(amount, to: to, entry: by.place)
  }

  mutating func redeem(_ amount: Money, _ by: Admitted) throws(Rejection) {
    guard accounts[by.signer.int].money >= amount else { throw .insufficientFunds }
    try changeMoneySupply(by: -amount)
    accounts[by.signer.int].money -= amount
    record(
      by.signer, .redeemed, reference: by.sequence, entry: by.place, money: -amount)
  }

  /// The gateway's leg, and the supply; amounts are bounded by `Limits.amount`.
  private mutating func changeMoneySupply(by amount: Money) throws(Rejection) {
    var next = totals
    do throws(InvariantViolation) {
      try next.count(amount.raw, of: .money)
      try next.count(amount.raw, from: .gateway)
    } catch {
      throw .overflow
    }
    totals = next
  }

  // MARK: What is held for the book to decide

  /// What a new order holds: of a buyer the whole of `BuyHold`, of a seller nothing.
  mutating func holdWhole(_ request: OrderRequest, of index: AccountIndex)
    throws(Rejection) -> Money
  {
    guard request.side == .buy else { return .zero }
    let amount = try BuyHold.amount(
      wattHours: request.wattHours, limit: request.limit, feePermille: terms.feePermille)
    guard accounts[index.int].money >= amount else { throw .insufficientFunds }
    guard accounts[index.int].arrears.raw == 0 else { throw .arrears }
    hold(amount, of: index)
    return amount
  }

  /// What a replaced order holds in the meantime. The side is the book's to know, so a seller's
  /// money is held too until the book has decided, in the same block.
  mutating func holdUpTo(wattHours: Int64, limit: Price, of index: AccountIndex)
    throws(Rejection) -> Money
  {
    let whole = try BuyHold.amount(
      wattHours: wattHours, limit: limit, feePermille: terms.feePermille)
    guard accounts[index.int].arrears.raw == 0 else { return .zero }
    let amount = min(whole, accounts[index.int].money)
    hold(amount, of: index)
    return amount
  }

  /// From free to held; no more than is free.
  mutating func hold(_ amount: Money, of index: AccountIndex) {
    accounts[index.int].money -= amount
    accounts[index.int].heldMoney += amount
    touch(index)
  }
}

extension Account {
  /// What may be given away, in the asset's smallest unit.
  func free(_ asset: Asset) -> Int64 {
    switch asset {
    case .watt: watt.raw
    case .money: money.raw
    case .tsl: tsl.raw
    case .ect: ect.raw
    }
  }
}

extension HistoryLine {
  mutating func add(_ amount: Int64, of asset: Asset) {
    switch asset {
    case .watt: watt.raw += amount
    case .money: money.raw += amount
    case .tsl: tsl.raw += amount
    case .ect: ect.raw += amount
    }
  }
}
