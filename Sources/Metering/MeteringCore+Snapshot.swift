import Domain

extension MeteringCore {
  static let stateName = "meter/state"

  /// The registry, the running state, then the pages of the history, ascending. What did not change
  /// since the last call is neither encoded nor hashed again.
  package mutating func chunks() -> [StateChunk] {
    var chunks = [registry.chunk(), state()]
    chunks.reserveCapacity(2 + history.pages.count)
    for place in history.pages.indices { chunks.append(history.pages[place].chunk()) }
    return chunks
  }

  /// Restores exactly the core that gave `chunks`, on the same calendar and parameters.
  ///
  /// Throws `malformed` for chunks that break the form or an invariant.
  package init(
    calendar: Calendar, parameters: Parameters, chunks: [StateChunk]
  ) throws(Rejection) {
    guard chunks.count >= 2 else { throw .malformed }
    let registry = try MeterRegistry(
      intervalSeconds: calendar.intervalSeconds, chunk: chunks[0])
    self.init(calendar: calendar, parameters: parameters, registry: registry)
    try restoreState(chunks[1])
    for chunk in chunks.dropFirst(2) {
      let page = try HistoryPage(chunk, slots: history.slots, meters: registry.meters.count)
      if let last = history.pages.last, last.number >= page.number { throw .malformed }
      history.pages.append(page)
    }
    do throws(InvariantViolation) {
      try registry.checkInvariants()
      try checkBounds()
      for place in history.pages.indices {
        history.pages[place].posted = try survey(history.pages[place])
      }
      try check { _ in false }
    } catch { throw .malformed }
  }

  /// Next close; totals posted and dropped, 16 bytes a figure; the last day's balances; then
  /// the count of late figures and for each, ascending by interval and meter: interval, meter,
  /// and the posted figure as in a page.
  private func state() -> StateChunk {
    var writer = CanonicalWriter(capacity: 128 + 16 * lastDay.count + 24 * late.count)
    writer.write(nextClose)
    for sum in [totals, dropped] {
      writer.write(sum.exported)
      writer.write(sum.imported)
    }
    for balance in lastDay {
      writer.write(balance.surplus)
      writer.write(balance.deficit)
    }
    writer.write(UInt32(late.count))
    for (key, posted) in late.sorted(by: { $0.key < $1.key }) {
      writer.write(key.interval)
      writer.write(key.meter)
      writer.write(posted.exported)
      writer.write(posted.imported)
      writer.write(posted.mark)
    }
    return StateChunk(name: Self.stateName, bytes: writer.bytes)
  }

  private mutating func restoreState(_ chunk: StateChunk) throws(Rejection) {
    guard chunk.name == Self.stateName else { throw .malformed }
    var reader = CanonicalReader(chunk.bytes)
    nextClose = try reader.readInterval()
    totals = PostedEnergy(
      exported: try reader.read(Int128.self), imported: try reader.read(Int128.self))
    dropped = PostedEnergy(
      exported: try reader.read(Int128.self), imported: try reader.read(Int128.self))
    for slot in lastDay.indices {
      lastDay[slot] = Expectation(
        surplus: try reader.read(Energy.self), deficit: try reader.read(Energy.self))
    }
    var last: LateKey?
    for _ in 0..<(try reader.readCount(elementSize: 24)) {
      let key = LateKey(interval: try reader.readInterval(), meter: try reader.read(UInt32.self))
      let exported = try reader.read(UInt32.self)
      let imported = try reader.read(UInt32.self)
      let mark = try reader.read(UInt32.self)
      let slot = Slot(exported: exported, imported: imported, mark: mark)
      guard last.map({ $0 < key }) ?? true, slot.mark == mark else { throw .malformed }
      late[key] = slot
      last = key
    }
    try reader.finish()
  }
}
