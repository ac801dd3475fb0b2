extension PublicKey: Codable {
  /// In files a key is Bech32m text of an account (`tie1…`); meters and nodes have their own
  /// prefixes, so any of the three is read, and accounts' is written.
  package init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    let key =
      PublicKey(text: text, as: .account) ?? PublicKey(text: text, as: .meter)
      ?? PublicKey(text: text, as: .node)
    guard let key else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "'\(text)' is not a key: Bech32m text beginning with tie1, tiemeter1 "
            + "or tienode1 is expected"))
    }
    self = key
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text(as: .account))
  }
}

extension Genesis {
  /// The chain's id: SHA-256 of the canonical encoding behind its own prefix.
  package var chainID: ChainID { Digest.sha256(encoded) }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter()
    writer.write("intertie/genesis/v1")
    writer.write(name)
    calendar.encode(into: &writer)
    parameters.encode(into: &writer)
    for key in roles.all { writer.write(key) }
    writer.write(UInt32(validators.count))
    for key in validators { writer.write(key) }
    tariff.encode(into: &writer)
    writer.write(UInt32(accounts.count))
    for account in accounts {
      writer.write(account.id)
      writer.write(account.money)
      writer.write(account.tsl)
      writer.write(account.isMember)
    }
    writer.write(UInt32(meters.count))
    for meter in meters {
      writer.write(meter.id)
      writer.write(meter.account)
      writer.write(meter.maximumPower)
      writer.write(meter.isClean)
    }
    writer.write(UInt32(storage.count))
    for unit in storage {
      writer.write(unit.unit)
      writer.write(unit.owner)
      writer.write(unit.capacity)
      writer.write(unit.power)
    }
    if let backbone { writer.write(backbone.chainID) }
    return writer.bytes
  }

  /// The account that a role or a line names exists at genesis, in this order: the system's, the
  /// roles', then the lines', each once.
  package var accountOrder: [AccountID] {
    var seen: Set<AccountID> = []
    let all =
      SystemAccount.allCases.map(\.id) + roles.all + accounts.map(\.id) + meters.map(\.account)
      + storage.map(\.owner)
    return all.filter { seen.insert($0).inserted }
  }

  /// What is wrong with it, in words for the person who wrote it; empty when nothing is.
  package var faults: [String] {
    var faults: [String] = []
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
    require(ChainName.isPrintable(name), "name must have 1 to 64 bytes that can be printed")
    require(
      (1...Limits.validators).contains(validators.count),
      "validators must be 1 to \(Limits.validators)")
    require(Set(validators).count == validators.count, "a validator is listed twice")
    require(
      !validators.contains(where: \.hasSmallOrder),
      "a validator's key has small order: anybody could sign in its name")
    require(
      Set(accounts.map(\.id)).count == accounts.count, "an account is listed twice")
    require(Set(meters.map(\.id)).count == meters.count, "a meter is listed twice")
    require(Set(storage.map(\.unit)).count == storage.count, "a storage unit is listed twice")
    faults += calendar.faults + parameters.faults
    if faults.isEmpty {
      do { try tariff.validate(intervalsPerDay: Int(calendar.intervalsPerDay)) } catch {
        faults.append(
          "tariff needs \(calendar.intervalsPerDay) prices a side, 0 <= feedIn <= retail")
      }
    }
    let system = Set(SystemAccount.allCases.map(\.id))
    require(
      system.isDisjoint(with: roles.all + accounts.map(\.id) + meters.map(\.account)),
      "a role, an account or a meter's account is one of the system's own accounts")
    let amounts = 0...Limits.amount
    require(
      accounts.allSatisfy { amounts.contains($0.money.raw) && amounts.contains($0.tsl.raw) },
      "an amount is out of range")
    require(accounts.count <= Limits.accounts, "too many accounts")
    require(meters.count <= Limits.meters, "too many meters")
    require(storage.count <= Limits.storageUnits, "too many storage units")
    require(
      meters.allSatisfy {
        (1...Limits.meterPower).contains($0.maximumPower.raw)
          && $0.maximumPower.raw <= Limits.intervalEnergy * 3600 / max(calendar.intervalSeconds, 1)
      }, "a meter's maximum power is out of range for the length of an interval")
    require(
      storage.allSatisfy {
        (1...Limits.storageCapacity).contains($0.capacity.raw)
          && (0...Limits.storagePower).contains($0.power.raw)
      }, "a storage unit's capacity or power is out of range")
    let grants = Int128(parameters.educationFund.raw)
    let tokens = accounts.reduce(grants) { $0 + Int128($1.tsl.raw) }
    require(tokens <= Int128(Limits.storageTokens), "more TSL than the 1,000,000,000 that exist")
    let money = accounts.reduce(Int128(0)) { $0 + Int128($1.money.raw) }
    require(money <= Int128(Limits.amount), "more money than fits the ledger")
    guard let backbone else { return faults }
    faults += backbone.faults.map { "backbone: " + $0 }
    require(
      calendar.agrees(with: backbone.calendar),
      "calendar must tell the same time as the backbone's, in the same intervals")
    require(
      money == 0 && tokens == 0,
      "with a backbone, money and TSL come over it: accounts and educationFund must have none")
    return faults
  }
}

extension Roles {
  /// In a fixed order, for encoding.
  package var all: [AccountID] { [`operator`, oracle, gateway, utility, community] }
}

extension Calendar {
  package func encode(into writer: inout CanonicalWriter) {
    for value in [intervalSeconds, closeDelaySeconds, origin, wallOrigin, rate] {
      writer.write(value)
    }
  }

  package var faults: [String] {
    var faults: [String] = []
    if !(60...86_400).contains(intervalSeconds) || 86_400 % max(intervalSeconds, 1) != 0 {
      faults.append("intervalSeconds must divide a day and be at least 60")
    }
    if !(0...max(intervalSeconds, 0)).contains(closeDelaySeconds) {
      faults.append("closeDelaySeconds must be 0 to intervalSeconds")
    }
    if !Limits.calendarRate.contains(rate) { faults.append("rate must be 1 to 100,000") }
    let years = 0...253_402_300_799
    if !years.contains(Int(origin)) || !years.contains(Int(wallOrigin)) {
      faults.append("origin and wallOrigin must lie between 1970 and 9999")
    }
    return faults
  }
}

extension Parameters {
  package func encode(into writer: inout CanonicalWriter) {
    for value in [
      lateDays, storageBudget.raw, capacityPrice.raw, oversizePermille, commission.raw,
      ownersPercent, educationPercent, educationGrant.raw, educationFund.raw, makerFeePermille,
      takerFeePermille, makerSpreadPermille,
    ] { writer.write(value) }
  }

  package var faults: [String] {
    var faults: [String] = []
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
    require((1...366).contains(lateDays), "lateDays must be 1 to 366")
    require((1...Limits.amount).contains(storageBudget.raw), "storageBudget is out of range")
    require((1...Limits.price).contains(capacityPrice.raw), "capacityPrice is out of range")
    require((1...100_000).contains(oversizePermille), "oversizePermille must be 1 to 100,000")
    require((0...1_000_000_000).contains(commission.raw), "commission must be 0 to 1,000 TSL")
    require(
      ownersPercent >= 0 && educationPercent >= 0 && ownersPercent <= 100
        && educationPercent <= 100 && ownersPercent + educationPercent <= 100,
      "ownersPercent and educationPercent must be 0 to 100 together")
    require(
      (0...Limits.storageTokens).contains(educationGrant.raw), "educationGrant is out of range")
    require((0...Limits.storageTokens).contains(educationFund.raw), "educationFund is out of range")
    for fee in [makerFeePermille, takerFeePermille] {
      require((0...1000).contains(fee), "fees must be 0 to 1,000 per mille")
    }
    require((0...500).contains(makerSpreadPermille), "makerSpreadPermille must be 0 to 500")
    return faults
  }
}

extension Tariff {
  package func encode(into writer: inout CanonicalWriter) {
    for prices in [retail, feedIn] {
      writer.write(UInt32(prices.count))
      for price in prices { writer.write(price) }
    }
  }

  package init(from reader: inout CanonicalReader) throws(Rejection) {
    var sides: [[Price]] = []
    for _ in 0..<2 {
      let count = try reader.readCount(elementSize: 8)
      var prices: [Price] = []
      for _ in 0..<count { prices.append(try reader.read(Price.self)) }
      sides.append(prices)
    }
    self.init(retail: sides[0], feedIn: sides[1])
  }
}
