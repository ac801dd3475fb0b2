import Domain

extension GridLane {
  private static let chunkName = "lane/state"

  /// The state between two blocks. Packets that were not taken are not part of it.
  package var chunk: StateChunk {
    var writer = CanonicalWriter(capacity: 512 + underWay.count * 49)
    writer.write(grid)
    writer.write(backbone)
    writer.write(sent)
    writer.write(received)
    writer.write(acknowledged)
    credited.encode(into: &writer)
    debited.encode(into: &writer)
    writer.write(isStopped)
    writer.write(openBid != nil)
    if let openBid {
      writer.write(openBid.round)
      writer.write(openBid.sequence)
      writer.write(openBid.hold)
    }
    writer.write(interval: lastRound)
    writer.write(checkpointed.height)
    writer.write(checkpointed.hash)
    writer.write(epoch)
    writer.write(UInt32(validators.count))
    for key in validators { writer.write(key) }
    writer.write(UInt32(underWay.count))
    for entry in underWay {
      writer.write(entry.sequence)
      writer.write(entry.item.account)
      writer.write(entry.item.asset.rawValue)
      writer.write(entry.item.amount)
    }
    return StateChunk(name: Self.chunkName, bytes: writer.bytes)
  }

  /// The lane that gave this chunk. Throws `malformed` when none does.
  package init(chunk: StateChunk) throws(Rejection) {
    guard chunk.name == Self.chunkName else { throw .malformed }
    var reader = CanonicalReader(chunk.bytes)
    grid = try reader.readDigest()
    backbone = try reader.readDigest()
    sent = try reader.read(UInt64.self)
    received = try reader.read(UInt64.self)
    acknowledged = try reader.read(UInt64.self)
    credited = try reader.readTotals()
    debited = try reader.readTotals()
    isStopped = try reader.readBool()
    if try reader.readBool() {
      openBid = LaneBid(
        round: try reader.readInterval(), sequence: try reader.read(UInt64.self),
        hold: try reader.read(UInt64.self))
    }
    lastRound = try reader.readOptionalInterval()
    checkpointed = ProvenHeader(
      height: try reader.read(UInt64.self), hash: try reader.readDigest())
    epoch = try reader.read(UInt64.self)
    validators = []
    for _ in 0..<(try reader.readCount(elementSize: 32)) {
      validators.append(try reader.readKey())
    }
    for _ in 0..<(try reader.readCount(elementSize: 49)) {
      let sequence = try reader.read(UInt64.self)
      let account = try reader.readKey()
      guard let asset = Asset(rawValue: try reader.read(UInt8.self)), asset != .watt else {
        throw .malformed
      }
      let item = UnderWay.Item(
        account: account, asset: asset, amount: try reader.read(Int64.self))
      journeys.append(UnderWay(sequence: sequence, item: item))
    }
    try reader.finish()
    do throws(InvariantViolation) { try checkInvariants() } catch { throw .malformed }
  }

  /// What must hold between any two transitions.
  package func checkInvariants() throws(InvariantViolation) {
    func require(_ condition: Bool, _ text: String) throws(InvariantViolation) {
      if !condition { throw InvariantViolation("lane: " + text) }
    }
    try require(acknowledged <= sent, "an answer to a packet that was never sent")
    try require(
      zip(underWay, underWay.dropFirst()).allSatisfy { $0.sequence < $1.sequence }
        && underWay.allSatisfy { $0.sequence > acknowledged && $0.sequence <= sent },
      "what is under way is out of order")
    try require(
      underWay.count <= BackboneLimits.underWay
        && journeys.counts.values.allSatisfy { $0 <= BackboneLimits.underWayPerAccount },
      "too much is under way")
    try require(
      underWay.allSatisfy { (1...Limits.amount).contains($0.item.amount) },
      "an amount under way is out of range")
    for asset in TravellingAssets<Int128>.assets {
      try require(supply(of: asset) >= 0, "a supply of \(asset) below zero")
      let taken = underWay.reduce(Int128(0)) {
        $0 + ($1.item.asset == asset ? Int128($1.item.amount) : 0)
      }
      try require(taken <= debited[asset], "more \(asset) is under way than was taken")
    }
    try require(!isStopped || openBid == nil, "a bid of a frozen grid waits")
    if let openBid {
      try require(
        openBid.round == lastRound && (1...sent).contains(openBid.sequence),
        "a bid that was never sent")
    }
    try require(epoch > 0 && (try? ValidatorSet.validate(validators)) != nil, "validators")
  }
}
