/// A request by an account holder, signed with the account's key.
package struct Command: Hashable, Sendable {
  package var chain: ChainID
  package var signer: AccountID
  /// Never used before by this signer: above the highest used, or one of the 63 unused below it
  /// (an anti-replay window as in RFC 4303, section 3.4.3). From 1.
  package var sequence: UInt64
  /// The last block time at which the command may be executed.
  package var expires: Timestamp
  package var body: CommandBody

  package init(
    chain: ChainID, signer: AccountID, sequence: UInt64, expires: Timestamp, body: CommandBody
  ) {
    self.chain = chain
    self.signer = signer
    self.sequence = sequence
    self.expires = expires
    self.body = body
  }
}

package enum CommandBody: Hashable, Sendable {
  /// Moves a free balance; WATT only as far as the receiver may hold it. An account that was
  /// never seen comes into being.
  case transfer(to: AccountID, asset: Asset, amount: Int64)
  /// Sends a free balance of money, TSL or ECT to an account of another grid, over the backbone;
  /// debited at once, and refunded if the backbone does not execute it. `deadline` is the last
  /// height of the backbone at which it may. The receipt names the packet that is under way.
  case transferAbroad(
    grid: ChainID, to: AccountID, asset: Asset, amount: Int64, deadline: UInt64)
  case place(OrderRequest)
  /// Ends an order. A part of it that is in a coupling round stays there: it trades with the
  /// round's result or ends with it, and does not come back.
  case cancel(OrderID)
  /// New quantity and limit; keeps its place only if the limit stays and the quantity falls. A part
  /// that is in a coupling round stays the old order's, as when that is cancelled; the new quantity
  /// and its hold are for the rest alone.
  case replace(OrderID, wattHours: Int64, limit: Price)
  /// Sets the signer's agent; nil removes it.
  case setAgent(AgentSettings?)
  /// Operator: makes the account a member, which earns the education grant once.
  case admitMember(AccountID)
  /// Operator: a meter, its account, its maximum power, and whether its energy is clean.
  case registerMeter(MeterID, account: AccountID, maximumPower: Power, isClean: Bool)
  /// Operator: no further readings; what is open is closed with what is known.
  case retireMeter(MeterID)
  /// Operator: a storage unit; a capacity of zero removes it.
  case registerStorage(unit: UInt64, owner: AccountID, capacity: Energy, power: Power)
  /// Oracle: the utility's tariff, in force from the next interval on.
  case publishTariff(Tariff)
  /// Oracle: whether the utility can deliver (false: islanded), from the next close on.
  case setUtility(isAvailable: Bool)
  /// Gateway: money that enters the grid. Not on a grid with a backbone, whose money comes from
  /// the backbone's gateway.
  case issue(to: AccountID, amount: Money)
  /// Money that leaves the grid: burned from the signer, paid out by the gateway. On a grid with a
  /// backbone a withdrawal to the backbone's gateway, under way as in `transferAbroad`.
  case redeem(amount: Money)
  /// Operator: another set of validators, in the order of their turns, in place of any proposal
  /// that is open. The set as it is withdraws the open proposal.
  case proposeValidators([PublicKey])
  /// A validator, present or proposed: accepts the open proposal, named by `ValidatorSet.digest`.
  /// It takes effect when a quorum of both sets has accepted.
  case acceptValidators(Digest)
  /// What only the backbone does.
  case backbone(BackboneCommandBody)
}

/// The utility's prices for every interval of the day (UTC), µ¤ per kWh.
package struct Tariff: Hashable, Sendable, Codable {
  /// What the utility sells at; one for each interval of the day.
  package var retail: [Price]
  /// What the utility buys at, never above retail; one for each interval of the day.
  package var feedIn: [Price]

  package init(retail: [Price], feedIn: [Price]) {
    self.retail = retail
    self.feedIn = feedIn
  }

  package init(retail: Price, feedIn: Price, intervalsPerDay: Int) {
    self.retail = Array(repeating: retail, count: intervalsPerDay)
    self.feedIn = Array(repeating: feedIn, count: intervalsPerDay)
  }

  /// Throws `malformed` unless both have `intervalsPerDay` prices in 0...Limits.price and
  /// feed-in is nowhere above retail.
  package func validate(intervalsPerDay: Int) throws(Rejection) {
    guard retail.count == intervalsPerDay, feedIn.count == intervalsPerDay else {
      throw .malformed
    }
    for (sell, buy) in zip(retail, feedIn) {
      guard buy.raw >= 0, buy <= sell, sell.raw <= Limits.price else { throw .malformed }
    }
  }
}
