import Domain

/// A quantity at a price.
package struct PriceStep: Hashable, Sendable {
  package var price: Int64
  package var wattHours: Int64

  package init(price: Int64, wattHours: Int64) {
    self.price = price
    self.wattHours = wattHours
  }
}

/// Wh by price, for one side of the trades of an interval. Memory grows with the number of
/// different prices, not of trades.
struct PriceTally: Sendable {
  private struct Entry: Sendable {
    var price: Int64
    var wattHours: Int64
  }

  /// Open addressing, at most half full; -1 marks an empty entry (prices are never negative).
  private var entries: ContiguousArray<Entry>
  private var shift: UInt64
  private var count = 0

  init() {
    entries = ContiguousArray(repeating: Entry(price: -1, wattHours: 0), count: 64)
    shift = 64 - 6
  }

  mutating func add(_ wattHours: Int64, at price: Int64) {
    let place = place(of: price)
    if entries[place].price < 0 {
      entries[place].price = price
      count += 1
    }
    entries[place].wattHours += wattHours
    if count * 2 > entries.count { grow() }
  }

  /// By price, ascending.
  var steps: [PriceStep] {
    var steps: [PriceStep] = []
    steps.reserveCapacity(count)
    for entry in entries where entry.price >= 0 {
      steps.append(PriceStep(price: entry.price, wattHours: entry.wattHours))
    }
    return steps.sorted { $0.price < $1.price }
  }

  private func place(of price: Int64) -> Int {
    let mask = entries.count - 1
    var place = Int((UInt64(bitPattern: price) &* 0x9e37_79b9_7f4a_7c15) >> shift)
    while entries[place].price >= 0, entries[place].price != price { place = (place + 1) & mask }
    return place
  }

  private mutating func grow() {
    let old = entries
    let empty = Entry(price: -1, wattHours: 0)
    entries = ContiguousArray(repeating: empty, count: old.count * 2)
    shift -= 1
    for entry in old where entry.price >= 0 { entries[place(of: entry.price)] = entry }
  }
}

/// Surplus of matching buys and sells: money × 1000, as µ¤/kWh × Wh.
package enum Surplus {
  /// The largest surplus that buys and sells at these limits can have: the dearest buys meet the
  /// cheapest sells as far as they cross. Neither list need be sorted.
  package static func optimum(bids: [PriceStep], asks: [PriceStep]) -> Int128 {
    let bids = bids.sorted { $0.price > $1.price }
    let asks = asks.sorted { $0.price < $1.price }
    var surplus: Int128 = 0
    var (bid, ask) = (0, 0)
    var bidLeft = bids.first?.wattHours ?? 0
    var askLeft = asks.first?.wattHours ?? 0
    while bid < bids.count, ask < asks.count, bids[bid].price >= asks[ask].price {
      let wattHours = min(bidLeft, askLeft)
      surplus += Int128(bids[bid].price - asks[ask].price) * Int128(wattHours)
      bidLeft -= wattHours
      askLeft -= wattHours
      if bidLeft == 0 {
        bid += 1
        if bid < bids.count { bidLeft = bids[bid].wattHours }
      }
      if askLeft == 0 {
        ask += 1
        if ask < asks.count { askLeft = asks[ask].wattHours }
      }
    }
    return surplus
  }

  /// What was paid at most for these quantities: Σ price × Wh.
  package static func value(_ steps: [PriceStep]) -> Int128 {
    steps.reduce(0) { $0 + Int128($1.price) * Int128($1.wattHours) }
  }
}
