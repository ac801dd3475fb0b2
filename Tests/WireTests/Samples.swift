import Domain
import TestSupport
import Wire

/// Values for tests, out of a generator.
enum Sample {
  static let chain = Digest.sha256([1, 2, 3])
  static let key = PublicKey(Digest.sha256([4]).bytes)
  static let other = PublicKey(Digest.sha256([5]).bytes)

  static func bytes32(_ random: inout SplitMix64) -> Bytes32 {
    Bytes32(random.next(), random.next(), random.next(), random.next())
  }

  static func key(_ random: inout SplitMix64) -> PublicKey { PublicKey(bytes32(&random)) }

  static func bytes(_ count: Int, _ random: inout SplitMix64) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  static func reading(_ random: inout SplitMix64) -> Reading {
    // Small and large amounts alike, so that every length of varint comes up.
    func amount() -> Energy {
      Energy(Int64(random.next() >> UInt64.random(in: 1...64, using: &random)))
    }
    return Reading(
      chain: Digest(bytes32(&random)), meter: key(&random),
      interval: Interval(Int64.random(in: WireReading.intervals, using: &random)),
      exported: amount(), imported: amount(),
      quality: ReadingQuality.allCases.randomElement(using: &random)!,
      version: UInt16.random(in: 1...65_535, using: &random))
  }

  /// One body of every kind, some kinds in several forms, at the ends of their ranges.
  static let bodies: [CommandBody] =
    Asset.allCases.map { .transfer(to: other, asset: $0, amount: Limits.amount) }
    + [
      TimeInForce.goodTillCancelled, .immediateOrCancel, .fillOrKill,
      .goodTillInterval(Interval(0)),
      .goodTillInterval(Interval(WireReading.intervals.upperBound)),
    ].flatMap { timeInForce in
      Side.allCases.map { side in
        .place(
          OrderRequest(
            side: side, wattHours: side == .buy ? 1 : Limits.orderWattHours,
            limit: Price(side == .buy ? 1 : Limits.price), timeInForce: timeInForce))
      }
    } + [
      .cancel(OrderID(1)), .cancel(OrderID(.max)),
      .replace(OrderID(7), wattHours: 1, limit: Price(Limits.price)),
      .replace(OrderID(.max), wattHours: Limits.orderWattHours, limit: Price(1)),
      .setAgent(nil),
      .setAgent(AgentSettings(buyPrice: nil, sellPrice: nil, low: .zero, high: .zero)),
      .setAgent(
        AgentSettings(buyPrice: Price(1), sellPrice: nil, low: Energy(1), high: Energy(2))),
      .setAgent(
        AgentSettings(
          buyPrice: Price(Limits.price), sellPrice: Price(Limits.price),
          low: Energy(Limits.amount), high: Energy(Limits.amount))),
      .admitMember(other),
      .registerMeter(key, account: other, maximumPower: Power(1), isClean: false),
      .registerMeter(key, account: other, maximumPower: Power(Limits.meterPower), isClean: true),
      .retireMeter(key),
      .registerStorage(unit: 0, owner: other, capacity: .zero, power: Power(0)),
      .registerStorage(
        unit: .max, owner: other, capacity: Energy(Limits.storageCapacity),
        power: Power(Limits.storagePower)),
      .publishTariff(Tariff(retail: Price(0), feedIn: Price(0), intervalsPerDay: 1)),
      .publishTariff(
        Tariff(retail: Price(Limits.price), feedIn: Price(Limits.price), intervalsPerDay: 96)),
      .publishTariff(
        Tariff(retail: (0..<24).map { Price($0 + 5) }, feedIn: (0..<24).map { Price($0) })),
      .setUtility(isAvailable: true), .setUtility(isAvailable: false),
      .issue(to: other, amount: Money(1)), .issue(to: other, amount: Money(Limits.amount)),
      .redeem(amount: Money(1)), .redeem(amount: Money(Limits.amount)),
      .proposeValidators([key]), .proposeValidators(keys(Limits.validators)),
      .acceptValidators(chain),
      .transferAbroad(grid: chain, to: other, asset: .money, amount: 1, deadline: 0),
      .transferAbroad(
        grid: chain, to: other, asset: .ect, amount: Limits.amount, deadline: .max),
    ] + backboneBodies.map { .backbone($0) }

  static let backboneBodies: [BackboneCommandBody] = [
    .register(GridRegistration(grid: chain, name: "E", operator: other, validators: [key])),
    .register(
      GridRegistration(
        grid: chain, name: String(repeating: "é", count: 32), operator: other,
        validators: keys(Limits.validators))),
    .putLine(
      Interconnector(
        id: 0, from: chain, to: .zero, forth: .zero, back: .zero, fee: .zero, owner: other)),
    .putLine(
      Interconnector(
        id: .max, from: chain, to: .zero, forth: Power(.max), back: Power(.max),
        fee: Price(Limits.price), owner: other)),
    .rate(chain, cleanPower: .zero), .rate(chain, cleanPower: Power(Limits.storagePower)),
    .grant(chain, to: other, amount: StorageTokens(1)),
    .grant(chain, to: other, amount: StorageTokens(Limits.storageTokens)),
    .setFee(line: 7, .zero), .setFee(line: .max, Price(Limits.price)),
    .issue(chain, to: other, amount: Money(1)),
    .issue(chain, to: other, amount: Money(Limits.amount)), .payOut(withdrawal: 0),
    .payOut(withdrawal: .max), .pay(chain, to: other, amount: Money(1)),
    .pay(chain, to: other, amount: Money(Limits.amount)),
  ]

  /// So many keys, all different.
  static func keys(_ count: Int) -> [PublicKey] {
    (0..<count).map { PublicKey(Bytes32(9, 9, 9, UInt64($0))) }
  }

  static func command(_ body: CommandBody) -> Command {
    Command(
      chain: chain, signer: key, sequence: 42, expires: Timestamp(microseconds: 1_700_000_000),
      body: body)
  }
}

/// Spoils a message the way a bad client or a bad line does.
func mutated(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
  var result = bytes
  for _ in 0..<Int.random(in: 1...4, using: &random) {
    let place = result.isEmpty ? 0 : Int.random(in: 0..<result.count, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0 where !result.isEmpty: result[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1 where !result.isEmpty: result[place] = UInt8.random(in: 0...255, using: &random)
    case 2 where !result.isEmpty: result.removeSubrange(place...)
    case 3 where !result.isEmpty: result.remove(at: place)
    case 4: result.insert(UInt8.random(in: 0...255, using: &random), at: place)
    // A whole field of any number and kind, often one that the message does not have.
    default:
      result.insert(
        contentsOf: field(&random), at: [0, place, result.count].randomElement(using: &random)!)
    }
  }
  return result
}

/// A field's bytes: mostly well formed, groups included.
func field(_ random: inout SplitMix64, depth: Int = 0) -> [UInt8] {
  let number = UInt64.random(in: 1...(Bool.random(using: &random) ? 9 : 1 << 29), using: &random)
  let type = UInt64.random(in: 0...(depth < 4 ? 7 : 2), using: &random)
  let tag = varint(number << 3 | type)
  switch type {
  case 0: return tag + varint(random.next() >> UInt64.random(in: 0...63, using: &random))
  case 1: return tag + Sample.bytes(8, &random)
  case 2:
    let count = [0, 1, 31, 32, 33].randomElement(using: &random)!
    return tag + varint(UInt64(count)) + Sample.bytes(count, &random)
  case 3:
    let inner = (0..<Int.random(in: 0...2, using: &random)).flatMap { _ in
      field(&random, depth: depth + 1)
    }
    return tag + inner + varint(number << 3 | 4)
  case 5: return tag + Sample.bytes(4, &random)
  default: return tag
  }
}

func varint(_ value: UInt64) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = value
  while rest >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest >>= 7
  }
  return bytes + [UInt8(rest)]
}
