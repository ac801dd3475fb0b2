import Domain

/// A grid's end of its lane to the backbone: what it has sent, what it has executed, which
/// transfers are under way, and the one bid that waits for its result.
///
/// Pure, as the backbone's core is, and in its module, because the two are one protocol: what the
/// one sends the other executes. The grid's ledger owns the balances. It debits before `transfer`,
/// `withdraw` and `bid`, and does what `receive` says, in the same change of its state.
package struct GridLane: Hashable, Sendable {
  package let grid: ChainID
  package let backbone: ChainID

  /// The last packet that was sent; 0 for none.
  package internal(set) var sent: UInt64 = 0
  /// The last packet of the backbone that was executed; 0 for none.
  package internal(set) var received: UInt64 = 0
  /// The last packet that the backbone has said it executed.
  package internal(set) var acknowledged: UInt64 = 0
  /// Transfers and withdrawals that the backbone has not answered, by sequence, ascending.
  package var underWay: [UnderWay] { journeys.entries }
  var journeys = UnderWayTable()

  /// What packets of the backbone have brought, payments in coupling rounds deducted. Less
  /// `debited`, it is the grid's supply.
  package internal(set) var credited = TravellingAssets<Int128>()
  /// What packets to the backbone have taken, less what was refunded.
  package internal(set) var debited = TravellingAssets<Int128>()

  /// Whether the backbone has frozen the grid, for it has signed two histories: nothing is sent any
  /// more, and nothing is answered.
  package internal(set) var isStopped = false
  /// The bid that waits for its result.
  package internal(set) var openBid: LaneBid?
  /// The last round in which the grid has bid.
  package internal(set) var lastRound: Interval?
  /// The block that the last checkpoint named; the genesis before the first.
  package internal(set) var checkpointed: ProvenHeader
  /// Who validates the backbone.
  package internal(set) var epoch: UInt64 = 1
  package internal(set) var validators: [PublicKey]
  /// What this block has sent so far, and how many packets its entries may send. A bid and a
  /// checkpoint, one a block at most, are sent all the same.
  var outbox: [Packet] = []
  package var blockRoom = Limits.packetsPerBlock

  /// At the grid's genesis. `validators` are those of the backbone's first epoch.
  package init(grid: ChainID, backbone: ChainID, validators: [PublicKey]) {
    self.grid = grid
    self.backbone = backbone
    self.validators = validators
    checkpointed = ProvenHeader(height: 0, hash: grid)
  }

  /// What the grid's accounts have together of a travelling asset, as the lane has to see it.
  package func supply(of asset: Asset) -> Int128 { credited[asset] - debited[asset] }

  /// The end of a block: the packets that it sends, in order.
  package mutating func takeOutbox() -> [Packet] {
    defer { outbox = [] }
    return outbox
  }

  // MARK: What the grid sends

  /// A member's transfer, already debited. Returns its sequence, by which a refund names it.
  /// Throws, before any effect, `malformed` for an amount out of range or WATT, `unknownObject`
  /// when the grid is frozen, `limitExceeded` when too many are under way, of the grid or of this
  /// account.
  package mutating func transfer(_ transfer: TransferOut) throws(Rejection) -> UInt64 {
    guard transfer.asset != .watt, (1...Limits.amount).contains(transfer.amount) else {
      throw .malformed
    }
    let item = UnderWay.Item(
      account: transfer.sender, asset: transfer.asset, amount: transfer.amount)
    return try dispatch(item, .transferOut(transfer))
  }

  /// A member's money for the gateway, already debited. As `transfer`.
  package mutating func withdraw(
    _ amount: Money, from account: AccountID
  ) throws(Rejection) -> UInt64 {
    guard (1...Limits.amount).contains(amount.raw) else { throw .malformed }
    let item = UnderWay.Item(account: account, asset: .money, amount: amount.raw)
    return try dispatch(item, .withdrawal(from: account, amount: amount))
  }

  /// What the grid offers in a round. `hold` is the ledger's number for all that it holds for this
  /// bid; the result names it again, once. Throws `malformed` for steps that do not fit,
  /// `duplicate` for a round that was bid in or passed, `limitExceeded` while an older bid waits,
  /// `unknownObject` when the grid is frozen.
  package mutating func bid(
    round: Interval, steps: [UInt8], hold: UInt64
  ) throws(Rejection) {
    guard (1...Limits.couplingBidBytes).contains(steps.count) else { throw .malformed }
    guard !isStopped else { throw .unknownObject }
    guard openBid == nil else { throw .limitExceeded }
    guard lastRound.map({ $0 < round }) ?? true else { throw .duplicate }
    let sequence = send(.bid(round: round, steps: steps))
    openBid = LaneBid(round: round, sequence: sequence, hold: hold)
    lastRound = round
  }

  /// Whether `bid` would take a bid in this round.
  package func canBid(in round: Interval) -> Bool {
    !isStopped && openBid == nil && lastRound.map { $0 < round } ?? true
  }

  /// What the grid is at a final block of its own, above the last one named. Throws `malformed` for
  /// figures that the lane's totals do not explain, `unknownObject` when the grid is frozen,
  /// `staleVersion` for a block that is not newer.
  package mutating func checkpoint(
    _ block: ProvenHeader, interval: Interval, supplies: TravellingAssets<Int64>,
    cleanStored: Energy, energyHeld: Energy
  ) throws(Rejection) {
    for asset in TravellingAssets<Int64>.assets {
      guard supplies[asset] >= 0, Int128(supplies[asset]) == supply(of: asset) else {
        throw .malformed
      }
    }
    guard cleanStored >= .zero, energyHeld >= .zero else { throw .malformed }
    guard !isStopped else { throw .unknownObject }
    guard block.height > checkpointed.height else { throw .staleVersion }
    _ = send(
      .checkpoint(
        Checkpoint(
          height: block.height, hash: block.hash, previousHeight: checkpointed.height,
          previousHash: checkpointed.hash, interval: interval, received: received,
          supplies: supplies, credited: credited, debited: debited, cleanStored: cleanStored,
          energyHeld: energyHeld)))
    checkpointed = block
  }

  /// Another set of validators of the backbone, whose acceptances were verified. False when it is
  /// not the epoch after the present one.
  package mutating func adopt(_ keys: [PublicKey], epoch: UInt64) -> Bool {
    guard epoch == self.epoch + 1, (try? ValidatorSet.validate(keys)) != nil else { return false }
    self.epoch = epoch
    validators = keys
    return true
  }

  private mutating func dispatch(
    _ item: UnderWay.Item, _ content: PacketContent
  ) throws(Rejection) -> UInt64 {
    guard !isStopped else { throw .unknownObject }
    guard room.packets > 0,
      journeys.counts[item.account, default: 0] < BackboneLimits.underWayPerAccount
    else { throw .limitExceeded }
    let sequence = send(content)
    debited[item.asset] += Int128(item.amount)
    journeys.append(UnderWay(sequence: sequence, item: item))
    return sequence
  }

  private mutating func send(_ content: PacketContent) -> UInt64 {
    sent += 1
    outbox.append(
      Packet(
        source: grid, destination: backbone, sequence: sent, acknowledged: received,
        content: content))
    return sent
  }
}

/// A transfer or withdrawal on its way to the backbone.
package struct UnderWay: Hashable, Sendable {
  package struct Item: Hashable, Sendable {
    /// Who was debited.
    package let account: AccountID
    package let asset: Asset
    package let amount: Int64
  }

  package let sequence: UInt64
  package let item: Item
}

/// What is under way, by sequence, ascending, and how much of it is each account's.
struct UnderWayTable: Hashable, Sendable {
  private(set) var entries: [UnderWay] = []
  /// By account; none that has nothing under way.
  private(set) var counts: [AccountID: Int] = [:]

  mutating func append(_ entry: UnderWay) {
    entries.append(entry)
    counts[entry.item.account, default: 0] += 1
  }

  mutating func remove(at place: Int) -> UnderWay {
    let removed = entries.remove(at: place)
    forget(removed)
    return removed
  }

  mutating func removeFirst(_ count: Int) {
    for entry in entries.prefix(count) { forget(entry) }
    entries.removeFirst(count)
  }

  private mutating func forget(_ entry: UnderWay) {
    let left = counts[entry.item.account, default: 0] - 1
    counts[entry.item.account] = left > 0 ? left : nil
  }
}

/// A bid that waits.
package struct LaneBid: Hashable, Sendable {
  package let round: Interval
  package let sequence: UInt64
  /// The ledger's number for what it holds.
  package let hold: UInt64
}
