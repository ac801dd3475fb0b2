import Domain

extension LedgerCore {
  // MARK: What leaves

  /// Debits what a command sends to another chain, and hands it on for the lane. On a grid of its
  /// own, or one that the backbone has frozen, there is no such object; nothing is debited that
  /// this block cannot send any more, or that would be more than one account may have under way.
  mutating func depart(
    _ body: CommandBody, _ by: Admitted, _ room: inout LaneRoom?, _ outcome: inout HoldOutcome
  ) throws(Rejection) {
    guard terms.hasBackbone, let cargo = body.cargo(from: accounts[by.signer.int].id) else {
      throw .unknownObject
    }
    guard room?.isStopped != true else { throw .unknownObject }
    let sender = accounts[by.signer.int].id
    // The room is not taken out of its place, where it can be changed without a copy.
    guard let next = room?.next, outcome.departures.count < room?.packets ?? 0,
      room?.underWay[sender] ?? 0 < room?.perAccount ?? 0
    else { throw .limitExceeded }
    let asset = cargo.asset
    guard accounts[by.signer.int].free(asset) >= cargo.amount else { throw .insufficientFunds }
    do throws(InvariantViolation) {
      try travel(asset, -cargo.amount, of: by.signer)
    } catch { throw .overflow }

    let sequence = next + UInt64(outcome.departures.count)
    room?.underWay[sender, default: 0] += 1
    var line = HistoryLine(by.signer, cargo.kind, reference: sequence, entry: by.place)
    line.add(-cargo.amount, of: asset)
    history.append(line)
    outcome.departures.append(Departure(entry: by.entry, sequence: sequence, cargo: cargo))
    outcome.receipts.append(PlacedReceipt(by.entry, Receipt(packet: sequence)))
  }

  // MARK: What arrives

  /// What executed packets of the backbone have brought, in their order.
  package mutating func receive(_ arrivals: [Arrival]) throws(InvariantViolation) {
    for arrival in arrivals {
      switch arrival {
      case .credit(let credited): try credit(credited)
      case .reward(let shares, let interval, let entry):
        try reward(shares, upTo: interval, entry: entry)
      }
    }
    try totals.check()
  }

  /// A key that was never seen becomes an account; when there are as many as may be, the network
  /// fund has the credit, since nothing that arrives may be lost or refused. Money pays arrears
  /// first, as every credit does.
  ///
  /// Throws when the supply leaves its bounds, which the backbone never does.
  private mutating func credit(_ credited: TravelCredit) throws(InvariantViolation) {
    guard terms.hasBackbone, (1...Limits.amount).contains(credited.amount) else {
      throw InvariantViolation("a packet brings \(credited.amount) of \(credited.asset)")
    }
    let to: AccountIndex
    do throws(Rejection) { to = try open(credited.account) } catch { to = Self.networkFund }
    var line = HistoryLine(to, credited.kind, reference: credited.packet, entry: credited.entry)
    line.add(credited.amount, of: credited.asset)
    history.append(line)
    try travel(credited.asset, credited.amount, of: to, entry: credited.entry)
  }

  private mutating func reward(
    _ shares: [TokenShare], upTo interval: Interval, entry: UInt32?
  ) throws(InvariantViolation) {
    for share in shares {
      guard terms.hasBackbone, share.account.int < accounts.count, share.amount > 0 else {
        throw InvariantViolation("account \(share.account.raw) cannot get \(share.amount) ECT")
      }
      try travel(.ect, share.amount, of: share.account)
      record(
        share.account, .rewarded, reference: UInt64(bitPattern: interval.index), entry: entry,
        ect: RewardTokens(share.amount))
    }
  }

  /// Moves a balance between an account and the chains beyond, below zero out. Throws, before any
  /// effect, when the supply leaves its bounds.
  private mutating func travel(
    _ asset: Asset, _ amount: Int64, of index: AccountIndex, entry: UInt32? = nil
  ) throws(InvariantViolation) {
    let (counter, bound): (Counter, Int64)
    switch asset {
    case .money: (counter, bound) = (.travelledMoney, Limits.amount)
    case .tsl: (counter, bound) = (.travelledTokens, Limits.storageTokens)
    case .ect: (counter, bound) = (.travelledRewards, Limits.amount)
    case .watt: throw InvariantViolation("energy does not travel")
    }
    var next = totals
    try next.count(amount, of: asset)
    try next.count(amount, from: counter)
    guard next[asset] <= bound else {
      throw InvariantViolation("packets bring more \(asset) than exists: \(next[asset])")
    }
    totals = next
    switch asset {
    case .money where amount > 0: credit(Money(amount), to: index, entry: entry)
    case .money: accounts[index.int].money += Money(amount)
    case .tsl: accounts[index.int].tsl += StorageTokens(amount)
    case .ect: accounts[index.int].ect += RewardTokens(amount)
    case .watt: break
    }
    touch(index)
  }
}

extension CommandBody {
  /// What this command sends to another chain; nil for one that sends nothing.
  fileprivate func cargo(from signer: AccountID) -> Departure.Cargo? {
    switch self {
    case .transferAbroad(let grid, let receiver, let asset, let amount, let deadline):
      .transfer(
        TransferOut(
          grid: grid, account: receiver, asset: asset, amount: amount, deadline: deadline,
          sender: signer))
    case .redeem(let amount): .withdrawal(from: signer, amount: amount)
    default: nil
    }
  }
}

extension Departure.Cargo {
  fileprivate var asset: Asset {
    switch self {
    case .transfer(let transfer): transfer.asset
    case .withdrawal: .money
    }
  }

  fileprivate var amount: Int64 {
    switch self {
    case .transfer(let transfer): transfer.amount
    case .withdrawal(_, let amount): amount.raw
    }
  }

  fileprivate var kind: HistoryKind {
    switch self {
    case .transfer: .sentAbroad
    case .withdrawal: .withdrawn
    }
  }
}
