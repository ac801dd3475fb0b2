/// What simulated members send.
package enum ItemKind: Int, CaseIterable, Sendable, Codable {
  /// A meter's reading of an interval.
  case reading
  /// An order placed or cancelled.
  case order
  /// Money to another member of the same grid.
  case transfer
  /// Money to a member of another grid.
  case cross

  /// In the plural, as in `--mix` and in reports.
  package var name: String {
    switch self {
    case .reading: "readings"
    case .order: "orders"
    case .transfer: "transfers"
    case .cross: "cross"
    }
  }
}

/// How a run's items are divided among the kinds.
package struct LoadMix: Hashable, Sendable {
  /// By kind, in the order of its raw values; they sum to 1.
  package let shares: [Double]

  package static let readings = LoadMix(shares: [1, 0, 0, 0])

  private init(shares: [Double]) { self.shares = shares }

  /// From text such as `readings=90,orders=8,transfers=1.5,cross=0.5`: weights of 0 or more, of
  /// which one is above 0; what is not named has none. Throws `LoadFailure`.
  package init(_ text: String) throws(LoadFailure) {
    var weights = [Double](repeating: 0, count: ItemKind.allCases.count)
    var named: Set<ItemKind> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false)
      let name = sides.first.map { $0.filter { $0 != " " } } ?? ""
      guard sides.count == 2, let kind = ItemKind.allCases.first(where: { $0.name == name }),
        let weight = Double(sides[1]), weight.isFinite, weight >= 0, weight <= 1e9
      else {
        throw LoadFailure(
          "'\(part)' is not KIND=WEIGHT, where KIND is readings, orders, transfers or cross")
      }
      guard named.insert(kind).inserted else {
        throw LoadFailure("the mix '\(text)' names \(kind.name) twice")
      }
      weights[kind.rawValue] = weight
    }
    let sum = weights.reduce(0, +)
    guard sum > 0 else { throw LoadFailure("the mix '\(text)' has nothing in it") }
    shares = weights.map { $0 / sum }
  }

  package subscript(_ kind: ItemKind) -> Double { shares[kind.rawValue] }

  /// The part that is commands: everything but readings.
  package var commands: Double { 1 - self[.reading] }

  /// Which kind a command is, for a draw from 0 up to but not including 1.
  package func command(for draw: Double) -> ItemKind {
    var rest = draw * commands
    for kind in [ItemKind.order, .transfer] {
      if rest < self[kind] { return kind }
      rest -= self[kind]
    }
    // Where rounding leads beyond the last share, the last kind that has one is meant.
    return [.cross, .transfer].first { self[$0] > 0 } ?? .order
  }
}

extension LoadMix {
  /// Commands that were due and never sent, of each kind as far as the mix has it: whole numbers
  /// that sum to `count`.
  package func divide(commands count: Int) -> [ItemKind: Int] {
    let kinds = ItemKind.allCases.filter { $0 != .reading && self[$0] > 0 }
    var parts: [ItemKind: Int] = [:]
    var (sum, given) = (0.0, 0)
    for kind in kinds {
      sum += self[kind]
      let upTo =
        kind == kinds.last ? count : Int((Double(count) * sum / commands).rounded())
      parts[kind] = upTo - given
      given = upTo
    }
    return parts
  }
}

/// Which kind of command comes next: of any number in a row each kind has its share to within a
/// few, since multiples of the golden ratio, without their whole parts, fill 0 to 1 more evenly
/// than random draws do (Knuth, The Art of Computer Programming 3, 6.4, theorem S).
package struct KindTurns: Sendable {
  private let mix: LoadMix
  private var place: Double

  /// `place` is 0 up to but not including 1.
  package init(_ mix: LoadMix, from place: Double) {
    self.mix = mix
    self.place = place
  }

  package mutating func next() -> ItemKind {
    place += 0.618_033_988_749_894_9
    if place >= 1 { place -= 1 }
    return mix.command(for: place)
  }
}
