import Domain

/// Everybody who takes part, with fresh keys.
struct DemoKeys: Sendable {
  struct Home: Sendable {
    var name: String
    var account = SigningKey.generate()
    var meter = SigningKey.generate()
  }

  var node = SigningKey.generate()
  var lead = SigningKey.generate()
  var oracle = SigningKey.generate()
  var gateway = SigningKey.generate()
  var utility = SigningKey.generate()
  var community = SigningKey.generate()
  /// Owns the larger of both batteries.
  var cooperative = SigningKey.generate()
  var homes: [Home]

  init(homes names: [String]) { homes = names.map { Home(name: $0) } }

  /// Each key with the name of its file.
  var named: [(name: String, key: SigningKey)] {
    [
      ("node", node), ("operator", lead), ("oracle", oracle), ("gateway", gateway),
      ("utility", utility), ("community", community), ("cooperative", cooperative),
    ]
      + homes.flatMap { [($0.name, $0.account), ("\($0.name)-meter", $0.meter)] }
  }
}

/// What the demonstration does, and when, in chain time.
struct DemoPlan: Sendable {
  var week: MeasuredWeek
  var keys: DemoKeys
  var genesis: Genesis

  /// The utility pays this for energy, µ¤ per kWh. The data has no export price: an assumption.
  static let feedIn = Price(80_000)
  static let partsOfHour = 4
  /// A house connection of 100 A at 240 V: no reading may be above it.
  static let connection = Power(24_000_000)
  static let homeMoney = Money(200_000_000)
  static let utilityMoney = Money(10_000_000_000)
  static let communityMoney = Money(50_000_000)
  static let homeTokens = StorageTokens(4_000_000)
  static let communityTokens = StorageTokens(1_000_000_000)
  /// When the oracle publishes the next day's prices: in the evening, after the last change of
  /// price of the day, since a tariff is in force from the next interval on.
  static let publicationHour: Int64 = 22

  /// A chain whose clock passes the week's first midnight `lead` wall-clock seconds after
  /// `wallOrigin`: the time before is for the registrations.
  init(week: MeasuredWeek, keys: DemoKeys, minutes: Double, lead: Int64, wallOrigin: Int64) {
    self.week = week
    self.keys = keys
    let rate = Int64((604_800 / (minutes * 60)).rounded())
    let calendar = Calendar(
      closeDelaySeconds: 840, origin: week.start - lead * rate, wallOrigin: wallOrigin, rate: rate)
    genesis = Genesis(
      name: "Sierra Crest", calendar: calendar, parameters: Parameters(),
      roles: Roles(
        operator: keys.lead.publicKey, oracle: keys.oracle.publicKey,
        gateway: keys.gateway.publicKey, utility: keys.utility.publicKey,
        community: keys.community.publicKey),
      validators: [keys.node.publicKey], tariff: Self.tariff(day: 0, of: week),
      accounts: [GenesisAccount(id: keys.community.publicKey, tsl: Self.communityTokens)])
  }

  var calendar: Calendar { genesis.calendar }
  var weekStart: Timestamp { Timestamp(seconds: week.start) }
  var first: Interval { calendar.interval(at: weekStart) }
  var last: Interval { first.advanced(by: Int64(MeasuredWeek.hours * Self.partsOfHour) - 1) }

  /// The interval after the week, whose close settles what came late for the last one.
  var settling: Interval { last.next }

  /// What a home's meter sees in an interval of the week.
  func flow(_ home: Int, _ interval: Interval) -> (exported: Energy, imported: Energy) {
    let part = Int(interval.index - first.index)
    return week.homes[home].flow(
      hour: part / Self.partsOfHour, part: part % Self.partsOfHour, of: Self.partsOfHour)
  }

  /// Commands are valid for a day beyond the week.
  var expiry: Timestamp { weekStart.advanced(bySeconds: 8 * 86_400) }

  // MARK: The community

  /// What the storage budgets of all homes buy; by the sizing rule the same: homes × mean energy
  /// stored (half of B_max) × oversize factor.
  var capacity: Energy {
    let parameters = genesis.parameters
    let affordable = parameters.storageBudget.raw * 1_000_000 / parameters.capacityPrice.raw
    return Energy(affordable * Int64(week.homes.count))
  }

  /// A third of the storage stands in a home's garage, the rest is the cooperative's.
  var batteryHome: Int { min(6, week.homes.count - 1) }
  var homeBattery: Energy { Energy(capacity.raw / 3) }

  /// What operator, gateway and community sign before the week, all of it for accounts that the
  /// genesis knows.
  var registrations: [(SigningKey, CommandBody)] {
    var commands: [(SigningKey, CommandBody)] = [
      (keys.gateway, .issue(to: keys.utility.publicKey, amount: Self.utilityMoney)),
      (keys.gateway, .issue(to: keys.community.publicKey, amount: Self.communityMoney)),
    ]
    for home in keys.homes {
      let account = home.account.publicKey
      commands += [
        (keys.lead, .admitMember(account)),
        (
          keys.lead,
          .registerMeter(
            home.meter.publicKey, account: account, maximumPower: Self.connection, isClean: true)
        ),
        (keys.gateway, .issue(to: account, amount: Self.homeMoney)),
        (keys.community, .transfer(to: account, asset: .tsl, amount: Self.homeTokens.raw)),
      ]
    }
    let rest = capacity - homeBattery
    let batteries: [(owner: AccountID, capacity: Energy)] = [
      (keys.cooperative.publicKey, rest),
      (keys.homes[batteryHome].account.publicKey, homeBattery),
    ]
    for (unit, battery) in batteries.enumerated() {
      commands.append(
        (
          keys.lead,
          .registerStorage(
            unit: UInt64(unit + 1), owner: battery.owner, capacity: battery.capacity,
            power: Power(battery.capacity.raw / 2))
        ))
    }
    return commands
  }

  var retirements: [(SigningKey, CommandBody)] {
    keys.homes.map { (keys.lead, .retireMeter($0.meter.publicKey)) }
  }

  // MARK: The utility's prices

  static func tariff(day: Int, of week: MeasuredWeek) -> Tariff {
    let hours = week.retail[(day * 24)..<(day * 24 + 24)]
    let retail = hours.flatMap { repeatElement($0, count: partsOfHour) }
    return Tariff(retail: retail, feedIn: retail.map { min($0, feedIn) })
  }

  /// The hours of a day in which the utility is dearest; nil where it always costs the same.
  func peak(day: Int) -> Range<Int>? {
    let hours = Array(week.retail[(day * 24)..<(day * 24 + 24)])
    guard let dearest = hours.max(), let cheapest = hours.min(), cheapest < dearest,
      let start = hours.firstIndex(of: dearest), let end = hours.lastIndex(of: dearest)
    else { return nil }
    return start..<(end + 1)
  }
}
