import Domain
import ProcessSupport
import TestSupport

/// Who pays whom. The same rules are in `beside-postgres.sh` for PostgreSQL.
struct Picks: Sendable, Hashable {
  var name: String
  var accounts: Int
  /// In percent: how often an account is picked among the first hundredth of all.
  var hot: Int

  static let all = [
    Picks(name: "100000", accounts: 100_000, hot: 0),
    Picks(name: "1000", accounts: 1000, hot: 0),
    Picks(name: "skewed", accounts: 100_000, hot: 80),
  ]

  func pick(_ random: inout SplitMix64) -> Int {
    if hot > 0, random.chance(hot) { return random.below(accounts / 100) }
    return random.below(accounts)
  }
}

/// Transfers of 1 to 100 µ¤ between two accounts, drawn by SplitMix64, and what every account must
/// have after them, added up here without the ledger.
struct Workload {
  static let seed: UInt64 = 1
  /// What an account begins with, µ¤: nobody ever runs out, so that all transfers are applied.
  private static let money: Int64 = 1_000_000_000
  private static let origin: Int64 = 1_700_000_100

  let picks: Picks
  let genesis: Genesis
  let chain: ChainID
  private let keys: [AccountID]
  private var random = SplitMix64(seed: Self.seed)
  private var sequences: [UInt64]
  private var expected: [Int64]
  /// Transfers drawn so far.
  private(set) var count = 0

  init(_ picks: Picks) {
    self.picks = picks
    keys = (0..<picks.accounts).map { number in
      AccountID(Digest.sha256(Array("account \(number)".utf8)).bytes)
    }
    let lead = AccountID(Digest.sha256(Array("lead".utf8)).bytes)
    genesis = Genesis(
      name: "ledger", calendar: Calendar(origin: Self.origin, wallOrigin: Self.origin),
      parameters: Parameters(),
      roles: Roles(operator: lead, oracle: lead, gateway: lead, utility: lead, community: lead),
      validators: [SigningKey.generate().publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: keys.map { GenesisAccount(id: $0, money: Money(Self.money)) })
    chain = genesis.chainID
    sequences = Array(repeating: 0, count: picks.accounts)
    expected = Array(repeating: Self.money, count: picks.accounts)
  }

  /// Blocks are a microsecond apart, so that no interval closes.
  static func time(of height: UInt64) -> Timestamp {
    Timestamp(microseconds: Timestamp(seconds: origin).microseconds + Int64(height))
  }

  mutating func next() -> Command {
    let from = picks.pick(&random)
    var to = picks.pick(&random)
    if to == from { to = (from + 1) % picks.accounts }
    let amount = random.int(1...100)
    sequences[from] += 1
    expected[from] -= amount
    expected[to] += amount
    count += 1
    return Command(
      chain: chain, signer: keys[from], sequence: sequences[from],
      expires: Timestamp(seconds: 1 << 40),
      body: .transfer(to: keys[to], asset: .money, amount: amount))
  }

  /// The commands of one block.
  mutating func commands(_ count: Int) -> [(entry: Int, command: Command)] {
    (0..<count).map { ($0, next()) }
  }

  /// Throws unless every account has what the transfers come to, and `supply` is what was there at
  /// the beginning.
  func check(supply: Int64, balance: (AccountID) -> Int64?) throws {
    let start = Self.money * Int64(picks.accounts)
    try demand(supply == start, "\(start) µ¤ have become \(supply)")
    try demand(expected.reduce(0, +) == start, "the transfers do not add up")
    for (number, key) in keys.enumerated() {
      let has = balance(key)
      try demand(
        has == expected[number],
        "account \(number) has \(has ?? -1) µ¤ instead of \(expected[number])")
    }
  }
}
