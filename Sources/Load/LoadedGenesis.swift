import Domain

/// A genesis that has simulated meters and members in it, so that a run need not enrol them.
package enum LoadedGenesis {
  /// What members get, and how fast the chain's time is to pass.
  package struct Settings: Hashable, Sendable {
    /// Of each member, µ¤; of a grid with a backbone none, since it comes over that.
    package var funds: Int64 = 1_000_000_000
    /// Seconds of an interval and chain seconds for each second; nil leaves them as they are.
    package var intervalSeconds: Int64?
    package var rate: Int64?

    package init() {}

    /// Throws `LoadFailure` with what is out of its range.
    package func validate() throws(LoadFailure) {
      if let seconds = intervalSeconds {
        guard (60...86_400).contains(seconds), 86_400.isMultiple(of: Int(seconds)) else {
          throw LoadFailure("--interval-seconds divides a day and is 60 at least")
        }
      }
      if let rate, !Limits.calendarRate.contains(rate) {
        throw LoadFailure("--chain-rate is 1 to \(Limits.calendarRate.upperBound)")
      }
    }
  }

  /// `genesis` with the meters and members of these keys; with another interval or rate its time
  /// begins `now`, in Unix seconds. Throws `LoadFailure` for what cannot be.
  package static func make(
    from genesis: Genesis, keys: LoadKeys, _ settings: Settings, now: Int64
  ) throws(LoadFailure) -> Genesis {
    try settings.validate()
    var loaded = genesis
    try setCalendar(of: &loaded, settings, now: now)
    let interval = max(loaded.calendar.intervalSeconds, 1)
    let power = Power(
      min(LoadLimits.meterPower, Limits.meterPower, Limits.intervalEnergy * 3600 / interval))
    let isFunded = genesis.backbone == nil
    loaded.accounts += keys.members.map { key in
      GenesisAccount(
        id: key.publicKey, money: isFunded ? Money(settings.funds) : .zero,
        tsl: isFunded ? StorageTokens(LoadLimits.tokens) : .zero, isMember: true)
    }
    loaded.meters += zip(keys.meters, keys.members).enumerated().map { number, pair in
      GenesisMeter(
        id: pair.0.publicKey, account: pair.1.publicKey, maximumPower: power,
        isClean: number.isMultiple(of: 2))
    }
    let count = Int64(keys.meters.count)
    loaded.storage.append(
      GenesisStorage(
        unit: LoadLimits.storageUnit, owner: loaded.roles.operator,
        capacity: Energy(min(Limits.storageCapacity, count * LoadLimits.storageOfMember)),
        power: Power(min(Limits.storagePower, count * LoadLimits.storagePowerOfMember))))
    let faults = loaded.faults
    guard faults.isEmpty else {
      throw LoadFailure("the genesis would not be valid:\n  " + faults.joined(separator: "\n  "))
    }
    return loaded
  }

  /// How many readings a second its simulated meters have, in words, and what to do for more.
  package static func allowance(of genesis: Genesis, meters: Int) -> String {
    let rate = max(1, genesis.calendar.rate)
    let wall = Double(genesis.calendar.intervalSeconds) / Double(rate)
    let perSecond = Double(meters) / wall
    var text =
      "an interval lasts \(LoadReport.seconds(wall)) of the clock, so "
      + "\(LoadReport.count(meters, "meter")) have \(LoadReport.number(perSecond)) first readings "
      + "a second; what is sent beyond that are corrections of the same interval"
    guard rate == 1 else { return text }
    text =
      "warning: this chain's time runs as the clock does: a run can begin when the first interval "
      + "has ended, and " + text
    text +=
      genesis.backbone == nil
      ? "; --interval-seconds 60 --chain-rate 60 makes an interval last a second"
      : "; the calendar is the backbone's, whose genesis can be made with another rate"
    return text
  }

  private static func setCalendar(
    of genesis: inout Genesis, _ settings: Settings, now: Int64
  ) throws(LoadFailure) {
    guard settings.intervalSeconds != nil || settings.rate != nil else { return }
    guard genesis.backbone == nil else {
      throw LoadFailure(
        "the calendar is the backbone's: make its genesis with another rate, and the grid's anew")
    }
    let old = genesis.calendar.intervalsPerDay
    if let seconds = settings.intervalSeconds {
      genesis.calendar.intervalSeconds = seconds
      genesis.calendar.closeDelaySeconds = min(genesis.calendar.closeDelaySeconds, seconds)
    }
    if let rate = settings.rate { genesis.calendar.rate = rate }
    genesis.calendar.origin = now
    genesis.calendar.wallOrigin = now
    let new = genesis.calendar.intervalsPerDay
    guard new != old else { return }
    // Each interval has the price that its time of day had.
    func prices(_ prices: [Price]) -> [Price] {
      guard !prices.isEmpty else { return prices }
      return (0..<new).map { prices[Int($0 * Int64(prices.count) / new)] }
    }
    genesis.tariff = Tariff(
      retail: prices(genesis.tariff.retail), feedIn: prices(genesis.tariff.feedIn))
  }
}
