import Domain

@testable import Fees

let calendar = Calendar(origin: 1_700_000_100, wallOrigin: 1_700_000_100)
let first = calendar.firstInterval

func flat(_ retail: Int64, _ feedIn: Int64) -> Tariff {
  Tariff(retail: Price(retail), feedIn: Price(feedIn), intervalsPerDay: 96)
}

func genesisUnit(_ unit: UInt64, _ capacity: Int64) -> GenesisStorage {
  GenesisStorage(
    unit: unit, owner: SystemAccount.networkFund.id, capacity: Energy(capacity),
    power: Power(1_000_000))
}

/// Owners 5 and 6 with 6 and 2 kWh, as in the rules' example, unless told otherwise.
func core(
  parameters: Parameters = Parameters(), tariff: Tariff = flat(300_000, 100_000),
  storage: [(unit: UInt64, owner: Int, capacity: Int64)] = [
    (1, 5, 6_000_000), (2, 6, 2_000_000),
  ], maximumHeld: Int64 = 2_000_000
) -> FeesCore {
  FeesCore(
    calendar: calendar, parameters: parameters, tariff: tariff,
    storage: storage.map { (genesisUnit($0.unit, $0.capacity), AccountIndex($0.owner)) },
    maximumHeld: Energy(maximumHeld))
}

func holding(
  _ account: Int, _ energy: Int64, tsl: Int64 = 1_000_000, netExport: Int64 = 0
) -> Holding {
  Holding(
    account: AccountIndex(account), energy: Energy(energy), tsl: StorageTokens(tsl),
    netExport: Energy(netExport))
}

func energies(_ lines: [(Int, Int64)]) -> [AccountEnergy] {
  lines.map { AccountEnergy(AccountIndex($0.0), Energy($0.1)) }
}

func shares(_ lines: [(Int, Int64)]) -> [TokenShare] {
  lines.map { TokenShare(account: AccountIndex($0.0), amount: $0.1) }
}

func commissions(_ lines: [(Int, Int64)]) -> [Commission] {
  lines.map { Commission(account: AccountIndex($0.0), amount: StorageTokens($0.1)) }
}

/// A time inside the interval that is `offset` after the first.
func time(_ offset: Int64, seconds: Int64 = 7) -> Timestamp {
  calendar.start(of: first.advanced(by: offset)).advanced(bySeconds: seconds)
}

func trade(
  wattHours: Int64, price: Int64, taker: Side? = nil, released: Int64 = .max,
  mechanism: Mechanism = .continuous
) -> Trade {
  Trade(
    buyer: AccountIndex(8), seller: AccountIndex(9), buyOrder: OrderID(1), sellOrder: OrderID(2),
    wattHours: wattHours, price: Price(price), mechanism: mechanism, taker: taker,
    released: Money(released))
}
