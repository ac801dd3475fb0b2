import Domain

/// What storing and trading costs, and who gets it: storage units, the utility's tariff and
/// availability, commission, overflow, the price of a trade, rewards.
///
/// Pure: the same instructions and closes give the same answers on every replica.
package struct FeesCore: Sendable {
  package let calendar: Calendar
  package let parameters: Parameters
  /// B_max: the most energy that an account may hold.
  package let maximumHeld: Energy
  var storage = StorageRegistry()
  var tariffs: TariffSchedule
  /// The next interval to assess.
  package internal(set) var nextClose: Interval
  /// False when islanded; read at each close.
  package internal(set) var isUtilityAvailable = true
  /// Clean energy that was stored and rewarded, since genesis; never falls.
  package internal(set) var cleanStored: Energy = .zero
  /// Corrections downwards that no clean energy has made good yet, 0 or less.
  package internal(set) var cleanOwed: Energy = .zero
  /// The units in canonical bytes, until they change.
  var storageChunk: StateChunk?

  /// The state at genesis. `tariff` and `storage` are as `Genesis.faults` asks for them, and
  /// `maximumHeld` comes from the function of this name.
  package init(
    calendar: Calendar, parameters: Parameters, tariff: Tariff,
    storage: [(unit: GenesisStorage, owner: AccountIndex)], maximumHeld: Energy
  ) {
    self.calendar = calendar
    self.parameters = parameters
    self.maximumHeld = maximumHeld
    nextClose = calendar.firstInterval
    tariffs = TariffSchedule(tariff, from: calendar.firstInterval)
    for (unit, owner) in storage {
      let line = StorageUnit(
        unit: unit.unit, owner: owner, capacity: unit.capacity, power: unit.power)
      do { try self.storage.register(line) } catch {
        preconditionFailure("a genesis without faults has no such storage unit: \(line)")
      }
    }
  }

  /// For the restoring of a snapshot.
  init(
    calendar: Calendar, parameters: Parameters, maximumHeld: Energy, nextClose: Interval,
    tariffs: TariffSchedule
  ) {
    self.calendar = calendar
    self.parameters = parameters
    self.maximumHeld = maximumHeld
    self.nextClose = nextClose
    self.tariffs = tariffs
  }

  /// B_max for these parameters, mWh. Throws `malformed` for a parameter out of range,
  /// `overflow` when it does not fit 64 bits.
  package static func maximumHeld(_ parameters: Parameters) throws(Rejection) -> Energy {
    try StorageSizing.maximumHeld(parameters)
  }

  // MARK: Reads

  /// The utility's prices in an interval, as they are published so far.
  package func tariff(at interval: Interval) -> (retail: Price, feedIn: Price) {
    let tariff = tariffs.tariff(at: interval)
    let slot = calendar.slot(of: interval)
    return (tariff.retail[slot], tariff.feedIn[slot])
  }

  /// The community's capacity: that of all units together, and Energy.max beyond 64 bits.
  package var capacity: Energy { Energy(Int64(clamping: storage.capacity)) }

  /// By number, ascending.
  package var storageUnits: ContiguousArray<StorageUnit> { storage.units }

  /// By account, ascending.
  package var storageOwners: ContiguousArray<StorageOwner> { storage.owners }

  // MARK: Transitions

  /// Applies a block's instructions in their order; one receipt for each.
  package mutating func apply(
    _ instructions: [FeeInstruction], time: Timestamp
  ) -> [PlacedReceipt] {
    var receipts: [PlacedReceipt] = []
    receipts.reserveCapacity(instructions.count)
    for instruction in instructions {
      let entry: Int
      let rejection: Rejection?
      switch instruction {
      case .registerStorage(let place, let unit, let owner, let capacity, let power):
        entry = place
        rejection = register(
          StorageUnit(unit: unit, owner: owner, capacity: capacity, power: power))
      case .publishTariff(let place, let tariff):
        entry = place
        rejection = publish(tariff, time: time)
      case .setUtility(let place, let isAvailable):
        entry = place
        isUtilityAvailable = isAvailable
        rejection = nil
      }
      receipts.append(PlacedReceipt(entry, Receipt(rejection: rejection)))
    }
    return receipts
  }

  private mutating func register(_ unit: StorageUnit) -> Rejection? {
    do { try storage.register(unit) } catch { return error }
    storageChunk = nil
    return nil
  }

  private mutating func publish(_ tariff: Tariff, time: Timestamp) -> Rejection? {
    do { try tariff.validate(intervalsPerDay: Int(calendar.intervalsPerDay)) } catch {
      return error
    }
    tariffs.publish(tariff, from: calendar.interval(at: time).next)
    return nil
  }

  /// Prices a block's trades, in their order.
  package func assess(_ trades: [Trade]) throws(InvariantViolation) -> [PricedTrade] {
    let pricing = TradePricing(
      makerFeePermille: parameters.makerFeePermille,
      takerFeePermille: parameters.takerFeePermille)
    var priced: [PricedTrade] = []
    priced.reserveCapacity(trades.count)
    for trade in trades { priced.append(try pricing.price(trade)) }
    return priced
  }

  /// Prices what a coupling round gives, in its order.
  package func price(
    _ trades: [RoundTrade]
  ) throws(InvariantViolation) -> [PricedRoundTrade] {
    let pricing = TradePricing(
      makerFeePermille: parameters.makerFeePermille,
      takerFeePermille: parameters.takerFeePermille)
    var priced: [PricedRoundTrade] = []
    priced.reserveCapacity(trades.count)
    for trade in trades { priced.append(try pricing.price(trade)) }
    return priced
  }
}
