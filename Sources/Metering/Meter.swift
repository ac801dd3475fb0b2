import Domain

/// A meter as the operator registered it. Its number is its place in the order of registration.
package struct Meter: Hashable, Sendable {
  package let id: MeterID
  package let account: AccountIndex
  /// Largest power in either direction, mW.
  package let maximumPower: Power
  /// Whether what it exports counts as clean energy.
  package let isClean: Bool
  /// The first interval that it takes part in: the one in which it was registered.
  package let first: Interval
  /// The first interval that was not closed yet when it was retired; nil in service.
  package internal(set) var retired: Interval?
  /// `maximumPower` × interval, mWh, rounded down.
  let maximumEnergy: UInt32
  /// Place of `account` among the accounts with meters.
  let ordinal: UInt32

  package var inService: Bool { retired == nil }

  /// Whether a silent close of `interval`, once closed, left the node's estimate for it.
  func isEstimated(at interval: Interval) -> Bool {
    guard first <= interval else { return false }
    guard let retired else { return true }
    return interval < retired
  }
}

/// All meters ever registered, dense, and the accounts that they belong to.
struct MeterRegistry: Sendable {
  let intervalSeconds: Int64
  private(set) var meters: ContiguousArray<Meter> = []
  private(set) var indexes: [MeterID: UInt32] = [:]
  /// Accounts with meters, in the order of their first registration.
  private(set) var accounts: ContiguousArray<AccountIndex> = []
  private(set) var ordinals: [AccountIndex: UInt32] = [:]
  /// Ordinals in ascending order of their accounts.
  private(set) var ascending: ContiguousArray<UInt32> = []
  /// The encoded registry and its digest, until the registry changes.
  private var encoded: StateChunk?

  init(intervalSeconds: Int64) { self.intervalSeconds = intervalSeconds }

  func index(of id: MeterID) -> Int? {
    guard let index = indexes[id] else { return nil }
    return Int(index)
  }

  /// Registers a meter from interval `first` on.
  ///
  /// Throws `malformed` for a power outside 1...Limits.meterPower, `limitExceeded` when the table
  /// is full or an interval's energy might not fit 32 bits of mWh (possible only for intervals
  /// beyond an hour), `duplicate` for an id that was registered before, retired or not.
  mutating func register(
    _ id: MeterID, account: AccountIndex, maximumPower: Power, isClean: Bool, first: Interval
  ) throws(Rejection) {
    guard (1...Limits.meterPower).contains(maximumPower.raw) else { throw .malformed }
    guard meters.count < Limits.meters, energy(of: maximumPower) <= Int128(UInt32.max) else {
      throw .limitExceeded
    }
    guard indexes[id] == nil else { throw .duplicate }
    add(id, account: account, maximumPower: maximumPower, isClean: isClean, first: first)
  }

  /// Ends a meter's service; `nextClose` is the first interval that is not closed yet.
  ///
  /// Throws `unknownObject` unless the meter is in service.
  mutating func retire(_ id: MeterID, nextClose: Interval) throws(Rejection) {
    guard let index = index(of: id), meters[index].inService else { throw .unknownObject }
    meters[index].retired = nextClose
    encoded = nil
  }

  /// A meter whose fields were checked, with an id that is new.
  mutating func add(
    _ id: MeterID, account: AccountIndex, maximumPower: Power, isClean: Bool, first: Interval,
    retired: Interval? = nil
  ) {
    indexes[id] = UInt32(meters.count)
    meters.append(
      Meter(
        id: id, account: account, maximumPower: maximumPower, isClean: isClean, first: first,
        retired: retired, maximumEnergy: UInt32(clamping: energy(of: maximumPower)),
        ordinal: ordinal(of: account)))
    encoded = nil
  }

  func energy(of power: Power) -> Int128 { Int128(power.raw) * Int128(intervalSeconds) / 3600 }

  private mutating func ordinal(of account: AccountIndex) -> UInt32 {
    if let known = ordinals[account] { return known }
    let ordinal = UInt32(accounts.count)
    ordinals[account] = ordinal
    accounts.append(account)
    // Accounts mostly come in ascending order, so the search mostly ends at once.
    var place = ascending.count
    if let last = ascending.last, accounts[Int(last)] > account {
      place = lowerBound(of: account)
    }
    ascending.insert(ordinal, at: place)
    return ordinal
  }

  private func lowerBound(of account: AccountIndex) -> Int {
    var low = 0
    var high = ascending.count
    while low < high {
      let middle = (low + high) / 2
      if accounts[Int(ascending[middle])] < account { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

// MARK: Snapshot

extension MeterRegistry {
  static let chunkName = "meter/registry"
  /// Bytes of one encoded meter.
  static let meterSize = 32 + 4 + 8 + 1 + 8 + 1 + 8

  /// Whether a meter came or went since it was last encoded.
  var isChanged: Bool { encoded == nil }

  /// Count, then for each meter: id, account, power, clean, first interval, whether it is
  /// retired and from when (0 in service).
  mutating func chunk() -> StateChunk {
    if let encoded { return encoded }
    var writer = CanonicalWriter(capacity: 4 + meters.count * Self.meterSize)
    writer.write(UInt32(meters.count))
    for meter in meters {
      writer.write(meter.id)
      writer.write(meter.account)
      writer.write(meter.maximumPower)
      writer.write(meter.isClean)
      writer.write(meter.first)
      writer.write(!meter.inService)
      writer.write(meter.retired ?? Interval(0))
    }
    let chunk = StateChunk(name: Self.chunkName, bytes: writer.bytes)
    encoded = chunk
    return chunk
  }

  /// Throws `malformed` unless `chunk` is what `chunk()` gives for some registry.
  init(intervalSeconds: Int64, chunk: StateChunk) throws(Rejection) {
    self.init(intervalSeconds: intervalSeconds)
    guard chunk.name == Self.chunkName else { throw .malformed }
    var reader = CanonicalReader(chunk.bytes)
    let count = try reader.readCount(elementSize: Self.meterSize)
    guard count <= Limits.meters else { throw .malformed }
    for _ in 0..<count {
      let id = try reader.readKey()
      let account = try reader.readAccount()
      let power = try reader.read(Power.self)
      let isClean = try reader.readBool()
      let first = try reader.readInterval()
      let isRetired = try reader.readBool()
      let retired = try reader.readInterval()
      guard (1...Limits.meterPower).contains(power.raw), indexes[id] == nil,
        isRetired || retired.index == 0
      else { throw .malformed }
      add(
        id, account: account, maximumPower: power, isClean: isClean, first: first,
        retired: isRetired ? retired : nil)
    }
    try reader.finish()
  }
}
