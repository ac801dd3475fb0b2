import Domain

extension MeterRegistry {
  /// The dense list and the maps agree; accounts ascend; energies fit their 32 bits.
  func checkInvariants() throws(InvariantViolation) {
    guard indexes.count == meters.count, accounts.count == ordinals.count,
      ascending.count == accounts.count
    else { throw InvariantViolation("metering: the registry's maps and lists differ in length") }
    for (index, meter) in meters.enumerated() {
      guard indexes[meter.id] == UInt32(index) else {
        throw InvariantViolation("metering: meter \(index) is not where its id points")
      }
      guard Int(meter.ordinal) < accounts.count, accounts[Int(meter.ordinal)] == meter.account,
        ordinals[meter.account] == meter.ordinal
      else { throw InvariantViolation("metering: meter \(index) is filed under another account") }
      guard Int128(meter.maximumEnergy) == min(energy(of: meter.maximumPower), Int128(UInt32.max))
      else { throw InvariantViolation("metering: meter \(index) has a wrong limit of energy") }
    }
    // Strictly ascending and as many as there are accounts: each exactly once.
    for place in ascending.indices.dropFirst() {
      guard accounts[Int(ascending[place - 1])] < accounts[Int(ascending[place])] else {
        throw InvariantViolation("metering: accounts with meters are out of order")
      }
    }
  }
}
