/// Everything that a chain starts from. Its digest is the chain's id.
package struct Genesis: Hashable, Sendable, Codable {
  /// A name for people, 1...64 bytes of UTF-8.
  package var name: String
  package var calendar: Calendar
  package var parameters: Parameters
  package var roles: Roles
  /// Ed25519 keys of the first epoch's validators, in order; 1...100.
  package var validators: [PublicKey]
  package var tariff: Tariff
  package var accounts: [GenesisAccount]
  package var meters: [GenesisMeter]
  package var storage: [GenesisStorage]
  /// The backbone that the grid is part of; nil for a grid of its own. With it all of the grid's
  /// money and TSL comes over the backbone, so that its reserve there backs them: there are none at
  /// genesis.
  package var backbone: BackboneGenesis?

  package init(
    name: String, calendar: Calendar, parameters: Parameters, roles: Roles,
    validators: [PublicKey], tariff: Tariff, accounts: [GenesisAccount] = [],
    meters: [GenesisMeter] = [], storage: [GenesisStorage] = [],
    backbone: BackboneGenesis? = nil
  ) {
    self.name = name
    self.calendar = calendar
    self.parameters = parameters
    self.roles = roles
    self.validators = validators
    self.tariff = tariff
    self.accounts = accounts
    self.meters = meters
    self.storage = storage
    self.backbone = backbone
  }
}

package struct GenesisAccount: Hashable, Sendable, Codable {
  package var id: AccountID
  package var money: Money
  package var tsl: StorageTokens
  /// A member has had the education grant's chance already: it is given at genesis.
  package var isMember: Bool

  package init(
    id: AccountID, money: Money = .zero, tsl: StorageTokens = .zero, isMember: Bool = false
  ) {
    self.id = id
    self.money = money
    self.tsl = tsl
    self.isMember = isMember
  }
}

package struct GenesisMeter: Hashable, Sendable, Codable {
  package var id: MeterID
  package var account: AccountID
  package var maximumPower: Power
  package var isClean: Bool

  package init(id: MeterID, account: AccountID, maximumPower: Power, isClean: Bool) {
    self.id = id
    self.account = account
    self.maximumPower = maximumPower
    self.isClean = isClean
  }
}

package struct GenesisStorage: Hashable, Sendable, Codable {
  package var unit: UInt64
  package var owner: AccountID
  package var capacity: Energy
  package var power: Power

  package init(unit: UInt64, owner: AccountID, capacity: Energy, power: Power) {
    self.unit = unit
    self.owner = owner
    self.capacity = capacity
    self.power = power
  }
}

/// Accounts with a task. One account may have several.
package struct Roles: Hashable, Sendable, Codable {
  /// Registers members, meters and storage.
  package var `operator`: AccountID
  /// Publishes tariffs and the utility's availability.
  package var oracle: AccountID
  /// Issues money.
  package var gateway: AccountID
  /// The base-load service provider: buys and sells what the community cannot.
  package var utility: AccountID
  /// The community's own account, which makes the market.
  package var community: AccountID

  package init(
    operator: AccountID, oracle: AccountID, gateway: AccountID, utility: AccountID,
    community: AccountID
  ) {
    self.operator = `operator`
    self.oracle = oracle
    self.gateway = gateway
    self.utility = utility
    self.community = community
  }
}

/// The figures in italics of the market's rules, with their defaults.
package struct Parameters: Hashable, Sendable, Codable {
  /// Days for which late readings and corrections are taken. 1...366.
  package var lateDays: Int64 = 35
  /// C_u: storage that the community affords each user, µ¤.
  package var storageBudget = Money(300_000_000)
  /// P: price of storage capacity, µ¤ per kWh.
  package var capacityPrice = Price(200_000_000)
  /// Oversize factor of storage, in thousandths.
  package var oversizePermille: Int64 = 1500
  /// Commission at each close, micro-TSL per kWh held.
  package var commission = StorageTokens(2000)
  /// Shares of the commission in per cent; the network fund gets the rest.
  package var ownersPercent: Int64 = 80
  package var educationPercent: Int64 = 10
  /// What a new member is granted once from the education fund.
  package var educationGrant = StorageTokens(1_000_000)
  /// TSL in the education fund at genesis.
  package var educationFund = StorageTokens(1_000_000_000)
  package var makerFeePermille: Int64 = 0
  package var takerFeePermille: Int64 = 0
  /// The market maker's distance from the reference price, in thousandths of the band.
  package var makerSpreadPermille: Int64 = 250

  package init() {}

  /// The larger fee, which a buy order holds.
  package var feePermille: Int64 { max(makerFeePermille, takerFeePermille) }
}

/// The accounts that nobody has a key for: digests, not curve points that somebody chose.
package enum SystemAccount: String, CaseIterable, Sendable {
  case networkFund = "intertie/system/v1/network fund"
  case educationFund = "intertie/system/v1/education fund"

  package var id: AccountID {
    AccountID(Digest.sha256(Array(rawValue.utf8)).bytes)
  }

  /// Accounts come in this order at genesis, so these two have the same index on every chain.
  package var index: AccountIndex {
    switch self {
    case .networkFund: AccountIndex(0)
    case .educationFund: AccountIndex(1)
    }
  }
}
