import Domain

/// What one round has to clear: every grid's bid and every interconnector, in one order, whatever
/// the order in which they came in.
///
/// A grid that has not bid in time takes part with an empty bid, so that energy can pass through
/// it; a line that is out of service has capacities of zero.
package struct CouplingProblem: Hashable, Sendable {
  package let round: Interval
  /// Ascending by grid. A grid's place in it is how everything else calls it.
  package let bids: [CouplingBid]
  /// Ascending by id.
  package let lines: [CouplingLine]
  /// The places of each line's two grids.
  let ends: [Ends]

  struct Ends: Hashable, Sendable {
    var from: Int
    var to: Int
  }

  /// Throws, whatever the order of what is given: `limitExceeded` for too many bids or lines, or
  /// for a bid with too much; `duplicate` for two bids of a grid or two lines of an id; `malformed`
  /// for a bid or a line that is not as its type says; `unknownObject` for a line to a grid that
  /// has no bid here, not even an empty one.
  package init(round: Interval, bids: [CouplingBid], lines: [CouplingLine]) throws(Rejection) {
    guard bids.count <= CouplingLimits.grids, lines.count <= CouplingLimits.lines else {
      throw .limitExceeded
    }
    self.round = round
    let bids = bids.sorted { $0.grid < $1.grid }
    let lines = lines.sorted { $0.id < $1.id }
    guard zip(bids, bids.dropFirst()).allSatisfy({ $0.grid != $1.grid }),
      zip(lines, lines.dropFirst()).allSatisfy({ $0.id != $1.id })
    else { throw .duplicate }
    for bid in bids { try bid.validate() }
    for line in lines { try line.validate() }
    var ends: [Ends] = []
    ends.reserveCapacity(lines.count)
    for line in lines {
      guard let from = Self.place(of: line.from, in: bids),
        let to = Self.place(of: line.to, in: bids)
      else { throw .unknownObject }
      ends.append(Ends(from: from, to: to))
    }
    self.bids = bids
    self.lines = lines
    self.ends = ends
  }

  /// The grid's place in `bids`; nil if it takes no part.
  package func place(of grid: ChainID) -> Int? { Self.place(of: grid, in: bids) }

  private static func place(of grid: ChainID, in bids: [CouplingBid]) -> Int? {
    var (low, high) = (0, bids.count)
    while low < high {
      let middle = (low + high) / 2
      if bids[middle].grid < grid { low = middle + 1 } else { high = middle }
    }
    return low < bids.count && bids[low].grid == grid ? low : nil
  }

  /// The places 0..<count in the order of this round's preference: who comes first moves on by one
  /// place from round to round, so that no id is the best to have.
  func turn(of count: Int) -> [Int] {
    guard count > 0 else { return [] }
    let first = Int(UInt64(bitPattern: round.index) % UInt64(count))
    return Array(first..<count) + Array(0..<first)
  }

  /// For each grid the range from the lowest to the highest limit of all bids of the grids that
  /// its lines lead to, itself included; nil where there are none. Closed lines lead nowhere.
  ///
  /// Prices are sought in this range only. It has optimal ones: `Coupling` says why.
  var priceRanges: [ClosedRange<Int64>?] {
    var parents = Array(bids.indices)
    func root(_ place: Int) -> Int {
      var place = place
      while parents[place] != place {
        parents[place] = parents[parents[place]]
        place = parents[place]
      }
      return place
    }
    for (line, ends) in zip(lines, ends) where line.forth > 0 || line.back > 0 {
      parents[root(ends.from)] = root(ends.to)
    }
    var ranges = [ClosedRange<Int64>?](repeating: nil, count: bids.count)
    for (place, bid) in bids.enumerated() {
      let root = root(place)
      for limit in [bid.buys.first, bid.buys.last, bid.sells.first, bid.sells.last] {
        guard let limit = limit?.price else { continue }
        let known = ranges[root] ?? limit...limit
        ranges[root] = min(known.lowerBound, limit)...max(known.upperBound, limit)
      }
    }
    return bids.indices.map { ranges[root($0)] }
  }
}

// MARK: Canonical encoding

extension CouplingProblem {
  private static let prefix = "intertie/coupling/v1"

  /// Its name in canonical bytes; round; count and bids; count and lines, each with its id, the
  /// places of its grids (16 bits each), both capacities and the fee.
  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 64 + bids.count * 1024 + lines.count * 40)
    writer.write(Self.prefix)
    writer.write(round)
    writer.write(UInt32(bids.count))
    for bid in bids { bid.encode(into: &writer) }
    writer.write(UInt32(lines.count))
    for (line, ends) in zip(lines, ends) {
      writer.write(line.id)
      writer.write(UInt16(ends.from))
      writer.write(UInt16(ends.to))
      writer.write(line.forth)
      writer.write(line.back)
      writer.write(line.fee)
    }
    return writer.bytes
  }

  /// SHA-256 of the canonical encoding.
  package var digest: Digest { Digest.sha256(encoded) }

  /// Throws what `init(round:bids:lines:)` throws, and `malformed` for anything that is not an
  /// encoding of a problem; a problem has only one.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    guard try reader.readText() == Self.prefix else { throw .malformed }
    let round = try reader.readInterval()
    let bidCount = try reader.readCount(elementSize: 40)
    guard bidCount <= CouplingLimits.grids else { throw .limitExceeded }
    var bids: [CouplingBid] = []
    for _ in 0..<bidCount { bids.append(try CouplingBid(from: &reader)) }
    let lineCount = try reader.readCount(elementSize: 36)
    guard lineCount <= CouplingLimits.lines else { throw .limitExceeded }
    var lines: [CouplingLine] = []
    for _ in 0..<lineCount { lines.append(try Self.readLine(from: &reader, bids)) }
    try reader.finish()
    try self.init(round: round, bids: bids, lines: lines)
    guard self.bids == bids, self.lines == lines else { throw .malformed }
  }

  private static func readLine(
    from reader: inout CanonicalReader, _ bids: [CouplingBid]
  ) throws(Rejection) -> CouplingLine {
    let id = try reader.read(UInt64.self)
    let from = Int(try reader.read(UInt16.self))
    let to = Int(try reader.read(UInt16.self))
    guard bids.indices.contains(from), bids.indices.contains(to) else { throw .malformed }
    return CouplingLine(
      id: id, from: bids[from].grid, to: bids[to].grid, forth: try reader.read(Int64.self),
      back: try reader.read(Int64.self), fee: try reader.read(Price.self))
  }
}
