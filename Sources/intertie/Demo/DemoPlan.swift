import Domain

/// Everybody in a community, with fresh keys.
package struct DemoKeys: Sendable {
  struct Home: Sendable {
    var name: String
    var account = SigningKey.generate()
    var meter = SigningKey.generate()
  }

  var node = SigningKey.generate()
  var lead = SigningKey.generate()
  var oracle = SigningKey.generate()
  /// Brings money to a community of its own; beside a backbone its gateway does.
  var gateway = SigningKey.generate()
  var utility = SigningKey.generate()
  var community = SigningKey.generate()
  /// Owns the larger of both batteries.
  var cooperative = SigningKey.generate()
  var homes: [Home]

  package init(homes names: [String]) { homes = names.map { Home(name: $0) } }

  /// Each key but the node's, with the name of its file.
  var named: [(name: String, key: SigningKey)] {
    [
      ("operator", lead), ("oracle", oracle), ("gateway", gateway), ("utility", utility),
      ("community", community), ("cooperative", cooperative),
    ]
      + homes.flatMap { [($0.name, $0.account), ("\($0.name)-meter", $0.meter)] }
  }
}

/// What one community does, and when, in chain time.
package struct DemoPlan: Sendable {
  var measured: MeasuredDays
  var keys: DemoKeys
  package var genesis: Genesis
  /// What is entered by hand.
  var hands: [HandOrder]
  /// From which the homes' habits are drawn: the first home's, the next one's is one more.
  var seed: UInt64

  /// The utility pays this for energy, µ¤ per kWh. The data has no export price: an assumption.
  static let feedIn = Price(80_000)
  /// A house connection of 100 A at 240 V: no reading may be above it.
  static let connection = Power(24_000_000)
  static let homeMoney = Money(200_000_000)
  static let utilityMoney = Money(10_000_000_000)
  static let communityMoney = Money(50_000_000)
  /// With the education grant of a new member where there is one.
  static let homeTokens = StorageTokens(5_000_000)
  static let communityTokens = StorageTokens(1_000_000_000)
  /// Hours at which the oracle publishes, each time the next day's prices of the hours that are
  /// past by an hour: so every price is published half a day before its time.
  package static let publicationHours = [4, 16]

  /// With a backbone, all money and TSL comes over it.
  package init(
    _ measured: MeasuredDays, keys: DemoKeys, calendar: Calendar, hands: [HandOrder] = [],
    seed: UInt64 = 2017, backbone: BackboneGenesis? = nil
  ) {
    self.measured = measured
    self.keys = keys
    self.seed = seed
    let homes = Set(measured.homes.map(\.name))
    self.hands = hands.filter { homes.contains($0.home) && $0.day < measured.days }
    var parameters = Parameters()
    if backbone != nil { parameters.educationFund = .zero }
    genesis = Genesis(
      name: measured.name, calendar: calendar, parameters: parameters,
      roles: Roles(
        operator: keys.lead.publicKey, oracle: keys.oracle.publicKey,
        gateway: keys.gateway.publicKey, utility: keys.utility.publicKey,
        community: keys.community.publicKey),
      validators: [keys.node.publicKey], tariff: Self.tariff(day: 0, of: measured),
      accounts: backbone == nil
        ? [GenesisAccount(id: keys.community.publicKey, tsl: Self.communityTokens)] : [],
      backbone: backbone)
  }

  /// A calendar whose clock passes the days' first midnight `lead` wall-clock seconds after
  /// `wallOrigin`: the time before is for the registrations. An interval takes about so many
  /// seconds.
  static func calendar(
    of measured: MeasuredDays, interval seconds: Double, closeDelay: Int64, lead: Int64,
    wallOrigin: Int64
  ) -> Calendar {
    let rate = Int64((900 / seconds).rounded())
    return Calendar(
      closeDelaySeconds: closeDelay, origin: measured.start - lead * rate, wallOrigin: wallOrigin,
      rate: rate)
  }

  var calendar: Calendar { genesis.calendar }
  var start: Timestamp { Timestamp(seconds: measured.start) }
  var first: Interval { calendar.interval(at: start) }
  var last: Interval { first.advanced(by: Int64(measured.intervals) - 1) }
  var isCoupled: Bool { genesis.backbone != nil }

  /// The interval after the last, whose close settles what came late for it.
  var settling: Interval { last.next }

  /// What a home's meter sees in an interval of the days.
  func flow(_ home: Int, _ interval: Interval) -> (exported: Energy, imported: Energy) {
    measured.flow(home, interval: Int(interval.index - first.index))
  }

  /// Commands are valid for a day beyond the days.
  var expiry: Timestamp { start.advanced(bySeconds: Int64(measured.days + 1) * 86_400) }

  // MARK: The community

  /// What the storage budgets of all homes buy; by the sizing rule the same: homes × mean energy
  /// stored (half of B_max) × oversize factor.
  var capacity: Energy {
    let parameters = genesis.parameters
    let affordable = parameters.storageBudget.raw * 1_000_000 / parameters.capacityPrice.raw
    return Energy(affordable * Int64(measured.homes.count))
  }

  /// A third of the storage stands in a home's garage, the rest is the cooperative's.
  var batteryHome: Int { min(6, measured.homes.count - 1) }
  var homeBattery: Energy { Energy(capacity.raw / 3) }

  /// What operator, gateway and community sign before the first day, all of it for accounts that
  /// the genesis knows.
  var registrations: [(SigningKey, CommandBody)] {
    var commands: [(SigningKey, CommandBody)] = []
    for home in keys.homes {
      let account = home.account.publicKey
      commands += [
        (keys.lead, .admitMember(account)),
        (
          keys.lead,
          .registerMeter(
            home.meter.publicKey, account: account, maximumPower: Self.connection, isClean: true)
        ),
      ]
    }
    let batteries: [(owner: AccountID, capacity: Energy)] = [
      (keys.cooperative.publicKey, capacity - homeBattery),
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
    return isCoupled ? commands : commands + ownFunding
  }

  /// What each account has to begin with.
  var funding: [(account: AccountID, money: Money, tsl: StorageTokens)] {
    [
      (keys.utility.publicKey, Self.utilityMoney, .zero),
      (keys.community.publicKey, Self.communityMoney, Self.communityTokens),
    ] + keys.homes.map { ($0.account.publicKey, Self.homeMoney, Self.homeTokens) }
  }

  /// The same in a community of its own, whose account has the TSL, and whose members have got the
  /// education grant.
  private var ownFunding: [(SigningKey, CommandBody)] {
    let grant = genesis.parameters.educationGrant
    return funding.map { (keys.gateway, .issue(to: $0.account, amount: $0.money)) }
      + keys.homes.map { home in
        (
          keys.community,
          .transfer(
            to: home.account.publicKey, asset: .tsl, amount: (Self.homeTokens - grant).raw)
        )
      }
  }

  var retirements: [(SigningKey, CommandBody)] {
    keys.homes.map { (keys.lead, .retireMeter($0.meter.publicKey)) }
  }

  // MARK: The utility's prices

  static func tariff(day: Int, of measured: MeasuredDays) -> Tariff {
    let retail = measured.retail(day: day).flatMap { repeatElement($0, count: measured.parts) }
    return Tariff(retail: retail, feedIn: retail.map { min($0, feedIn) })
  }

  /// What is published at an hour of a day.
  package func tariff(day: Int, hour: Int) -> Tariff {
    var tariff = Self.tariff(day: day, of: measured)
    guard day + 1 < measured.days else { return tariff }
    let next = Self.tariff(day: day + 1, of: measured)
    let passed = (hour - 1) * MeasuredDays.intervalsOfHour
    tariff.retail.replaceSubrange(..<passed, with: next.retail[..<passed])
    tariff.feedIn.replaceSubrange(..<passed, with: next.feedIn[..<passed])
    return tariff
  }

  /// The hours of a day in which the utility is dearest; nil where it always costs the same.
  func peak(day: Int) -> Range<Int>? {
    let steps = Array(measured.retail(day: day))
    guard let dearest = steps.max(), let cheapest = steps.min(), cheapest < dearest,
      let start = steps.firstIndex(of: dearest), let end = steps.lastIndex(of: dearest)
    else { return nil }
    return (start / measured.stepsOfHour)..<((end + measured.stepsOfHour) / measured.stepsOfHour)
  }
}
