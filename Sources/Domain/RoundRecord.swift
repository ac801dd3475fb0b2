/// A coupling round as it was closed: what is kept of it for ever, beside the bids in the blocks.
///
/// Canonical bytes: round, height, the grids and then the lines, each behind a 32-bit count, the
/// fund, the surplus (128 bits).
package struct RoundRecord: Hashable, Sendable {
  package struct Grid: Hashable, Sendable {
    package var grid: ChainID
    /// µ¤ per kWh; nil when no bid was within reach.
    package var price: Price?
    /// Wh, 0 and more.
    package var bought: Int64
    package var sold: Int64
    /// What the grid's reserve got; below zero what it paid.
    package var money: Money

    package init(grid: ChainID, price: Price?, bought: Int64, sold: Int64, money: Money) {
      self.grid = grid
      self.price = price
      self.bought = bought
      self.sold = sold
      self.money = money
    }
  }

  package struct Line: Hashable, Sendable {
    package var line: UInt64
    /// Wh that it could carry, forth and back.
    package var forth: Int64
    package var back: Int64
    /// µ¤ per kWh.
    package var fee: Price
    /// Wh from the line's `from` to its `to`, below zero the other way.
    package var flow: Int64
    /// To the line's owner.
    package var wheeling: Money
    package var rent: Money

    package init(
      line: UInt64, forth: Int64, back: Int64, fee: Price, flow: Int64, wheeling: Money,
      rent: Money
    ) {
      self.line = line
      self.forth = forth
      self.back = back
      self.fee = fee
      self.flow = flow
      self.wheeling = wheeling
      self.rent = rent
    }
  }

  package var round: Interval
  /// Of the block that closed it.
  package var height: UInt64
  /// One for each bid, by grid, ascending.
  package var grids: [Grid]
  /// All lines, by number, ascending.
  package var lines: [Line]
  /// What the roundings left to the network fund.
  package var fund: Money
  /// Surplus of the accepted steps less wheeling fees, in µ¤ × 1000.
  package var surplus: Int128

  package init(
    round: Interval, height: UInt64, grids: [Grid], lines: [Line], fund: Money, surplus: Int128
  ) {
    self.round = round
    self.height = height
    self.grids = grids
    self.lines = lines
    self.fund = fund
    self.surplus = surplus
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 64 + grids.count * 65 + lines.count * 56)
    writer.write(round)
    writer.write(height)
    writer.write(UInt32(grids.count))
    for grid in grids {
      writer.write(grid.grid)
      writer.write(grid.price != nil)
      if let price = grid.price { writer.write(price) }
      writer.write(grid.bought)
      writer.write(grid.sold)
      writer.write(grid.money)
    }
    writer.write(UInt32(lines.count))
    for line in lines {
      writer.write(line.line)
      writer.write(line.forth)
      writer.write(line.back)
      writer.write(line.fee)
      writer.write(line.flow)
      writer.write(line.wheeling)
      writer.write(line.rent)
    }
    writer.write(fund)
    writer.write(surplus)
    return writer.bytes
  }

  /// Throws `malformed`.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    round = try reader.readInterval()
    height = try reader.read(UInt64.self)
    grids = []
    for _ in 0..<(try reader.readCount(elementSize: 57)) {
      let grid = try reader.readDigest()
      let price: Price? = try reader.readBool() ? try reader.read(Price.self) : nil
      grids.append(
        Grid(
          grid: grid, price: price, bought: try reader.read(Int64.self),
          sold: try reader.read(Int64.self), money: try reader.read(Money.self)))
    }
    lines = []
    for _ in 0..<(try reader.readCount(elementSize: 56)) {
      lines.append(
        Line(
          line: try reader.read(UInt64.self), forth: try reader.read(Int64.self),
          back: try reader.read(Int64.self), fee: try reader.read(Price.self),
          flow: try reader.read(Int64.self), wheeling: try reader.read(Money.self),
          rent: try reader.read(Money.self)))
    }
    fund = try reader.read(Money.self)
    surplus = try reader.read(Int128.self)
    try reader.finish()
  }
}
