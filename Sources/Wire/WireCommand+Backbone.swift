import Domain

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

// Bodies of commands for the backbone.

extension WireCommand {
  /// One of the backbone's bodies. Throws `malformed` for a field out of its range, and for any
  /// other body.
  static func backboneBody(_ body: Intertie_V1_Command.OneOf_Body) throws(Rejection)
    -> BackboneCommandBody
  {
    switch body {
    case .registerGrid(let body):
      guard ChainName.isPrintable(body.name) else { throw .malformed }
      return .register(
        GridRegistration(
          grid: try chain(body.grid), name: body.name, operator: try key(body.operator),
          validators: try validators(body.validators)))
    case .putLine(let body): return .putLine(try line(body))
    case .rateGrid(let body):
      return .rate(
        try chain(body.grid),
        cleanPower: Power(try value(body.cleanPowerMw, in: 0...Limits.storagePower)))
    case .grantTsl(let body):
      return .grant(
        try chain(body.grid), to: try key(body.to),
        amount: StorageTokens(try value(body.amount, in: 1...Limits.storageTokens)))
    case .setWheelingFee(let body):
      return .setFee(line: body.line, Price(try value(body.fee, in: 0...Limits.price)))
    case .issueMoney(let body):
      return .issue(
        try chain(body.grid), to: try key(body.to),
        amount: Money(try value(body.amount, in: amounts)))
    case .payOut(let body): return .payOut(withdrawal: body.withdrawal)
    case .payGrid(let body):
      return .pay(
        try chain(body.grid), to: try key(body.to),
        amount: Money(try value(body.amount, in: amounts)))
    default: throw .malformed
    }
  }

  private static func chain(_ data: Data) throws(Rejection) -> ChainID {
    guard let chain = ChainID(data) else { throw .malformed }
    return chain
  }

  private static func line(_ body: Intertie_V1_PutLine) throws(Rejection) -> Interconnector {
    guard body.forthMw >= 0, body.backMw >= 0 else { throw .malformed }
    return Interconnector(
      id: body.line, from: try chain(body.from), to: try chain(body.to),
      forth: Power(body.forthMw), back: Power(body.backMw),
      fee: Price(try value(body.fee, in: 0...Limits.price)), owner: try key(body.owner))
  }

  static func message(of body: BackboneCommandBody) -> Intertie_V1_Command.OneOf_Body {
    switch body {
    case .register(let registration):
      .registerGrid(
        .with {
          $0.grid = registration.grid.data
          $0.name = registration.name
          $0.operator = registration.operator.data
          $0.validators = registration.validators.map(\.data)
        })
    case .putLine(let line):
      .putLine(
        .with {
          $0.line = line.id
          $0.from = line.from.data
          $0.to = line.to.data
          $0.forthMw = line.forth.raw
          $0.backMw = line.back.raw
          $0.fee = line.fee.raw
          $0.owner = line.owner.data
        })
    case .rate(let grid, let power):
      .rateGrid(
        .with {
          $0.grid = grid.data
          $0.cleanPowerMw = power.raw
        })
    case .grant(let grid, let to, let amount): .grantTsl(payment(grid, to, amount.raw))
    case .setFee(let line, let fee):
      .setWheelingFee(
        .with {
          $0.line = line
          $0.fee = fee.raw
        })
    case .issue(let grid, let to, let amount): .issueMoney(payment(grid, to, amount.raw))
    case .payOut(let withdrawal): .payOut(.with { $0.withdrawal = withdrawal })
    case .pay(let grid, let to, let amount): .payGrid(payment(grid, to, amount.raw))
    }
  }

  private static func payment(
    _ grid: ChainID, _ to: AccountID, _ amount: Int64
  ) -> Intertie_V1_GridPayment {
    .with {
      $0.grid = grid.data
      $0.to = to.data
      $0.amount = amount
    }
  }
}
