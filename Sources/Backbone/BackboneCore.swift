import Domain

/// The chain between the grids: who they are, what backs their supplies, what they send each
/// other, the coupling rounds, and what clean energy earns.
///
/// Pure: the same packets, commands and rounds give the same answers on every replica. A block is
/// `begin`, the rounds that are due (`close`), what came in (`receive`, `apply`), `takeOutbox`.
package struct BackboneCore: Sendable {
  package let genesis: BackboneGenesis
  /// The chain's id: the digest of the genesis.
  package let chain: ChainID
  var grids = GridTable()
  /// By number, ascending.
  package internal(set) var lines: [Interconnector] = []
  /// By id, ascending.
  package internal(set) var accounts: [BackboneAccount] = []
  /// In the order in which they came.
  package internal(set) var withdrawals: [PendingWithdrawal] = []
  /// Bids that wait for their round, by round and grid, ascending.
  package internal(set) var bids: [OpenBid] = []

  /// Of the block that is executed, or was last.
  package internal(set) var height: UInt64 = 0
  package internal(set) var time: Timestamp
  /// TSL that no grid has.
  package internal(set) var treasury = StorageTokens(Limits.storageTokens)
  /// Money that the gateway has ever issued, and paid out.
  package internal(set) var issued: Int128 = 0
  package internal(set) var withdrawn: Int128 = 0
  /// What the roundings of coupling rounds have left.
  package internal(set) var fund: Money = .zero
  /// Clean energy that was rewarded, in all grids.
  package internal(set) var cleanTotal: Energy = .zero
  /// No bid for this round or an earlier one is taken.
  package internal(set) var lastClosed: Interval
  var nextWithdrawal: UInt64 = 1
  /// What this block has sent so far, and how many packets its entries may send.
  var outbox: [Packet] = []
  private var room = Limits.packetsPerBlock

  /// The state at genesis: no grid, no line, no money, and all TSL in the treasury. Throws
  /// `malformed` for a genesis with faults.
  package init(_ genesis: BackboneGenesis) throws(Rejection) {
    guard genesis.faults.isEmpty else { throw .malformed }
    self.genesis = genesis
    chain = genesis.chainID
    time = Timestamp(seconds: genesis.calendar.origin)
    lastClosed = genesis.calendar.firstInterval.advanced(by: -1)
    for role in genesis.roles.all { _ = try account(opening: role) }
  }

  // MARK: Reads

  /// In the order of their registration.
  package var gridRecords: [GridRecord] { grids.all }

  package func grid(_ id: ChainID) -> GridRecord? { grids.place(of: id).map { grids[$0] } }

  package func line(_ id: UInt64) -> Interconnector? {
    let place = place(ofLine: id)
    return place < lines.count && lines[place].id == id ? lines[place] : nil
  }

  package func account(_ id: AccountID) -> BackboneAccount? {
    let place = place(ofAccount: id)
    return place < accounts.count && accounts[place].id == id ? accounts[place] : nil
  }

  // MARK: A block

  /// The beginning of a block, whose entries may send `room` packets. What the block itself has to
  /// say, results of rounds and news of validators, is sent all the same. Throws
  /// when it does not come after the one before.
  package mutating func begin(
    height: UInt64, time: Timestamp, room: Int = Limits.packetsPerBlock
  ) throws(InvariantViolation) {
    guard height > self.height, time >= self.time, outbox.isEmpty else {
      throw InvariantViolation("backbone: block \(height) after \(self.height)")
    }
    self.height = height
    self.time = time
    self.room = room
  }

  /// The end of a block: the packets that it sends, in order.
  package mutating func takeOutbox() -> [Packet] {
    defer { outbox = [] }
    return outbox
  }

  /// Whether an entry of this block may send so many packets more.
  func hasRoomToSend(_ packets: Int) -> Bool {
    outbox.count + packets <= room
  }

  /// Appends a packet to the outbox. Value that it brings is booked by the caller.
  mutating func send(_ content: PacketContent, to place: Int) {
    grids[place].sent += 1
    let record = grids[place]
    outbox.append(
      Packet(
        source: chain, destination: record.grid, sequence: record.sent,
        acknowledged: record.received, content: content))
  }

  /// Tells every grid who validates the backbone from `epoch` on. A grid verifies the first header
  /// of an epoch by the acceptances that began it; this packet says the same within the lane.
  package mutating func announce(epoch: UInt64, validators: [PublicKey]) {
    for place in grids.indices where !grids[place].isFrozen {
      send(.validators(epoch: epoch, validators), to: place)
    }
  }

  /// A grid's validators have changed, as the pipeline has verified by their acceptances. False
  /// when it is not the epoch after the present one.
  package mutating func adopt(
    _ validators: [PublicKey], epoch: UInt64, of grid: ChainID
  ) -> Bool {
    guard let place = grids.place(of: grid), !grids[place].isFrozen,
      epoch == grids[place].epoch + 1, (try? ValidatorSet.validate(validators)) != nil
    else { return false }
    grids[place].epoch = epoch
    grids[place].validators = validators
    // At the same heights the old validators may have blocks that are final and void.
    grids[place].headers = []
    return true
  }

  // MARK: Tables

  func place(ofLine id: UInt64) -> Int { lowerBound(lines.count) { lines[$0].id < id } }

  func place(ofAccount id: AccountID) -> Int {
    lowerBound(accounts.count) { accounts[$0].id < id }
  }

  /// The place of an account, opened if need be. Throws `limitExceeded`.
  mutating func account(opening id: AccountID) throws(Rejection) -> Int {
    let place = place(ofAccount: id)
    if place < accounts.count, accounts[place].id == id { return place }
    guard accounts.count < BackboneLimits.accounts else { throw .limitExceeded }
    accounts.insert(BackboneAccount(id: id), at: place)
    return place
  }

  /// Throws `limitExceeded`, or `duplicate` for a grid that is there.
  mutating func enter(_ registration: GridRegistration) throws(Rejection) {
    guard grids.count < BackboneLimits.grids else { throw .limitExceeded }
    guard grids.place(of: registration.grid) == nil else { throw .duplicate }
    grids.append(GridRecord(registration, at: height, time: time))
  }

  /// Throws, before any effect, `unknownObject` for a grid that is not registered,
  /// `limitExceeded`, `duplicate` for a number that belongs to a line between other grids: the ends
  /// of a line never change. Both ends are told of another fee than a known line had.
  mutating func put(_ line: Interconnector) throws(Rejection) {
    guard grids.place(of: line.from) != nil, grids.place(of: line.to) != nil else {
      throw .unknownObject
    }
    let place = place(ofLine: line.id)
    let isKnown = place < lines.count && lines[place].id == line.id
    guard isKnown || lines.count < BackboneLimits.lines else { throw .limitExceeded }
    if isKnown, lines[place].from != line.from || lines[place].to != line.to {
      throw .duplicate
    }
    let hasNewFee = isKnown && lines[place].fee != line.fee
    guard !hasNewFee || hasRoomToSend(2) else { throw .limitExceeded }
    _ = try account(opening: line.owner)
    if isKnown { lines[place] = line } else { lines.insert(line, at: place) }
    if hasNewFee { tellFee(of: line) }
  }

  /// Tells both grids at a line's ends what it costs.
  mutating func tellFee(of line: Interconnector) {
    for end in [line.from, line.to] {
      guard let grid = grids.place(of: end), !grids[grid].isFrozen else { continue }
      send(.wheeling(line: line.id, fee: line.fee), to: grid)
    }
  }
}

/// The first of `count` places for which `isBefore` no longer holds.
func lowerBound(_ count: Int, _ isBefore: (Int) -> Bool) -> Int {
  var low = 0
  var high = count
  while low < high {
    let middle = (low + high) / 2
    if isBefore(middle) { low = middle + 1 } else { high = middle }
  }
  return low
}

/// An account on the backbone: of a role, of a validator, or of who owns an interconnector.
package struct BackboneAccount: Hashable, Sendable {
  package let id: AccountID
  /// 0 or more.
  package internal(set) var money: Money = .zero
  /// Sequences of the commands that it has signed.
  package internal(set) var window = SequenceWindow()
}

/// Money that has left a grid's reserve and that the gateway has not paid out.
package struct PendingWithdrawal: Hashable, Sendable {
  /// From 1, in the order in which they came.
  package let id: UInt64
  package let grid: ChainID
  package let account: AccountID
  package let amount: Money
}

/// A bid that waits for its round.
package struct OpenBid: Hashable, Sendable {
  package let round: Interval
  package let grid: ChainID
  /// The most that it can cost.
  package let cost: Money
  /// As the grid sent it.
  package let steps: [UInt8]
}
