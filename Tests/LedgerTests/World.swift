import Domain

@testable import Ledger

/// A small community for the tests: keys by number, the roles, and shorthands.
enum World {
  static let operatorKey = key(1_000_101)
  static let oracleKey = key(1_000_102)
  static let gatewayKey = key(1_000_103)
  static let utilityKey = key(1_000_104)
  static let communityKey = key(1_000_105)
  /// 2 kWh.
  static let maximumHeld = Energy(2_000_000)
  static let now = Timestamp(seconds: 1_000_000)

  static func key(_ number: UInt64) -> AccountID { AccountID(Bytes32(7, 0, 0, number)) }

  /// Accounts 1...members have `money`; the utility has `utilityMoney`.
  static func genesis(
    members: UInt64 = 4, money: Int64 = 1_000_000, tsl: Int64 = 5_000_000,
    utilityMoney: Int64 = 0, feePermille: Int64 = 0, areMembers: Bool = false,
    educationFund: Int64 = 1_000_000_000, grant: Int64 = 1_000_000,
    backbone: BackboneGenesis? = nil
  ) -> Genesis {
    var parameters = Parameters()
    parameters.makerFeePermille = feePermille
    parameters.educationFund = StorageTokens(educationFund)
    parameters.educationGrant = StorageTokens(grant)
    var lines = [GenesisAccount(id: utilityKey, money: Money(utilityMoney))]
    for number in 0..<members {
      lines.append(
        GenesisAccount(
          id: key(number + 1), money: Money(money), tsl: StorageTokens(tsl),
          isMember: areMembers))
    }
    return Genesis(
      name: "test", calendar: Calendar(origin: 900_000, wallOrigin: 900_000),
      parameters: parameters,
      roles: Roles(
        operator: operatorKey, oracle: oracleKey, gateway: gatewayKey, utility: utilityKey,
        community: communityKey),
      validators: [key(999)],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: lines, backbone: backbone)
  }

  static let backbone = BackboneGenesis(
    name: "between", calendar: Calendar(origin: 900_000, wallOrigin: 900_000),
    roles: BackboneRoles(operator: key(901), oracle: key(902), gateway: key(903)),
    validators: [key(999)])

  /// A grid of that backbone, whose accounts begin with nothing.
  static func dependent(grant: Int64 = 1_000_000, feePermille: Int64 = 0) -> Genesis {
    genesis(
      money: 0, tsl: 0, feePermille: feePermille, educationFund: 0, grant: grant,
      backbone: backbone)
  }

  static let elsewhere = Digest.sha256([9])

  /// To account 9 of another grid.
  static func abroad(_ asset: Asset, _ amount: Int64, grid: ChainID = elsewhere) -> CommandBody {
    .transferAbroad(grid: grid, to: key(9), asset: asset, amount: amount, deadline: 50)
  }

  static func ledger(
    _ genesis: Genesis = genesis(), maximumHeld: Energy = maximumHeld
  ) throws -> LedgerCore {
    try LedgerCore(genesis: genesis, maximumHeld: maximumHeld)
  }

  static func command(
    _ genesis: Genesis, _ signer: AccountID, _ sequence: UInt64, _ body: CommandBody,
    expires: Timestamp = now
  ) -> Command {
    Command(
      chain: genesis.chainID, signer: signer, sequence: sequence, expires: expires, body: body)
  }
}

extension LedgerCore {
  func index(_ number: UInt64) -> AccountIndex { index(of: World.key(number)) ?? AccountIndex(0) }
  func account(_ number: UInt64) -> Account { account(index(number)) }
  var utility: Account { account(index(of: World.utilityKey) ?? AccountIndex(0)) }

  /// One command alone in its block.
  mutating func run(_ command: Command, time: Timestamp = World.now) -> HoldOutcome {
    hold([(entry: 0, command: command)], time: time)
  }

  /// The rejection of one command alone in its block, or nil.
  mutating func rejection(of command: Command, time: Timestamp = World.now) -> Rejection? {
    run(command, time: time).receipts.first?.receipt.rejection
  }

  /// A whole close in which accounts export (+) or import (−), nothing is traded, and the utility
  /// settles every shortfall and what is above B_max.
  @discardableResult
  mutating func close(
    _ net: [(UInt64, Int64)], available: Bool = true, retail: Int64 = 300_000,
    feedIn: Int64 = 100_000
  ) throws -> EnergyBalanceSheet {
    var close = MeterClose(interval: interval.next)
    close.accounts = net.map { number, amount in
      World.metered(index(number), exported: max(amount, 0), imported: max(-amount, 0))
    }.sorted { $0.account < $1.account }
    let posted = try post(close)
    var settlement = UtilitySettlement(isAvailable: available)
    settlement.shortfalls = try posted.shortfalls.map { line in
      let amount = try Price(retail).cost(of: line.energy, .up)
      return UtilityPosting(
        account: line.account, energy: line.energy, amount: available ? amount : .zero)
    }
    for holding in posted.holdings where holding.energy > terms.maximumHeld {
      let energy = holding.energy - terms.maximumHeld
      let amount = try Price(feedIn).cost(of: energy, .down)
      settlement.overflows.append(
        UtilityPosting(
          account: holding.account, energy: energy, amount: available ? amount : .zero))
    }
    return try settle(settlement, close: close)
  }
}

extension World {
  static func metered(_ account: AccountIndex, exported: Int64 = 0, imported: Int64 = 0)
    -> MeteredAccount
  {
    MeteredAccount(
      account: account, minted: Energy(exported), burned: Energy(imported),
      generation: Energy(exported), consumption: Energy(imported))
  }

  static func trade(
    from seller: AccountIndex, to buyer: AccountIndex, wattHours: Int64, released: Int64,
    pays: Int64, gets: Int64, fund: Int64? = nil, coversShortfall: Bool = false
  ) -> PricedTrade {
    PricedTrade(
      trade: Trade(
        buyer: buyer, seller: seller, buyOrder: OrderID(11), sellOrder: OrderID(22),
        wattHours: wattHours, price: Price(200_000), mechanism: .continuous, taker: .buy,
        released: Money(released), coversShortfall: coversShortfall),
      buyerPays: Money(pays), sellerGets: Money(gets), networkGets: Money(fund ?? pays - gets))
  }

  static func buy(_ wattHours: Int64, at limit: Int64) -> CommandBody {
    .place(
      OrderRequest(
        side: .buy, wattHours: wattHours, limit: Price(limit), timeInForce: .goodTillCancelled))
  }

  static func sell(_ wattHours: Int64, at limit: Int64) -> CommandBody {
    .place(
      OrderRequest(
        side: .sell, wattHours: wattHours, limit: Price(limit), timeInForce: .goodTillCancelled))
  }
}
