// What the stages of the pipeline hand each other. A stage is a core, bare or inside its actor;
// the pure cores never see each other, only these values. Positions (`entry`) are places in the
// block, for the receipts.

// MARK: A block, once

/// Ledger.hold → Metering: a registration whose signer, sequence and role were checked.
package enum MeterInstruction: Hashable, Sendable {
  case register(
    entry: Int, meter: MeterID, account: AccountIndex, maximumPower: Power, isClean: Bool)
  case retire(entry: Int, meter: MeterID)
  case reading(entry: Int, Reading)
}

/// Ledger.hold → Market: what reaches the book, in the order of the block.
package enum BookInstruction: Hashable, Sendable {
  /// A new order. `held` µ¤ of a buyer are held for it, exactly `BuyHold.amount`.
  case place(entry: Int, account: AccountIndex, OrderRequest, held: Money)
  case cancel(entry: Int, account: AccountIndex, OrderID)
  /// `held`: the buyer's free money, up to the whole new hold, held until the book has decided;
  /// what it does not need comes back as a release. Zero for a seller, or when nothing is free.
  case replace(
    entry: Int, account: AccountIndex, OrderID, wattHours: Int64, limit: Price, held: Money)
  case setAgent(entry: Int, account: AccountIndex, AgentSettings?)
}

/// Ledger.hold → Fees.
package enum FeeInstruction: Hashable, Sendable {
  case registerStorage(
    entry: Int, unit: UInt64, owner: AccountIndex, capacity: Energy, power: Power)
  case publishTariff(entry: Int, Tariff)
  case setUtility(entry: Int, isAvailable: Bool)
}

/// Ledger.hold → the registry of validators.
package enum ValidatorInstruction: Hashable, Sendable {
  /// By the operator; the keys are within the rules of `ValidatorSet`, and have accounts.
  case propose(entry: Int, [PublicKey])
  /// By whoever has that key; `proposal` is what it calls the open one.
  case accept(entry: Int, signer: PublicKey, proposal: Digest)
}

/// A WATT balance after a stage that changed it.
package struct EnergyBalance: Hashable, Sendable {
  package var account: AccountIndex
  package var balance: Energy

  package init(account: AccountIndex, balance: Energy) {
    self.account = account
    self.balance = balance
  }
}

/// Money that is no longer held and becomes free again for the same account.
package struct Release: Hashable, Sendable {
  package var account: AccountIndex
  package var amount: Money

  package init(account: AccountIndex, amount: Money) {
    self.account = account
    self.amount = amount
  }
}

/// The receipt of the entry at a place in the block.
package struct PlacedReceipt: Hashable, Sendable {
  package var entry: Int
  package var receipt: Receipt

  package init(_ entry: Int, _ receipt: Receipt) {
    self.entry = entry
    self.receipt = receipt
  }
}

/// What Ledger.hold makes of a block's commands. A command that is here in an instruction gets
/// its receipt from the stage that it goes to; all others are in `receipts`.
package struct HoldOutcome: Sendable {
  package var receipts: [PlacedReceipt] = []
  package var meters: [MeterInstruction] = []
  package var book: [BookInstruction] = []
  package var fees: [FeeInstruction] = []
  package var validators: [ValidatorInstruction] = []
  /// Accounts whose WATT the transfers of this block changed; final balances.
  package var energy: [EnergyBalance] = []
  /// What was debited to travel to other chains, in the order of the block.
  package var departures: [Departure] = []

  package init() {}
}

package struct MatchOutcome: Sendable {
  package var receipts: [PlacedReceipt] = []
  /// In the order in which they happened.
  package var trades: [Trade] = []
  package var releases: [Release] = []

  package init() {}
}

// MARK: The close of an interval, in the order of its steps

/// What one account's meters did in the interval, late differences included.
package struct MeteredAccount: Hashable, Sendable {
  package var account: AccountIndex
  /// Exported energy and downward corrections of imports: minted. 0 or more.
  package var minted: Energy
  /// Imported energy and downward corrections of exports: burned. 0 or more.
  package var burned: Energy
  /// Part of the interval's generation: exports, with late differences of exports, may be < 0.
  package var generation: Energy
  /// Part of the interval's consumption: imports, with late differences, may be < 0.
  package var consumption: Energy
  /// Generation by meters that are registered as clean; may be < 0.
  package var clean: Energy

  package init(
    account: AccountIndex, minted: Energy = .zero, burned: Energy = .zero,
    generation: Energy = .zero, consumption: Energy = .zero, clean: Energy = .zero
  ) {
    self.account = account
    self.minted = minted
    self.burned = burned
    self.generation = generation
    self.consumption = consumption
    self.clean = clean
  }
}

/// The interval's figure of one meter as it stands after a close: what is stored in history.
package struct MeteredInterval: Hashable, Sendable {
  package var meter: UInt32
  package var interval: Interval
  package var exported: Energy
  package var imported: Energy
  package var quality: ReadingQuality
  package var version: UInt16

  package init(
    meter: UInt32, interval: Interval, exported: Energy, imported: Energy,
    quality: ReadingQuality, version: UInt16
  ) {
    self.meter = meter
    self.interval = interval
    self.exported = exported
    self.imported = imported
    self.quality = quality
    self.version = version
  }
}

/// (1) Metering's part of a close.
package struct MeterClose: Sendable {
  package var interval: Interval
  /// By account, ascending; only accounts with something to post.
  package var accounts: [MeteredAccount] = []
  /// The closed interval of every meter in service, then the late corrections of older ones.
  package var figures: [MeteredInterval] = []
  /// Meters that were silent and got an estimate.
  package var estimated: Int = 0
  /// Late readings and corrections settled in this close.
  package var late: Int = 0
  /// Of the same interval a day before, for the reference price (rules 7.2): the sum of the
  /// accounts' positive net exports, and of their positive net imports. Zero when unknown.
  package var expectedSurplus: Energy = .zero
  package var expectedDeficit: Energy = .zero

  package init(interval: Interval) { self.interval = interval }
}

/// What an account holds after (1).
package struct Holding: Hashable, Sendable {
  package var account: AccountIndex
  package var energy: Energy
  package var tsl: StorageTokens
  /// Net export of the interval (minted − burned), for sharing what exceeds capacity.
  package var netExport: Energy
  /// The part of B_max that an open coupling round takes: what may come back to the account, or
  /// be bought for it.
  package var reserved: Energy
  /// Energy of its orders that waits in escrow for a coupling round: it is stored, and pays the
  /// commission, as `energy` does, of which it is no part.
  package var inEscrow: Energy

  package init(
    account: AccountIndex, energy: Energy, tsl: StorageTokens, netExport: Energy,
    reserved: Energy = .zero, inEscrow: Energy = .zero
  ) {
    self.account = account
    self.energy = energy
    self.tsl = tsl
    self.netExport = netExport
    self.reserved = reserved
    self.inEscrow = inEscrow
  }
}

package struct AccountEnergy: Hashable, Sendable {
  package var account: AccountIndex
  package var energy: Energy

  package init(_ account: AccountIndex, _ energy: Energy) {
    self.account = account
    self.energy = energy
  }
}

/// Ledger's answer to (1): minted, burned, and what was missing.
package struct PostedClose: Sendable {
  /// Every account that holds WATT, or has some in escrow, ascending.
  package var holdings: [Holding] = []
  /// Consumption beyond the WATT held, ascending by account; amounts above zero.
  package var shortfalls: [AccountEnergy] = []
  /// WATT balances that changed.
  package var energy: [EnergyBalance] = []
  /// Energy of orders that waits in escrow for a coupling round, all accounts together: it takes
  /// room in the community's storage.
  package var inEscrow: Energy = .zero

  package init() {}
}

package struct Commission: Hashable, Sendable {
  package var account: AccountIndex
  package var amount: StorageTokens

  package init(account: AccountIndex, amount: StorageTokens) {
    self.account = account
    self.amount = amount
  }
}

package struct TokenShare: Hashable, Sendable {
  package var account: AccountIndex
  package var amount: Int64

  package init(account: AccountIndex, amount: Int64) {
    self.account = account
    self.amount = amount
  }
}

/// (2) Fees' part: commission, its shares, and the overflow.
package struct CloseAssessment: Sendable {
  package var interval: Interval
  package var retail: Price
  package var feedIn: Price
  package var isUtilityAvailable: Bool
  /// Who pays how much TSL, ascending by account.
  package var commissions: [Commission] = []
  /// Who gets how much of it; sums to the commissions.
  package var shares: [TokenShare] = []
  /// Energy that leaves its holder's storage, ascending by account; amounts above zero.
  package var overflows: [AccountEnergy] = []

  package init(interval: Interval, retail: Price, feedIn: Price, isUtilityAvailable: Bool) {
    self.interval = interval
    self.retail = retail
    self.feedIn = feedIn
    self.isUtilityAvailable = isUtilityAvailable
  }
}

/// An account's money that Ledger holds for the close: all that is free, zero under arrears.
/// What the auction does not use comes back as a release.
package struct Budget: Hashable, Sendable {
  package var account: AccountIndex
  package var held: Money

  package init(account: AccountIndex, held: Money) {
    self.account = account
    self.held = held
  }
}

/// (3) and (4) What the book needs for its part of a close.
package struct AuctionInput: Sendable {
  package var interval: Interval
  package var retail: Price
  package var feedIn: Price
  /// WATT balances that changed since the book last heard, final after (1).
  package var energy: [EnergyBalance] = []
  package var shortfalls: [AccountEnergy] = []
  package var overflows: [AccountEnergy] = []
  /// Of every account that may buy automatically: shortfalls, agents, the market maker.
  package var budgets: [Budget] = []
  /// Surplus and deficit of the community in the same interval a day before, for 7.2.
  package var expectedSurplus: Energy = .zero
  package var expectedDeficit: Energy = .zero
  /// The grid's own id when it can bid in the coupling round of the interval; nil when it cannot.
  package var bidder: ChainID?

  package init(interval: Interval, retail: Price, feedIn: Price) {
    self.interval = interval
    self.retail = retail
    self.feedIn = feedIn
  }
}

/// What the book's part of a close came to. Its own view of WATT is then: trades applied (those
/// that cover a shortfall burn at the buyer), unsold overflow removed.
package struct AuctionOutcome: Sendable {
  package var trades: [Trade] = []
  package var releases: [Release] = []
  /// Price of the call auction; nil without a trade in it.
  package var clearingPrice: Price?
  package var referencePrice: Price
  /// What is still missing, and what is still too much: for the coupling round, then the utility.
  package var unfilledShortfalls: [AccountEnergy] = []
  package var unsoldOverflows: [AccountEnergy] = []
  /// What the grid bids in the round; nil when it cannot, or has nothing to offer or to ask for.
  package var offer: RoundOffer?
  /// Rules 6.9, over all trades of the interval, in µ¤·Wh/kWh: money × 1000.
  package var tradedSurplus: Int128 = 0
  package var optimalSurplus: Int128 = 0

  package init(referencePrice: Price) { self.referencePrice = referencePrice }
}

/// (6) What the utility, or its absence, makes of the rest; amounts above zero.
package struct UtilityPosting: Hashable, Sendable {
  package var account: AccountIndex
  package var energy: Energy
  /// Money: rounded up where the account pays, down where it is paid; zero when islanded.
  package var amount: Money

  package init(account: AccountIndex, energy: Energy, amount: Money) {
    self.account = account
    self.energy = energy
    self.amount = amount
  }
}

package struct UtilitySettlement: Sendable {
  package var isAvailable: Bool
  /// Imports when available, else unserved energy.
  package var shortfalls: [UtilityPosting] = []
  /// Exports when available, else curtailed energy.
  package var overflows: [UtilityPosting] = []

  package init(isAvailable: Bool) { self.isAvailable = isAvailable }
}

/// The two sides of rules 4.6 for one interval, to the milliwatt-hour.
package struct EnergyBalanceSheet: Hashable, Sendable {
  package var generation: Energy = .zero
  package var utilityImport: Energy = .zero
  package var tieImport: Energy = .zero
  package var unserved: Energy = .zero
  package var consumption: Energy = .zero
  package var utilityExport: Energy = .zero
  package var tieExport: Energy = .zero
  package var curtailed: Energy = .zero
  /// Change in WATT held over the close, from the ledger's supply.
  package var stored: Energy = .zero

  package init() {}

  package var sources: Energy { generation + utilityImport + tieImport + unserved }
  package var uses: Energy { consumption + utilityExport + tieExport + curtailed + stored }
  package var isBalanced: Bool { sources == uses }
}
