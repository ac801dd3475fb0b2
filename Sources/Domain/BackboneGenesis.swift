/// Everything that a backbone starts from: the chain that microgrids couple their markets and
/// settle with each other on. Its digest is the chain's id. Grids join it later, with nothing;
/// money comes to them by the gateway, TSL by the operator.
package struct BackboneGenesis: Hashable, Sendable, Codable {
  /// A name for people, 1...64 bytes of UTF-8.
  package var name: String
  /// Its rounds are the intervals of this calendar; all grids keep the same time.
  package var calendar: Calendar
  /// Chain time that a coupling round stays open after the end of its interval, at most, seconds:
  /// closeDelaySeconds...intervalSeconds, so that a result comes before the next interval's close:
  /// else a grid whose result came late would bid in every second round only. A round closes
  /// earlier when every grid that is up has bid.
  package var roundSeconds: Int64
  package var roles: BackboneRoles
  /// Ed25519 keys of the first epoch's validators, in order; 1...100.
  package var validators: [PublicKey]

  package init(
    name: String, calendar: Calendar, roundSeconds: Int64 = 120, roles: BackboneRoles,
    validators: [PublicKey]
  ) {
    self.name = name
    self.calendar = calendar
    self.roundSeconds = roundSeconds
    self.roles = roles
    self.validators = validators
  }

  /// The chain's id: SHA-256 of the canonical encoding behind its own prefix.
  package var chainID: ChainID { Digest.sha256(encoded) }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter()
    writer.write("intertie/backbone/v1")
    writer.write(name)
    calendar.encode(into: &writer)
    writer.write(roundSeconds)
    for key in roles.all { writer.write(key) }
    writer.write(UInt32(validators.count))
    for key in validators { writer.write(key) }
    return writer.bytes
  }

  /// What is wrong with it, in words for the person who wrote it; empty when nothing is.
  package var faults: [String] {
    var faults = calendar.faults
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
    require(ChainName.isPrintable(name), "name must have 1 to 64 bytes that can be printed")
    require(
      roundSeconds >= calendar.closeDelaySeconds && roundSeconds <= calendar.intervalSeconds,
      "roundSeconds must be closeDelaySeconds to intervalSeconds")
    do throws(Rejection) { try ValidatorSet.validate(validators) } catch {
      faults.append(
        "validators must be 1 to \(Limits.validators) keys, each once, none of small order")
    }
    require(
      Set(SystemAccount.allCases.map(\.id)).isDisjoint(with: roles.all),
      "a role is one of the system's own accounts")
    return faults
  }
}

/// Accounts of the backbone with a task. One account may have several.
package struct BackboneRoles: Hashable, Sendable, Codable {
  /// Admits grids, registers interconnectors, rates clean power, grants TSL.
  package var `operator`: AccountID
  /// Sets wheeling fees.
  package var oracle: AccountID
  /// Issues money to members of the grids and pays it out.
  package var gateway: AccountID

  package init(operator: AccountID, oracle: AccountID, gateway: AccountID) {
    self.operator = `operator`
    self.oracle = oracle
    self.gateway = gateway
  }

  /// In a fixed order, for encoding.
  package var all: [AccountID] { [`operator`, oracle, gateway] }
}

extension Calendar {
  /// Whether both tell the same time at every moment and cut it alike. A grid that joins a backbone
  /// later has a later origin on the same line.
  package func agrees(with other: Calendar) -> Bool {
    intervalSeconds == other.intervalSeconds && closeDelaySeconds == other.closeDelaySeconds
      && rate == other.rate
      && Int128(origin) - Int128(wallOrigin) * Int128(rate)
        == Int128(other.origin) - Int128(other.wallOrigin) * Int128(other.rate)
  }
}
