import Domain
import SwiftProtobuf

extension WireCommand {
  /// The message's bytes. What is out of its range is written as it is, for `parse` to refuse.
  package static func payload(of command: Command) -> [UInt8] {
    var message = Intertie_V1_Command()
    message.chainID = command.chain.data
    message.signer = command.signer.data
    message.sequence = command.sequence
    message.expiresUs = command.expires.microseconds
    message.body = body(of: command.body)
    do {
      return try message.serializedBytes()
    } catch {
      preconditionFailure("a proto3 message without Any serialises: \(error)")
    }
  }

  private static func body(of body: CommandBody) -> Intertie_V1_Command.OneOf_Body {
    switch body {
    case .transfer(let to, let asset, let amount):
      .transfer(
        .with {
          $0.to = to.data
          $0.asset = Intertie_V1_Asset(asset)
          $0.amount = amount
        })
    case .transferAbroad(let grid, let to, let asset, let amount, let deadline):
      .transferAbroad(
        .with {
          $0.grid = grid.data
          $0.to = to.data
          $0.asset = Intertie_V1_Asset(asset)
          $0.amount = amount
          $0.deadline = deadline
        })
    case .place(let request): .place(message(of: request))
    case .cancel(let order): .cancel(.with { $0.order = order.raw })
    case .replace(let order, let wattHours, let limit):
      .replace(
        .with {
          $0.order = order.raw
          $0.wattHours = wattHours
          $0.limitPrice = limit.raw
        })
    case .setAgent(let settings):
      .setAgent(.with { if let settings { $0.settings = Intertie_V1_AgentSettings(settings) } })
    case .admitMember, .registerMeter, .retireMeter, .registerStorage, .proposeValidators:
      operatorMessage(of: body)
    case .publishTariff(let tariff):
      .publishTariff(
        .with {
          $0.retail = tariff.retail.map(\.raw)
          $0.feedIn = tariff.feedIn.map(\.raw)
        })
    case .setUtility(let isAvailable): .setUtility(.with { $0.isAvailable = isAvailable })
    case .issue(let to, let amount):
      .issue(
        .with {
          $0.to = to.data
          $0.amount = amount.raw
        })
    case .redeem(let amount): .redeem(.with { $0.amount = amount.raw })
    case .acceptValidators(let proposal):
      .acceptValidators(.with { $0.proposal = proposal.data })
    case .backbone(let body): WireCommand.message(of: body)
    }
  }

  private static func operatorMessage(of body: CommandBody) -> Intertie_V1_Command.OneOf_Body {
    switch body {
    case .admitMember(let account): .admitMember(.with { $0.account = account.data })
    case .registerMeter(let meter, let account, let maximumPower, let isClean):
      .registerMeter(
        .with {
          $0.meter = meter.data
          $0.account = account.data
          $0.maximumPowerMw = maximumPower.raw
          $0.isClean = isClean
        })
    case .retireMeter(let meter): .retireMeter(.with { $0.meter = meter.data })
    case .registerStorage(let unit, let owner, let capacity, let power):
      .registerStorage(
        .with {
          $0.unit = unit
          $0.owner = owner.data
          $0.capacityMwh = capacity.raw
          $0.powerMw = power.raw
        })
    case .proposeValidators(let keys):
      .proposeValidators(.with { $0.validators = keys.map(\.data) })
    default: preconditionFailure("not an operator's command")
    }
  }

  private static func message(of request: OrderRequest) -> Intertie_V1_PlaceOrder {
    .with {
      $0.side = Intertie_V1_Side(request.side)
      $0.wattHours = request.wattHours
      $0.limitPrice = request.limit.raw
      $0.timeInForce = Intertie_V1_TimeInForce(request.timeInForce)
      $0.interval = request.timeInForce.interval?.index ?? 0
    }
  }
}
