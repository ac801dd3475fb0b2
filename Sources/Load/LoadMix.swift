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
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false)
      let name = sides.first.map { $0.filter { $0 != " " } } ?? ""
      guard sides.count == 2, let kind = ItemKind.allCases.first(where: { $0.name == name }),
        let weight = Double(sides[1]), weight.isFinite, weight >= 0, weight <= 1e9
      else {
        throw LoadFailure(
          "'\(part)' is not KIND=WEIGHT, where KIND is readings, orders, transfers or cross")
      }
      weights[kind.rawValue] += weight
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
