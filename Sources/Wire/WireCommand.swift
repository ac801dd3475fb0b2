import Domain
import SwiftProtobuf

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A command's payload: the protobuf message `intertie.v1.Command`.
package enum WireCommand {
  /// The command in `payload`. Throws `malformed` unless it is at most `Limits.commandBytes` of
  /// protobuf with one body and every field in its range.
  package static func parse(_ payload: [UInt8]) throws(Rejection) -> Command {
    guard payload.count <= Limits.commandBytes,
      let message = try? Intertie_V1_Command(serializedBytes: payload),
      let body = message.body, let chain = ChainID(message.chainID),
      sequences.contains(message.sequence), message.expiresUs >= 0
    else { throw .malformed }
    if case .acceptValidators = body, payload.count > Limits.acceptanceBytes { throw .malformed }
    return Command(
      chain: chain, signer: try key(message.signer), sequence: message.sequence,
      expires: Timestamp(microseconds: message.expiresUs), body: try parse(body))
  }

  private static func parse(_ body: Intertie_V1_Command.OneOf_Body) throws(Rejection)
    -> CommandBody
  {
    switch body {
    case .transfer(let body):
      guard let asset = body.asset.domain else { throw .malformed }
      return .transfer(
        to: try key(body.to), asset: asset, amount: try value(body.amount, in: amounts))
    case .transferAbroad(let body): return try transferAbroad(body)
    case .place(let body): return .place(try request(body))
    case .cancel(let body): return .cancel(try order(body.order))
    case .replace(let body):
      return .replace(
        try order(body.order), wattHours: try value(body.wattHours, in: quantities),
        limit: Price(try value(body.limitPrice, in: prices)))
    case .setAgent(let body):
      return .setAgent(body.hasSettings ? try body.settings.domain() : nil)
    case .admitMember(let body): return .admitMember(try key(body.account))
    case .registerMeter(let body):
      return .registerMeter(
        try key(body.meter), account: try key(body.account),
        maximumPower: Power(try value(body.maximumPowerMw, in: 1...Limits.meterPower)),
        isClean: body.isClean)
    case .retireMeter(let body): return .retireMeter(try key(body.meter))
    case .registerStorage(let body):
      return .registerStorage(
        unit: body.unit, owner: try key(body.owner),
        capacity: Energy(try value(body.capacityMwh, in: 0...Limits.storageCapacity)),
        power: Power(try value(body.powerMw, in: 0...Limits.storagePower)))
    case .publishTariff(let body): return .publishTariff(try tariff(body))
    case .setUtility(let body): return .setUtility(isAvailable: body.isAvailable)
    case .issue(let body):
      return .issue(to: try key(body.to), amount: Money(try value(body.amount, in: amounts)))
    case .redeem(let body):
      return .redeem(amount: Money(try value(body.amount, in: amounts)))
    case .proposeValidators(let body): return .proposeValidators(try validators(body.validators))
    case .acceptValidators(let body):
      guard let proposal = Digest(body.proposal) else { throw .malformed }
      return .acceptValidators(proposal)
    case .registerGrid, .putLine, .rateGrid, .grantTsl, .setWheelingFee, .issueMoney, .payOut,
      .payGrid:
      return .backbone(try backboneBody(body))
    }
  }

  private static func transferAbroad(_ body: Intertie_V1_TransferAbroad) throws(Rejection)
    -> CommandBody
  {
    guard let grid = ChainID(body.grid), let asset = body.asset.domain, asset != .watt else {
      throw .malformed
    }
    return .transferAbroad(
      grid: grid, to: try key(body.to), asset: asset, amount: try value(body.amount, in: amounts),
      deadline: body.deadline)
  }

  // MARK: Fields

  /// Sequences leave room for a next one, and fit the signed integers of databases.
  private static let sequences = 1...UInt64(Int64.max)
  static let amounts = 1...Limits.amount
  private static let quantities = 1...Limits.orderWattHours
  static let prices = 1...Limits.price

  static func value(_ value: Int64, in range: ClosedRange<Int64>) throws(Rejection) -> Int64 {
    guard range.contains(value) else { throw .malformed }
    return value
  }

  static func key(_ data: Data) throws(Rejection) -> PublicKey {
    guard let key = PublicKey(data) else { throw .malformed }
    return key
  }

  static func validators(_ list: [Data]) throws(Rejection) -> [PublicKey] {
    var keys: [PublicKey] = []
    for data in list { keys.append(try key(data)) }
    try ValidatorSet.validate(keys)
    return keys
  }

  private static func order(_ number: UInt64) throws(Rejection) -> OrderID {
    guard number > 0 else { throw .malformed }
    return OrderID(number)
  }

  private static func request(_ body: Intertie_V1_PlaceOrder) throws(Rejection) -> OrderRequest {
    guard let side = body.side.domain else { throw .malformed }
    return OrderRequest(
      side: side, wattHours: try value(body.wattHours, in: quantities),
      limit: Price(try value(body.limitPrice, in: prices)),
      timeInForce: try TimeInForce(body.timeInForce, interval: body.interval))
  }

  /// The number of prices is that of the intervals of a day, which the chain knows; here both
  /// sides must have as many.
  private static func tariff(_ body: Intertie_V1_PublishTariff) throws(Rejection) -> Tariff {
    guard !body.retail.isEmpty else { throw .malformed }
    let tariff = Tariff(
      retail: body.retail.map { Price($0) }, feedIn: body.feedIn.map { Price($0) })
    try tariff.validate(intervalsPerDay: body.retail.count)
    return tariff
  }
}
