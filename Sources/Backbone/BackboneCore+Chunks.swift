import Domain

// The state in canonical bytes: `backbone/state`, which changes with every block, lines, accounts,
// withdrawals and bids in a chunk each, then `backbone/grids/0` and so on, one for each grid.

private enum ChunkName {
  static let fixed = [
    "backbone/state", "backbone/lines", "backbone/accounts", "backbone/withdrawals",
    "backbone/bids",
  ]
  static func grid(_ place: Int) -> String { "backbone/grids/\(place)" }
}

extension BackboneCore {
  /// The state between two blocks. Packets that were not taken are not part of it. A grid that has
  /// not changed is not encoded again.
  package mutating func chunks() -> [StateChunk] {
    var chunks = zip(
      ChunkName.fixed,
      [encodedState, encodedLines, encodedAccounts, encodedWithdrawals, encodedBids]
    ).map { StateChunk(name: $0, bytes: $1) }
    for place in grids.indices {
      let chunk = grids.chunks[place] ?? chunk(ofGrid: place)
      grids.chunks[place] = chunk
      chunks.append(chunk)
    }
    return chunks
  }

  /// What headers attest: the Merkle root over the chunks in order, each leaf its name and digest.
  package mutating func root() -> Digest {
    var tree = MerkleTree(
      leaves: chunks().map { chunk in
        var writer = CanonicalWriter(capacity: 64)
        writer.write(chunk.name)
        writer.write(chunk.digest)
        return MerkleTree.leaf(writer.bytes)
      })
    return tree.root()
  }

  /// The core that gave these chunks. Throws `malformed` for chunks that no backbone of this
  /// genesis gives.
  package init(_ genesis: BackboneGenesis, chunks: [StateChunk]) throws(Rejection) {
    try self.init(genesis)
    let fixed = ChunkName.fixed.count
    guard chunks.count >= fixed, chunks.prefix(fixed).map(\.name) == ChunkName.fixed else {
      throw .malformed
    }
    try restoreState(chunks[0].bytes)
    try restoreLines(chunks[1].bytes)
    try restoreAccounts(chunks[2].bytes)
    try restoreWithdrawals(chunks[3].bytes)
    try restoreBids(chunks[4].bytes)
    grids = GridTable()
    for (place, chunk) in chunks.dropFirst(fixed).enumerated() {
      var reader = CanonicalReader(chunk.bytes)
      let record = try GridRecord(from: &reader)
      try reader.finish()
      guard chunk.name == ChunkName.grid(place), grids.place(of: record.grid) == nil else {
        throw .malformed
      }
      grids.append(record)
    }
    for withdrawal in withdrawals {
      guard let place = grids.place(of: withdrawal.grid) else { throw .malformed }
      grids[place].withdrawalsWaiting += 1
    }
    do throws(InvariantViolation) { try checkInvariants() } catch { throw .malformed }
  }

  func chunk(ofGrid place: Int) -> StateChunk {
    var writer = CanonicalWriter(capacity: 1024)
    grids[place].encode(into: &writer)
    return StateChunk(name: ChunkName.grid(place), bytes: writer.bytes)
  }

  private var encodedState: [UInt8] {
    var writer = CanonicalWriter(capacity: 128)
    writer.write(height)
    writer.write(time)
    writer.write(treasury)
    writer.write(issued)
    writer.write(withdrawn)
    writer.write(fund)
    writer.write(cleanTotal)
    writer.write(lastClosed)
    writer.write(nextWithdrawal)
    return writer.bytes
  }

  private mutating func restoreState(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    height = try reader.read(UInt64.self)
    time = try reader.readTimestamp()
    treasury = try reader.read(StorageTokens.self)
    issued = try reader.read(Int128.self)
    withdrawn = try reader.read(Int128.self)
    fund = try reader.read(Money.self)
    cleanTotal = try reader.read(Energy.self)
    lastClosed = try reader.readInterval()
    nextWithdrawal = try reader.read(UInt64.self)
    try reader.finish()
    // So far from the ends of 128 bits that sums cannot leave them.
    let bound = Int128(1) << 120
    guard (0...bound).contains(issued), (0...issued).contains(withdrawn) else {
      throw .malformed
    }
  }

  private var encodedLines: [UInt8] {
    var writer = CanonicalWriter(capacity: 4 + lines.count * 128)
    writer.write(UInt32(lines.count))
    for line in lines {
      writer.write(line.id)
      writer.write(line.from)
      writer.write(line.to)
      writer.write(line.forth)
      writer.write(line.back)
      writer.write(line.fee)
      writer.write(line.owner)
    }
    return writer.bytes
  }

  private mutating func restoreLines(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    lines = []
    for _ in 0..<(try reader.readCount(elementSize: 128)) {
      lines.append(
        Interconnector(
          id: try reader.read(UInt64.self), from: try reader.readDigest(),
          to: try reader.readDigest(), forth: try reader.read(Power.self),
          back: try reader.read(Power.self), fee: try reader.read(Price.self),
          owner: try reader.readKey()))
    }
    try reader.finish()
  }

  private var encodedAccounts: [UInt8] {
    var writer = CanonicalWriter(capacity: 4 + accounts.count * 56)
    writer.write(UInt32(accounts.count))
    for account in accounts {
      writer.write(account.id)
      writer.write(account.money)
      writer.write(account.window.highest)
      writer.write(account.window.bits)
    }
    return writer.bytes
  }

  private mutating func restoreAccounts(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    accounts = []
    for _ in 0..<(try reader.readCount(elementSize: 56)) {
      let id = try reader.readKey()
      let money = try reader.read(Money.self)
      let highest = try reader.read(UInt64.self)
      let bits = try reader.read(UInt64.self)
      guard let window = SequenceWindow(highest: highest, bits: bits) else { throw .malformed }
      accounts.append(BackboneAccount(id: id, money: money, window: window))
    }
    try reader.finish()
  }

  private var encodedWithdrawals: [UInt8] {
    var writer = CanonicalWriter(capacity: 4 + withdrawals.count * 80)
    writer.write(UInt32(withdrawals.count))
    for withdrawal in withdrawals {
      writer.write(withdrawal.id)
      writer.write(withdrawal.grid)
      writer.write(withdrawal.account)
      writer.write(withdrawal.amount)
    }
    return writer.bytes
  }

  private mutating func restoreWithdrawals(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    withdrawals = []
    for _ in 0..<(try reader.readCount(elementSize: 80)) {
      withdrawals.append(
        PendingWithdrawal(
          id: try reader.read(UInt64.self), grid: try reader.readDigest(),
          account: try reader.readKey(), amount: try reader.read(Money.self)))
    }
    try reader.finish()
  }

  private var encodedBids: [UInt8] {
    var writer = CanonicalWriter()
    writer.write(UInt32(bids.count))
    for bid in bids {
      writer.write(bid.round)
      writer.write(bid.grid)
      writer.write(bid.cost)
      writer.write(counted: bid.steps)
    }
    return writer.bytes
  }

  private mutating func restoreBids(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    bids = []
    for _ in 0..<(try reader.readCount(elementSize: 52)) {
      bids.append(
        OpenBid(
          round: try reader.readInterval(), grid: try reader.readDigest(),
          cost: try reader.read(Money.self), steps: try reader.readCounted()))
    }
    try reader.finish()
  }
}
