import Domain

/// A registered storage unit of the community.
package struct StorageUnit: Hashable, Sendable {
  /// Number given by the operator.
  package var unit: UInt64
  package var owner: AccountIndex
  /// Energy that it takes, 1...Limits.storageCapacity mWh.
  package var capacity: Energy
  /// Power at which it takes it, 0...Limits.storagePower mW.
  package var power: Power

  package init(unit: UInt64, owner: AccountIndex, capacity: Energy, power: Power) {
    self.unit = unit
    self.owner = owner
    self.capacity = capacity
    self.power = power
  }
}

/// An account's storage, all its units together.
///
/// In 128 bits: as many units as there may be, each as large as it may be, exceed 64.
package struct StorageOwner: Hashable, Sendable {
  package var account: AccountIndex
  /// mWh, more than zero.
  package var capacity: Int128
}

/// The storage units by number, and what each owner has, by account; both kept sorted, so that
/// every replica walks them in the same order.
struct StorageRegistry: Sendable {
  private(set) var units: ContiguousArray<StorageUnit> = []
  private(set) var owners: ContiguousArray<StorageOwner> = []
  /// mWh, all units together.
  private(set) var capacity: Int128 = 0

  /// Adds the unit, or puts it in the place of the one with its number; a capacity of zero
  /// removes it.
  ///
  /// Throws, before any effect, `malformed` for a figure out of range, `unknownObject` for the
  /// removal of a unit that is not there, `limitExceeded` beyond Limits.storageUnits.
  mutating func register(_ unit: StorageUnit) throws(Rejection) {
    guard (0...Limits.storageCapacity).contains(unit.capacity.raw),
      (0...Limits.storagePower).contains(unit.power.raw)
    else { throw .malformed }
    let place = place(of: unit.unit)
    let isKnown = place < units.count && units[place].unit == unit.unit
    if unit.capacity == .zero {
      guard isKnown else { throw .unknownObject }
      let old = units.remove(at: place)
      change(old.owner, by: -Int128(old.capacity.raw))
      return
    }
    if isKnown {
      change(units[place].owner, by: -Int128(units[place].capacity.raw))
      units[place] = unit
    } else {
      guard units.count < Limits.storageUnits else { throw .limitExceeded }
      units.insert(unit, at: place)
    }
    change(unit.owner, by: Int128(unit.capacity.raw))
  }

  /// First place whose unit has this number or a higher one.
  private func place(of number: UInt64) -> Int {
    lowerBound(units.count) { units[$0].unit < number }
  }

  private mutating func change(_ account: AccountIndex, by difference: Int128) {
    capacity += difference
    let place = lowerBound(owners.count) { owners[$0].account < account }
    if place < owners.count, owners[place].account == account {
      owners[place].capacity += difference
      if owners[place].capacity == 0 { owners.remove(at: place) }
    } else {
      owners.insert(StorageOwner(account: account, capacity: difference), at: place)
    }
  }

  /// The first of `count` places for which `isBefore` no longer holds.
  private func lowerBound(_ count: Int, _ isBefore: (Int) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isBefore(middle) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
