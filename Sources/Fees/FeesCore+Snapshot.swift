import Domain

// Two chunks: `fees/state`, small and changed by every close, and `fees/storage`, the units.

private enum ChunkName {
  static let prefix = "fees/"
  static let state = "fees/state"
  static let storage = "fees/storage"
}

extension FeesCore {
  /// The state in canonical bytes; the storage units are encoded again only when they changed.
  package mutating func chunks() -> [StateChunk] {
    let units = storageChunk ?? StateChunk(name: ChunkName.storage, bytes: encodedStorage)
    storageChunk = units
    return [StateChunk(name: ChunkName.state, bytes: encodedState), units]
  }

  /// The core that gave these chunks; those of other cores may stand around them. Throws
  /// `malformed` for chunks that no core gives.
  package init(
    calendar: Calendar, parameters: Parameters, maximumHeld: Energy, chunks: [StateChunk]
  ) throws(Rejection) {
    let own = chunks.filter { $0.name.hasPrefix(ChunkName.prefix) }
    guard own.map(\.name) == [ChunkName.state, ChunkName.storage] else { throw .malformed }
    var reader = CanonicalReader(own[0].bytes)
    let nextClose = try reader.readInterval()
    let isUtilityAvailable = try reader.readBool()
    let cleanStored = try reader.read(Energy.self)
    let cleanOwed = try reader.read(Energy.self)
    // A line is an interval and two counts at least.
    let count = try reader.readCount(elementSize: 16)
    var lines: [TariffSchedule.Line] = []
    for _ in 0..<count {
      let from = try reader.readInterval()
      lines.append(TariffSchedule.Line(from: from, tariff: try Tariff(from: &reader)))
    }
    try reader.finish()
    guard let tariffs = TariffSchedule(lines) else { throw .malformed }
    self.init(
      calendar: calendar, parameters: parameters, maximumHeld: maximumHeld,
      nextClose: nextClose, tariffs: tariffs)
    self.isUtilityAvailable = isUtilityAvailable
    self.cleanStored = cleanStored
    self.cleanOwed = cleanOwed
    try restoreStorage(own[1].bytes)
    do { try checkInvariants() } catch { throw .malformed }
  }

  private var encodedState: [UInt8] {
    var writer = CanonicalWriter()
    writer.write(nextClose)
    writer.write(isUtilityAvailable)
    writer.write(cleanStored)
    writer.write(cleanOwed)
    writer.write(UInt32(tariffs.lines.count))
    for line in tariffs.lines {
      writer.write(line.from)
      line.tariff.encode(into: &writer)
    }
    return writer.bytes
  }

  /// Bytes of a unit: number, owner, capacity, power.
  private static var unitSize: Int { 8 + 4 + 8 + 8 }

  private var encodedStorage: [UInt8] {
    var writer = CanonicalWriter(capacity: 4 + storage.units.count * Self.unitSize)
    writer.write(UInt32(storage.units.count))
    for unit in storage.units {
      writer.write(unit.unit)
      writer.write(unit.owner)
      writer.write(unit.capacity)
      writer.write(unit.power)
    }
    return writer.bytes
  }

  private mutating func restoreStorage(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let count = try reader.readCount(elementSize: Self.unitSize)
    var last: UInt64?
    for _ in 0..<count {
      let unit = StorageUnit(
        unit: try reader.read(UInt64.self), owner: try reader.readAccount(),
        capacity: try reader.read(Energy.self), power: try reader.read(Power.self))
      // Zero would be a removal; an unordered list is not what `chunks` writes.
      guard unit.capacity > .zero, last.map({ $0 < unit.unit }) ?? true else {
        throw .malformed
      }
      last = unit.unit
      do { try storage.register(unit) } catch { throw .malformed }
    }
    try reader.finish()
  }
}
