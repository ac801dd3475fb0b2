import Domain

extension GridRecord {
  func encode(into writer: inout CanonicalWriter) {
    writer.write(grid)
    writer.write(name)
    writer.write(self.operator)
    writer.write(registeredAt)
    writer.write(epoch)
    writer.write(UInt32(validators.count))
    for key in validators { writer.write(key) }
    writer.write(conflict != nil)
    if let conflict {
      writer.write(conflict.height)
      writer.write(conflict.first)
      writer.write(conflict.second)
      writer.write(conflict.shownAt)
    }
    writer.write(received)
    writer.write(sent)
    writer.write(lastVoid)
    reserve.encode(into: &writer)
    credited.encode(into: &writer)
    debited.encode(into: &writer)
    writer.write(checkpoint != nil)
    if let checkpoint { checkpoint.encode(into: &writer) }
    writer.write(UInt32(headers.count))
    for header in headers {
      writer.write(header.height)
      writer.write(header.hash)
    }
    writer.write(cleanPower)
    writer.write(cleanAllowance)
    writer.write(cleanReckoned)
    writer.write(cleanCounted)
    writer.write(interval: lastBid)
    writer.write(hasMissed)
    writer.write(interval: openRound)
    writer.write(cover)
    writer.write(exported)
  }

  /// Throws `malformed`. What the figures have to agree with is checked with all others.
  init(from reader: inout CanonicalReader) throws(Rejection) {
    grid = try reader.readDigest()
    name = try reader.readText()
    self.operator = try reader.readKey()
    registeredAt = try reader.read(UInt64.self)
    epoch = try reader.read(UInt64.self)
    validators = []
    for _ in 0..<(try reader.readCount(elementSize: 32)) {
      validators.append(try reader.readKey())
    }
    if try reader.readBool() {
      conflict = Conflict(
        height: try reader.read(UInt64.self), first: try reader.readDigest(),
        second: try reader.readDigest(), shownAt: try reader.read(UInt64.self))
    }
    received = try reader.read(UInt64.self)
    sent = try reader.read(UInt64.self)
    lastVoid = try reader.read(UInt64.self)
    reserve = try TravellingAssets(from: &reader)
    credited = try reader.readTotals()
    debited = try reader.readTotals()
    if try reader.readBool() { checkpoint = try Checkpoint(from: &reader) }
    for _ in 0..<(try reader.readCount(elementSize: 40)) {
      headers.append(
        ProvenHeader(height: try reader.read(UInt64.self), hash: try reader.readDigest()))
    }
    cleanPower = try reader.read(Power.self)
    cleanAllowance = try reader.read(Energy.self)
    cleanReckoned = try reader.read(Int64.self)
    cleanCounted = try reader.read(Energy.self)
    lastBid = try reader.readOptionalInterval()
    hasMissed = try reader.readBool()
    openRound = try reader.readOptionalInterval()
    cover = try reader.read(Money.self)
    exported = try reader.read(Int128.self)
    // Sums stay far from the ends of 128 bits.
    guard exported.magnitude < 1 << 120, reserve.money >= 0, cover >= .zero,
      ChainName.isPrintable(name)
    else { throw .malformed }
  }
}

extension CanonicalWriter {
  mutating func write(interval: Interval?) {
    write(interval != nil)
    if let interval { write(interval) }
  }
}

extension CanonicalReader {
  mutating func readOptionalInterval() throws(Rejection) -> Interval? {
    try readBool() ? try readInterval() : nil
  }

  /// Totals of packets, so far from the ends of 128 bits that sums cannot leave them.
  mutating func readTotals() throws(Rejection) -> TravellingAssets<Int128> {
    let totals = try TravellingAssets<Int128>(from: &self)
    for asset in TravellingAssets<Int128>.assets {
      guard totals[asset].magnitude < 1 << 120 else { throw .malformed }
    }
    return totals
  }
}
