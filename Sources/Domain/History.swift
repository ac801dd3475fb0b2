/// What moved an account's balances; the raw values are stored.
package enum HistoryKind: UInt8, Sendable, CaseIterable {
  /// A command of the account's own and its outcome; `reference` is its sequence.
  case command = 1
  /// `reference` is the order; counterparty the other side.
  case bought = 2
  case sold = 3
  case transferIn = 4
  case transferOut = 5
  /// By the gateway; on a grid with a backbone also TSL, and `reference` is the packet.
  case issued = 6
  case redeemed = 7
  /// The education grant.
  case granted = 8
  /// The interval's metering: minted less burned. From here on `reference` is the interval.
  case metered = 9
  /// Storage commission paid, and a storage owner's or fund's share of it.
  case commission = 10
  case commissionShare = 11
  /// Shortfall bought from, and overflow sold to, the utility.
  case utilityPurchase = 12
  case utilitySale = 13
  /// Islanded: energy that was not served, and energy that was curtailed.
  case unserved = 14
  case curtailed = 15
  /// ECT for clean energy stored.
  case rewarded = 16
  /// Arrears paid out of a credit; counterparty is the creditor.
  case arrearsPaid = 17
  case arrearsReceived = 18
  /// Sent to another grid. From here on `reference` is the packet, which a refund names again.
  case sentAbroad = 19
  /// From another grid, or an account of the backbone.
  case receivedFromAbroad = 20
  /// Money for the backbone's gateway.
  case withdrawn = 21
  /// What was sent or withdrawn came back, since the backbone did not execute it.
  case refunded = 22
}

/// One line of an account's history: changes of its balances, held parts included.
package struct HistoryLine: Hashable, Sendable {
  package var account: AccountIndex
  package var kind: HistoryKind
  package var watt: Energy = .zero
  package var money: Money = .zero
  package var tsl: StorageTokens = .zero
  package var ect: RewardTokens = .zero
  package var counterparty: AccountIndex?
  /// Order, sequence, interval or packet, as the kind says.
  package var reference: UInt64
  /// Place in the block of the command behind it, if there is one.
  package var entry: UInt32?

  package init(
    _ account: AccountIndex, _ kind: HistoryKind, reference: UInt64, entry: UInt32? = nil,
    counterparty: AccountIndex? = nil
  ) {
    self.account = account
    self.kind = kind
    self.reference = reference
    self.entry = entry
    self.counterparty = counterparty
  }
}
