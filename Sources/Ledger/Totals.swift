import Domain

/// Where value comes from and goes to outside of the accounts; the counter-account of every
/// posting that changes a supply. Raw values are places in a snapshot.
package enum Counter: Int, CaseIterable, Sendable {
  /// Money and TSL that the genesis gave out.
  case genesisMoney = 0
  case genesisTokens = 1
  /// Money issued less money redeemed.
  case gateway = 2
  /// Energy that meters put in less what they took out, however it was covered.
  case metering = 3
  /// Energy from the utility less energy to it.
  case utility = 4
  /// Consumption that nothing covered.
  case unserved = 5
  /// Energy that was curtailed; zero or less.
  case curtailed = 6
  /// ECT minted for clean energy.
  case rewards = 7
  /// What packets of the backbone brought, less what was sent to it; refunds are sent less.
  case travelledMoney = 8
  case travelledTokens = 9
  case travelledRewards = 10
  /// Energy that coupling rounds brought less what they took.
  case tieLine = 11
  /// Money that the backbone paid for coupling rounds less what it got.
  case coupling = 12

  package var asset: Asset {
    switch self {
    case .genesisMoney, .gateway, .travelledMoney, .coupling: .money
    case .genesisTokens, .travelledTokens: .tsl
    case .metering, .utility, .unserved, .curtailed, .tieLine: .watt
    case .rewards, .travelledRewards: .ect
    }
  }
}

/// The supply of every asset, counted where balances change, and the totals of the
/// counter-accounts, counted from what a transition was told. Double entry is the equality of both.
struct Totals: Hashable, Sendable {
  private(set) var supply = [Int64](repeating: 0, count: Asset.allCases.count)
  private(set) var counters = [Int64](repeating: 0, count: Counter.allCases.count)

  init() {}

  subscript(asset: Asset) -> Int64 { supply[Int(asset.rawValue)] }
  subscript(counter: Counter) -> Int64 { counters[counter.rawValue] }

  /// The accounts together hold `amount` more, or less, of `asset`.
  mutating func count(_ amount: Int64, of asset: Asset) throws(InvariantViolation) {
    let place = Int(asset.rawValue)
    let (sum, overflow) = supply[place].addingReportingOverflow(amount)
    guard !overflow, sum >= 0 else {
      throw InvariantViolation("supply of \(asset) leaves its range: \(supply[place]) + \(amount)")
    }
    supply[place] = sum
  }

  /// `amount` came in from, or below zero went out to, a counter-account.
  mutating func count(_ amount: Int64, from counter: Counter) throws(InvariantViolation) {
    let (sum, overflow) = counters[counter.rawValue].addingReportingOverflow(amount)
    guard !overflow else { throw InvariantViolation("counter \(counter) overflows") }
    counters[counter.rawValue] = sum
  }

  /// Double entry, in constant time.
  func check() throws(InvariantViolation) {
    for asset in Asset.allCases {
      var sum: Int128 = 0
      for counter in Counter.allCases where counter.asset == asset {
        sum += Int128(self[counter])
      }
      guard sum == Int128(self[asset]) else {
        throw InvariantViolation("supply of \(asset) is \(self[asset]), its counters say \(sum)")
      }
    }
  }
}

extension Totals {
  func encode(into writer: inout CanonicalWriter) {
    for value in supply { writer.write(value) }
    for value in counters { writer.write(value) }
  }

  init(from reader: inout CanonicalReader) throws(Rejection) {
    for place in supply.indices { supply[place] = try reader.read(Int64.self) }
    for place in counters.indices { counters[place] = try reader.read(Int64.self) }
  }
}
