import Domain

extension FeesCore {
  /// What must hold between any two transitions; linear in the number of units.
  package func checkInvariants() throws(InvariantViolation) {
    func require(
      _ condition: Bool, _ text: @autoclosure () -> String
    ) throws(InvariantViolation) {
      if !condition { throw InvariantViolation("fees: " + text()) }
    }
    try require(maximumHeld >= .zero, "B_max is \(maximumHeld.raw)")
    try require(
      parameters.faults.isEmpty, "parameters: \(parameters.faults.joined(separator: ", "))")
    try require(nextClose >= calendar.firstInterval, "next close \(nextClose.index)")
    try require(cleanStored >= .zero, "clean energy stored is \(cleanStored.raw)")
    try require(cleanOwed <= .zero, "clean energy owed is \(cleanOwed.raw)")
    try tariffs.checkInvariants(intervalsPerDay: Int(calendar.intervalsPerDay))
    try storage.checkInvariants()
    if let kept = storageChunk {
      var fresh = self
      fresh.storageChunk = nil
      try require(fresh.chunks()[1] == kept, "the kept chunk of storage is stale")
    }
  }
}

extension TariffSchedule {
  func checkInvariants(intervalsPerDay: Int) throws(InvariantViolation) {
    guard !lines.isEmpty, zip(lines, lines.dropFirst()).allSatisfy({ $0.from < $1.from }) else {
      throw InvariantViolation("fees: tariffs are missing or out of order")
    }
    for line in lines {
      do { try line.tariff.validate(intervalsPerDay: intervalsPerDay) } catch {
        throw InvariantViolation("fees: the tariff from \(line.from.index) on is \(error)")
      }
    }
  }
}

extension StorageRegistry {
  func checkInvariants() throws(InvariantViolation) {
    guard zip(units, units.dropFirst()).allSatisfy({ $0.unit < $1.unit }),
      zip(owners, owners.dropFirst()).allSatisfy({ $0.account < $1.account }),
      units.count <= Limits.storageUnits
    else { throw InvariantViolation("fees: storage units or owners are out of order") }
    var byOwner: [AccountIndex: Int128] = [:]
    var sum: Int128 = 0
    for unit in units {
      guard (1...Limits.storageCapacity).contains(unit.capacity.raw),
        (0...Limits.storagePower).contains(unit.power.raw)
      else { throw InvariantViolation("fees: storage unit out of range: \(unit)") }
      byOwner[unit.owner, default: 0] += Int128(unit.capacity.raw)
      sum += Int128(unit.capacity.raw)
    }
    guard sum == capacity, byOwner.count == owners.count,
      owners.allSatisfy({ byOwner[$0.account] == $0.capacity })
    else { throw InvariantViolation("fees: owners' capacity is not that of their units") }
  }
}
