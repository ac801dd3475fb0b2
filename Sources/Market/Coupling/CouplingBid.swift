import Domain

/// What one grid offers the others in a round (rules 8.1): what stayed executable after its call
/// auction, by price, without names.
package struct CouplingBid: Hashable, Sendable {
  package var grid: ChainID
  /// Prices in µ¤ per kWh, 0...Limits.price, each once, descending; whole Wh, 1 and more; at most
  /// CouplingLimits.steps, and CouplingLimits.sideWattHours in all.
  package var buys: [PriceStep]
  /// The same, ascending.
  package var sells: [PriceStep]

  package init(grid: ChainID, buys: [PriceStep] = [], sells: [PriceStep] = []) {
    self.grid = grid
    self.buys = buys
    self.sells = sells
  }

  /// Throws `limitExceeded` for too many steps or too much energy, `malformed` for a price or a
  /// quantity out of its range, and for steps that are out of order.
  package func validate() throws(Rejection) {
    for (steps, direction) in [(buys, Int64(-1)), (sells, 1)] {
      guard steps.count <= CouplingLimits.steps else { throw .limitExceeded }
      var left = CouplingLimits.sideWattHours
      for (place, step) in steps.enumerated() {
        guard (0...Limits.price).contains(step.price), step.wattHours > 0,
          place == 0 || (step.price - steps[place - 1].price) * direction > 0
        else { throw .malformed }
        guard step.wattHours <= left else { throw .limitExceeded }
        left -= step.wattHours
      }
    }
  }

  /// The Wh of buys that agree with `price`: those with a higher limit all, those at this limit
  /// wholly, partly or not at all, others not.
  func demand(at price: Int64) -> ClosedRange<Int64> {
    let certain = buys.reduce(0) { $0 + ($1.price > price ? $1.wattHours : 0) }
    return certain...(certain + Self.wattHours(at: price, of: buys))
  }

  /// The Wh of sells that agree with `price`, where a lower limit is the better one.
  func supply(at price: Int64) -> ClosedRange<Int64> {
    let certain = sells.reduce(0) { $0 + ($1.price < price ? $1.wattHours : 0) }
    return certain...(certain + Self.wattHours(at: price, of: sells))
  }

  private static func wattHours(at price: Int64, of steps: [PriceStep]) -> Int64 {
    steps.first { $0.price == price }?.wattHours ?? 0
  }
}

/// What a round gives one grid.
package struct CouplingShare: Hashable, Sendable {
  /// The grid's one price; nil where there is no bid in the grid nor anywhere that its
  /// interconnectors lead to.
  package var price: Price?
  /// Wh of the grid's buys that are accepted, the highest limits first.
  package var bought: Int64
  /// Wh of the grid's sells that are accepted, the lowest limits first.
  package var sold: Int64

  package init(price: Price?, bought: Int64 = 0, sold: Int64 = 0) {
    self.price = price
    self.bought = bought
    self.sold = sold
  }

  /// Wh that leave the grid; below zero those that enter it.
  package var exported: Int64 { sold - bought }
}

extension CouplingBid {
  /// Wh of each step that `share` accepts, in the order of the steps: better limits wholly before
  /// the next ones. `share` has passed `check`. What a step gets, the grid's book fills by time.
  package func accepted(_ share: CouplingShare) -> (buys: [Int64], sells: [Int64]) {
    (Self.fill(buys, share.bought), Self.fill(sells, share.sold))
  }

  private static func fill(_ steps: [PriceStep], _ total: Int64) -> [Int64] {
    var left = total
    return steps.map { step in
      let filled = min(step.wattHours, left)
      left -= filled
      return filled
    }
  }

  /// Whether `share` is one that this bid must take: no step beyond its limit, and none left out
  /// that is better than the price. Throws the reason if not.
  package func check(_ share: CouplingShare) throws(CouplingRefusal) {
    let offered = (buys: buys.wattHours, sells: sells.wattHours)
    guard (0...offered.buys).contains(share.bought), (0...offered.sells).contains(share.sold) else {
      throw .notOffered
    }
    guard let price = share.price?.raw else {
      guard offered == (0, 0) else { throw .priceMisplaced }
      return
    }
    let (demand, supply) = (demand(at: price), supply(at: price))
    if share.sold > supply.upperBound { throw .sellBeyondLimit }
    if share.bought > demand.upperBound { throw .buyBeyondLimit }
    if share.sold < supply.lowerBound { throw .sellLeftOut }
    if share.bought < demand.lowerBound { throw .buyLeftOut }
  }
}

extension [PriceStep] {
  /// Wh of all steps.
  var wattHours: Int64 { reduce(0) { $0 + $1.wattHours } }

  /// The limit of the last step of which something is accepted, and of the first of which
  /// something is left, when the first `total` Wh are accepted.
  func margins(_ total: Int64) -> (accepted: Int64?, left: Int64?) {
    var before: Int64 = 0
    var accepted: Int64?
    for step in self {
      if before < total { accepted = step.price }
      before += step.wattHours
      if before > total { return (accepted, step.price) }
    }
    return (accepted, nil)
  }
}

// MARK: Canonical encoding

extension CouplingBid {
  /// Grid; the count of buys and each one's price and Wh; the same of the sells.
  package func encode(into writer: inout CanonicalWriter) {
    writer.write(grid)
    for steps in [buys, sells] {
      writer.write(UInt32(steps.count))
      for step in steps {
        writer.write(step.price)
        writer.write(step.wattHours)
      }
    }
  }

  /// Throws what `validate` throws, and `malformed` for anything that is not such an encoding.
  package init(from reader: inout CanonicalReader) throws(Rejection) {
    let grid = try reader.readDigest()
    let buys = try Self.readSteps(from: &reader)
    let sells = try Self.readSteps(from: &reader)
    self.init(grid: grid, buys: buys, sells: sells)
    try validate()
  }

  private static func readSteps(
    from reader: inout CanonicalReader
  ) throws(Rejection) -> [PriceStep] {
    let count = try reader.readCount(elementSize: 16)
    guard count <= CouplingLimits.steps else { throw .limitExceeded }
    var steps: [PriceStep] = []
    steps.reserveCapacity(count)
    for _ in 0..<count {
      steps.append(
        PriceStep(price: try reader.read(Int64.self), wattHours: try reader.read(Int64.self)))
    }
    return steps
  }
}
