import Domain

/// A period of the day, in which a home's agent has the same settings.
enum DayPart: Int, CaseIterable, Sendable {
  /// From dawn until the utility becomes dear: sun.
  case day
  /// The last hours before that, for a home without a roof.
  case before
  /// While the utility is dear.
  case peak
  /// From then until dawn.
  case night

  static let dawn = 7
  static let hoursBefore = 2
}

/// How a home trades by its agent, drawn from a seed: what it keeps, and where in the band between
/// feed-in and retail its prices lie. No home knows what the others want or what the weather
/// brings.
struct DemoHabits: Sendable {
  /// Thresholds in Wh, prices in thousandths of the band.
  private struct Taste: Sendable {
    var low: Int64
    var high: Int64
    var buy: Int64
    var sell: Int64
  }

  private var tastes: [Taste]

  /// Without a roof nothing is bought to store while the utility is dear: no sun will replace it.
  init(seed: UInt64, hasRoof: Bool) {
    var random = SeededGenerator(seed: seed)
    // By day a home fills its storage for the dear hours and sells what the roof brings beyond;
    // in the dear hours it keeps what it will soon need; at night it sells what the next sun
    // will replace.
    let fill = random.next(in: 1200...1950)
    let keep = random.next(in: 200...700)
    let reserve = random.next(in: 300...900)
    let day = Taste(
      low: fill, high: min(2000, fill + random.next(in: 50...300)),
      buy: random.next(in: 300...950), sell: random.next(in: 100...700))
    let peak = Taste(
      low: hasRoof ? keep / 4 : 0, high: keep, buy: random.next(in: 200...600),
      sell: random.next(in: 300...950))
    let night = Taste(
      low: reserve / 2, high: reserve + random.next(in: 200...600),
      buy: random.next(in: 300...800), sell: random.next(in: 300...900))
    // What is stored just before the dear hours replaces the dearest energy, and sells at no less.
    let before = Taste(low: fill, high: 2000, buy: day.buy / 3, sell: 900)
    tastes = [day, before, peak, night]
  }

  func agent(in part: DayPart, retail: Price, feedIn: Price) -> AgentSettings {
    let taste = tastes[part.rawValue]
    let band = retail.raw - feedIn.raw
    return AgentSettings(
      buyPrice: Price(max(1, feedIn.raw + band * taste.buy / 1000)),
      sellPrice: Price(max(1, feedIn.raw + band * taste.sell / 1000)),
      low: Energy(wattHours: taste.low), high: Energy(wattHours: taste.high))
  }
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): the same
/// homes have the same habits in every run.
struct SeededGenerator: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func next(in range: ClosedRange<Int64>) -> Int64 {
    let count = UInt64(range.upperBound - range.lowerBound + 1)
    return range.lowerBound + Int64(next() % count)
  }
}

/// An order that somebody at a home enters by hand.
package struct HandOrder: Sendable {
  enum Act: Sendable {
    case place(Side, wattHours: Int64, TimeInForce)
    case replace(wattHours: Int64)
    case cancel
  }

  var day: Int
  var hour: Int
  var home: String
  /// Names the order among the home's, for who changes or cancels it later.
  var name: String
  /// µ¤ per kWh; unused by a cancel.
  var limit: Price = .zero
  var act: Act

  /// A week's worth: energy promised before the sun rises, a change of mind, a cancel, and one of
  /// each kind that does not wait.
  static let week: [HandOrder] = [
    HandOrder(
      day: 0, hour: 8, home: "home_08", name: "promise", limit: Price(140_000),
      act: .place(.sell, wattHours: 3000, .goodTillCancelled)),
    HandOrder(
      day: 0, hour: 16, home: "home_17", name: "evening", limit: Price(420_000),
      act: .place(.buy, wattHours: 1000, .immediateOrCancel)),
    HandOrder(
      day: 1, hour: 8, home: "home_15", name: "cheap", limit: Price(100_000),
      act: .place(.buy, wattHours: 5000, .goodTillCancelled)),
    HandOrder(
      day: 1, hour: 11, home: "home_15", name: "cheap", limit: Price(160_000),
      act: .replace(wattHours: 5000)),
    HandOrder(
      day: 2, hour: 17, home: "home_10", name: "surplus", limit: Price(160_000),
      act: .place(.sell, wattHours: 500, .immediateOrCancel)),
    HandOrder(
      day: 3, hour: 9, home: "home_13", name: "surplus", limit: Price(200_000),
      act: .place(.sell, wattHours: 6000, .goodTillCancelled)),
    HandOrder(
      day: 3, hour: 13, home: "home_13", name: "surplus", limit: Price(190_000),
      act: .replace(wattHours: 3000)),
    HandOrder(
      day: 3, hour: 14, home: "home_13", name: "surplus", act: .cancel),
    HandOrder(
      day: 5, hour: 12, home: "home_04", name: "top up", limit: Price(200_000),
      act: .place(.buy, wattHours: 300, .fillOrKill)),
    HandOrder(
      day: 6, hour: 9, home: "home_01", name: "sunday", limit: Price(130_000),
      act: .place(.sell, wattHours: 2500, .goodTillCancelled)),
  ]
}
