import Domain
import Wire

/// Why a chain did not do what a command asked for, in words for whoever signed it.
enum Refusals {
  static func text(_ result: Intertie_V1_SubmitResult, of body: CommandBody) -> String {
    let place = result.height > 0 ? "block \(result.height), entry \(result.index)" : "no block"
    guard let reason = result.rejection.domain else { return "\(result.rejection) (\(place))" }
    return "\(reason), \(words(reason, of: body)) (\(place))"
  }

  static func words(_ reason: Rejection, of body: CommandBody) -> String {
    if case .backbone(let body) = body, let words = onBackbone(reason, body) { return words }
    switch reason {
    case .malformed: return malformed(body)
    case .wrongChain: return "it is signed for another chain"
    case .expired: return "it took longer than two minutes to come into a block"
    case .unknownSigner: return unknownSigner(body)
    case .badSignature: return "the signature is not the signer's"
    case .replayed: return "another command of the signer came first: try again"
    case .wrongRole: return wrongRole(body)
    case .unknownObject: return unknownObject(body)
    case .limitExceeded: return limitExceeded(body)
    case .insufficientFunds: return "the account has less that is free"
    case .arrears: return "the account owes money, and buys nothing before that is paid"
    case .duplicate: return duplicate(body)
    case .crossesOwnOrder: return "it would trade with an order of the same account"
    case .fillOrKillUnfillable: return "it cannot be filled at once and whole"
    case .overflow: return "a product or a sum is too large"
    case .staleVersion, .abovePower, .intervalInFuture, .tooLate: return "the reading is refused"
    }
  }

  private static let largest = Amounts.text(micro: Limits.amount, decimals: 0)

  private static func malformed(_ body: CommandBody) -> String {
    switch body {
    case .transfer: "an amount is above 0 and at most \(largest), and goes to another account"
    case .transferAbroad: "an amount is above 0 and at most \(largest), and goes to another grid"
    case .issue, .redeem: "an amount is above 0 and at most \(largest)"
    case .place, .replace:
      "an order is of 0.001 to \(Amounts.text(micro: Limits.orderWattHours * 1000, decimals: 0)) "
        + "kWh, at 0.000001 to \(Amounts.text(micro: Limits.price, decimals: 0)) ¤/kWh"
    case .setAgent:
      "an agent's prices are 0.000001 to \(Amounts.text(micro: Limits.price, decimals: 0)) ¤/kWh, "
        + "and its lower threshold is not above the upper one"
    case .registerMeter:
      "a meter's power is above 0 and at most "
        + "\(Amounts.text(micro: Limits.meterPower, decimals: 0)) kW"
    case .registerStorage: "a unit's capacity is at most 1 TWh, its power at most 1 TW"
    case .publishTariff:
      "a tariff has a price for each interval of the day, from 0 to "
        + "\(Amounts.text(micro: Limits.price, decimals: 0)) ¤/kWh, buying nowhere above selling"
    case .proposeValidators: "a set has 1 to \(Limits.validators) keys, each once"
    case .admitMember: "the account is one of the system's own"
    case .cancel, .retireMeter, .setUtility, .acceptValidators, .backbone:
      "a field is out of its range"
    }
  }

  private static func unknownSigner(_ body: CommandBody) -> String {
    if case .acceptValidators = body { return "the signer is no validator, present or proposed" }
    return "the signer has no account on this chain: one begins with the first thing it gets"
  }

  private static func wrongRole(_ body: CommandBody) -> String {
    switch body {
    case .issue:
      "only the gateway issues money, and nobody on a grid with a backbone: there it comes by "
        + "`backbone issue`"
    case .acceptValidators: "the signer is no validator, present or proposed"
    case .publishTariff, .setUtility: "only the oracle may"
    default: "only the operator may"
    }
  }

  private static func unknownObject(_ body: CommandBody) -> String {
    switch body {
    case .cancel, .replace: "the account has no open order of this number"
    case .retireMeter: "no such meter is registered"
    case .registerStorage: "there is no unit of this number to remove"
    case .proposeValidators: "no proposal is open that could be withdrawn"
    case .acceptValidators: "this is not the open proposal"
    case .transferAbroad: "the grid is one of its own, without a backbone"
    default: "there is no such thing on this chain"
    }
  }

  private static func limitExceeded(_ body: CommandBody) -> String {
    switch body {
    case .transfer: "the receiver may not hold so much energy"
    case .transferAbroad, .redeem:
      "as much of the account, or of the grid, waits for an answer as may: try later"
    case .place, .replace: "the account has as many open orders as it may, or the book is full"
    case .proposeValidators: "the chain has had as many changes of validators as it may"
    case .admitMember, .issue: "the chain has as many accounts as it may"
    default: "a table of the chain is full"
    }
  }

  private static func duplicate(_ body: CommandBody) -> String {
    switch body {
    case .registerMeter: "the meter is registered already"
    case .admitMember: "the account is a member already"
    case .proposeValidators: "that is the open proposal already"
    case .acceptValidators: "the signer has accepted it already"
    default: "it is there already"
    }
  }

  /// Where the backbone has reasons of its own.
  private static func onBackbone(_ reason: Rejection, _ body: BackboneCommandBody) -> String? {
    switch (reason, body) {
    case (.malformed, .register):
      "the grid's name cannot be printed, its validators are no set, or it is the backbone itself"
    case (.malformed, _): "an amount, a power or a price is out of its range"
    case (.unknownSigner, _): "the signer has no account on the backbone"
    case (.wrongRole, .setFee): "only the backbone's oracle may"
    case (.wrongRole, .issue), (.wrongRole, .payOut): "only the backbone's gateway may"
    case (.wrongRole, _): "only the backbone's operator may"
    case (.unknownObject, .payOut): "no withdrawal of this number is waiting"
    case (.unknownObject, .setFee): "there is no line of this number"
    case (.unknownObject, .putLine): "one of its two grids is not entered, or frozen"
    case (.unknownObject, _): "the grid is not entered, or frozen"
    case (.duplicate, .putLine): "the line of this number is between other grids"
    case (.duplicate, _): "the grid is entered already"
    case (.limitExceeded, .register): "the backbone has as many grids as it may"
    case (.limitExceeded, .putLine): "the backbone has as many lines or accounts as it may"
    case (.limitExceeded, .issue):
      "more money than the network may have, \(largest) ¤, or no room in this block"
    case (.limitExceeded, _): "this block can send no more packets: try again"
    case (.insufficientFunds, .grant): "the treasury has less"
    default: nil
    }
  }
}
