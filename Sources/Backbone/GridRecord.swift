import Domain

/// A final block of a grid, as the pipeline has verified it.
package struct ProvenHeader: Hashable, Sendable {
  package var height: UInt64
  package var hash: Digest

  package init(height: UInt64, hash: Digest) {
    self.height = height
    self.hash = hash
  }
}

/// Two final blocks of one grid at one height: who signed both signed two histories.
package struct Conflict: Hashable, Sendable {
  package var height: UInt64
  /// The lower digest.
  package var first: Digest
  package var second: Digest
  /// The backbone's block that has the proofs of both, or of the second.
  package var shownAt: UInt64
}

/// What the backbone keeps of a grid.
package struct GridRecord: Hashable, Sendable {
  package let grid: ChainID
  /// For people; nothing but its bytes is ever looked at.
  package let name: String
  package let `operator`: AccountID
  /// Height of the backbone at which it was registered.
  package let registeredAt: UInt64
  package internal(set) var epoch: UInt64 = 1
  package internal(set) var validators: [PublicKey]
  /// Set once, for ever: the lane is frozen.
  package internal(set) var conflict: Conflict?

  /// The last packet of the grid that was executed; 0 for none.
  package internal(set) var received: UInt64 = 0
  /// The last packet that was sent to the grid; 0 for none.
  package internal(set) var sent: UInt64 = 0
  /// The last of these that was a `void`.
  var lastVoid: UInt64 = 0

  /// What backs the grid's supplies, and the packets under way from and to it.
  package internal(set) var reserve = TravellingAssets<Int64>()
  /// What packets to the grid have brought, payments in coupling rounds deducted.
  var credited = TravellingAssets<Int128>()
  /// What executed packets of the grid have taken; what was voided does not count.
  var debited = TravellingAssets<Int128>()
  /// Its withdrawals that the gateway has not paid out. They are counted in a table of their own,
  /// so this figure is no part of the grid's bytes.
  var withdrawalsWaiting = 0

  /// The last one that was taken.
  package internal(set) var checkpoint: Checkpoint?
  /// The newest proven headers and checkpoints, by height, ascending.
  package internal(set) var headers: [ProvenHeader] = []

  /// Clean generation that the operator has rated the grid at, mW.
  package internal(set) var cleanPower: Power = .zero
  /// Clean energy that this power could have given since, and that was not counted yet.
  package internal(set) var cleanAllowance: Energy = .zero
  /// Until when the allowance is reckoned, Unix seconds.
  var cleanReckoned: Int64
  /// Clean energy that was rewarded.
  package internal(set) var cleanCounted: Energy = .zero

  /// The last round that the grid has bid in, whatever became of the bid.
  package internal(set) var lastBid: Interval?
  /// It had no bid in the round that was closed last, so that no round waits for it.
  package internal(set) var hasMissed = false
  /// The round in which its bid waits for the result.
  package internal(set) var openRound: Interval?
  /// Money of the reserve that this bid may cost.
  package internal(set) var cover: Money = .zero
  /// Wh that left the grid in all rounds, less what came.
  package internal(set) var exported: Int128 = 0

  init(_ registration: GridRegistration, at height: UInt64, time: Timestamp) {
    grid = registration.grid
    name = registration.name
    self.operator = registration.operator
    validators = registration.validators
    registeredAt = height
    cleanReckoned = time.seconds
  }

  package var isFrozen: Bool { conflict != nil }

  /// What the reserve has beyond the cover of the open bid.
  package func free(_ asset: Asset) -> Int64 {
    asset == .money ? reserve.money - cover.raw : reserve[asset]
  }

  /// The block that the next checkpoint has to name as the one before.
  package var latest: ProvenHeader {
    checkpoint.map { ProvenHeader(height: $0.height, hash: $0.hash) }
      ?? ProvenHeader(height: 0, hash: grid)
  }

  /// Moves the reserve by a packet to the grid. The sums are bounded by what exists.
  mutating func credit(_ asset: Asset, _ amount: Int64) {
    reserve[asset] += amount
    credited[asset] += Int128(amount)
  }

  /// Moves the reserve by a packet of the grid, which has so much free.
  mutating func debit(_ asset: Asset, _ amount: Int64) {
    reserve[asset] -= amount
    debited[asset] += Int128(amount)
  }

  /// Adds what the rated power could have given until `time`.
  mutating func reckonClean(until time: Timestamp) {
    let seconds = Int128(max(time.seconds - cleanReckoned, 0))
    let energy = Int128(cleanPower.raw) * seconds / 3600 + Int128(cleanAllowance.raw)
    cleanAllowance = Energy(Int64(clamping: energy))
    cleanReckoned = max(time.seconds, cleanReckoned)
  }
}

/// The grids in the order of their registration. Changing one forgets its bytes, and no other's.
struct GridTable: Hashable, Sendable {
  private var records: [GridRecord] = []
  /// The records in canonical bytes, until they change.
  var chunks: [StateChunk?] = []
  private var places: [ChainID: Int] = [:]

  var count: Int { records.count }
  var indices: Range<Int> { records.indices }
  var all: [GridRecord] { records }

  func place(of grid: ChainID) -> Int? { places[grid] }

  subscript(place: Int) -> GridRecord {
    get { records[place] }
    _modify {
      chunks[place] = nil
      yield &records[place]
    }
  }

  mutating func append(_ record: GridRecord) {
    places[record.grid] = records.count
    records.append(record)
    chunks.append(nil)
  }

  static func == (a: Self, b: Self) -> Bool { a.records == b.records }
  func hash(into hasher: inout Hasher) { hasher.combine(records) }
}
