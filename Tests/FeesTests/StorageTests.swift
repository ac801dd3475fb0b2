import Domain
import TestSupport
import Testing

@testable import Fees

@Suite struct SizingTests {
  @Test func anAccountMayHoldTwoKilowattHours() throws {
    #expect(try FeesCore.maximumHeld(Parameters()) == Energy(2_000_000))
  }

  /// Budget µ¤, price µ¤/kWh, oversize in thousandths → B_max in mWh.
  @Test(
    arguments: [
      (300_000_000, 200_000_000, 1500, 2_000_000), (1, 1, 1, 2_000_000_000),
      (1, 3, 1000, 666_666), (0, 200_000_000, 1500, 0), (100_000_000, 700_000_000, 1300, 219_780),
      (1, 1_000_000_000_000, 100_000, 0), (4_000_000_000, 1, 1000, 8_000_000_000_000_000),
    ] as [(Int64, Int64, Int64, Int64)])
  func maximumHeldIsRoundedDown(_ row: (Int64, Int64, Int64, Int64)) throws {
    var parameters = Parameters()
    parameters.storageBudget = Money(row.0)
    parameters.capacityPrice = Price(row.1)
    parameters.oversizePermille = row.2
    #expect(try FeesCore.maximumHeld(parameters) == Energy(row.3))
  }

  @Test func whatCannotBeIsRefused() {
    var parameters = Parameters()
    parameters.capacityPrice = .zero
    #expect(throws: Rejection.malformed) { try FeesCore.maximumHeld(parameters) }
    parameters = Parameters()
    parameters.oversizePermille = 0
    #expect(throws: Rejection.malformed) { try FeesCore.maximumHeld(parameters) }
    #expect(throws: Rejection.malformed) {
      try StorageSizing.capacity(houses: 1, meanStored: Energy(1), parameters: parameters)
    }
    parameters = Parameters()
    parameters.storageBudget = Money(-1)
    #expect(throws: Rejection.malformed) { try FeesCore.maximumHeld(parameters) }
    parameters.storageBudget = Money(Limits.amount)
    parameters.capacityPrice = Price(1)
    parameters.oversizePermille = 1
    #expect(throws: Rejection.overflow) { try FeesCore.maximumHeld(parameters) }
    #expect(throws: Rejection.malformed) {
      try StorageSizing.capacity(houses: -1, meanStored: Energy(1), parameters: parameters)
    }
    #expect(throws: Rejection.malformed) {
      try StorageSizing.capacity(houses: 1, meanStored: Energy(-1), parameters: parameters)
    }
    #expect(throws: Rejection.overflow) {
      try StorageSizing.capacity(houses: .max, meanStored: Energy(2), parameters: parameters)
    }
    #expect(throws: Rejection.overflow) {
      try StorageSizing.cost(of: .max, parameters: Parameters())
    }
  }

  /// Houses, mean stored in mWh → capacity in mWh, cost in µ¤.
  @Test(
    arguments: [
      (100, 500_000, 75_000_000, 15_000_000_000),
      (500, 4_000_000, 3_000_000_000, 600_000_000_000), (0, 500_000, 0, 0),
      (1, 1, 2, 400),
    ] as [(Int64, Int64, Int64, Int64)])
  func sizing(_ row: (Int64, Int64, Int64, Int64)) throws {
    let parameters = Parameters()
    let capacity = try StorageSizing.capacity(
      houses: row.0, meanStored: Energy(row.1), parameters: parameters)
    #expect(capacity == Energy(row.2))
    #expect(try StorageSizing.cost(of: capacity, parameters: parameters) == Money(row.3))
  }
}

@Suite struct StorageTests {
  private func register(
    _ unit: UInt64, _ owner: Int, _ capacity: Int64, power: Int64 = 5
  ) -> FeeInstruction {
    .registerStorage(
      entry: 3, unit: unit, owner: AccountIndex(owner), capacity: Energy(capacity),
      power: Power(power))
  }

  private func capacities(_ core: FeesCore) -> [[Int64]] {
    core.storageOwners.map { [Int64($0.account.raw), Int64($0.capacity)] }
  }

  @Test func unitsAreAddedReplacedAndRemoved() throws {
    var core = core(storage: [])
    #expect(core.capacity == .zero)
    let receipts = core.apply(
      [register(9, 4, 100), register(2, 7, 30), register(5, 4, 11)], time: time(0))
    #expect(receipts == Array(repeating: PlacedReceipt(3, .applied), count: 3))
    #expect(core.storageUnits.map(\.unit) == [2, 5, 9])
    #expect(capacities(core) == [[4, 111], [7, 30]])
    #expect(core.capacity == Energy(141))
    _ = core.apply([register(9, 7, 1, power: 8)], time: time(0))
    #expect(core.storageUnits.last?.power == Power(8))
    #expect(capacities(core) == [[4, 11], [7, 31]])
    _ = core.apply([register(5, 4, 0)], time: time(0))
    #expect(capacities(core) == [[7, 31]])
    #expect(core.capacity == Energy(31))
    // The number counts for a removal, not the owner that it names.
    _ = core.apply([register(2, 99, 0), register(9, 99, 0)], time: time(0))
    #expect(core.storageUnits.isEmpty && capacities(core).isEmpty)
    try core.checkInvariants()
  }

  @Test(
    arguments: [
      (-1, 0, .malformed), (Limits.storageCapacity + 1, 0, .malformed), (1, -1, .malformed),
      (1, Limits.storagePower + 1, .malformed), (0, 0, .unknownObject), (.min, 0, .malformed),
      (0, -1, .malformed), (1, 0, nil), (Limits.storageCapacity, Limits.storagePower, nil),
    ] as [(Int64, Int64, Rejection?)])
  func ranges(_ row: (Int64, Int64, Rejection?)) throws {
    var core = core()
    let before = core.chunks()
    let receipts = core.apply([register(77, 8, row.0, power: row.1)], time: time(0))
    #expect(receipts == [PlacedReceipt(3, Receipt(rejection: row.2))])
    #expect((core.chunks() == before) == (row.2 != nil))
    try core.checkInvariants()
  }

  @Test func thereIsALimit() throws {
    var core = core(storage: [])
    let capacity = Limits.storageCapacity
    let all = (0..<Limits.storageUnits).map { register(UInt64($0), $0 % 100 + 2, capacity) }
    #expect(core.apply(all, time: time(0)).allSatisfy { $0.receipt == .applied })
    // Together more than 64 bits: the sum of capacities is counted in 128.
    #expect(core.capacity == .max)
    #expect(
      core.apply([register(1 << 40, 2, 1)], time: time(0))
        == [PlacedReceipt(3, .rejected(.limitExceeded))])
    #expect(core.apply([register(3, 2, 1)], time: time(0)) == [PlacedReceipt(3, .applied)])
    try core.checkInvariants()
    let assessment = try core.assess(close: first, holdings: [holding(200, 2_000_000)])
    #expect(assessment.shares.reduce(0) { $0 + $1.amount } == 4000)
  }

  @Test(arguments: 0..<300 as Range<UInt64>)
  func registryAgreesWithADictionary(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var core = core(storage: [])
    var reference: [UInt64: StorageUnit] = [:]
    for _ in 0..<40 {
      let unit = StorageUnit(
        unit: UInt64(random.int(0...12)), owner: AccountIndex(Int(random.int(2...6))),
        capacity: Energy(random.chance(30) ? 0 : random.int(1...Limits.storageCapacity)),
        power: Power(random.int(0...9)))
      let receipt = core.apply(
        [
          .registerStorage(
            entry: 0, unit: unit.unit, owner: unit.owner, capacity: unit.capacity,
            power: unit.power)
        ], time: time(0))[0].receipt
      if unit.capacity == .zero {
        let known = reference.removeValue(forKey: unit.unit) != nil
        #expect(receipt.rejection == (known ? nil : .unknownObject), "seed \(seed)")
      } else {
        reference[unit.unit] = unit
        #expect(receipt == .applied, "seed \(seed)")
      }
      #expect(
        Array(core.storageUnits) == reference.values.sorted { $0.unit < $1.unit }, "seed \(seed)")
      let owners = Dictionary(grouping: reference.values, by: \.owner).mapValues {
        $0.reduce(Int64(0)) { $0 + $1.capacity.raw }
      }
      #expect(
        capacities(core) == owners.keys.sorted().map { [Int64($0.raw), owners[$0]!] },
        "seed \(seed)")
      try core.checkInvariants()
    }
  }
}
