import Domain

extension CommandBody {
  /// Throws `malformed` when a field is out of its range, whatever the state of the ledger.
  func checkRanges(
    signer: AccountID, chain: ChainID, intervalsPerDay: Int
  ) throws(Rejection) {
    switch self {
    case .transfer(let receiver, _, let amount):
      try require(receiver != signer && (1...Limits.amount).contains(amount))
    case .transferAbroad(let grid, _, let asset, let amount, _):
      try require(grid != chain && asset != .watt && (1...Limits.amount).contains(amount))
    case .place(let request):
      try checkOrder(wattHours: request.wattHours, limit: request.limit)
    case .replace(_, let wattHours, let limit):
      try checkOrder(wattHours: wattHours, limit: limit)
    case .setAgent(let settings?):
      try checkAgent(settings)
    case .admitMember(let id):
      try require(!SystemAccount.allCases.contains { $0.id == id })
    case .registerMeter(_, _, let maximumPower, _):
      try require((1...Limits.meterPower).contains(maximumPower.raw))
    case .registerStorage(_, _, let capacity, let power):
      try require((0...Limits.storageCapacity).contains(capacity.raw))
      try require((0...Limits.storagePower).contains(power.raw))
    case .publishTariff(let tariff):
      try tariff.validate(intervalsPerDay: intervalsPerDay)
    case .issue(_, let amount), .redeem(let amount):
      try require((1...Limits.amount).contains(amount.raw))
    case .proposeValidators(let keys):
      try ValidatorSet.validate(keys)
    case .cancel, .setAgent(nil), .retireMeter, .setUtility, .acceptValidators:
      break
    case .backbone: throw .malformed
    }
  }

  private func require(_ condition: Bool) throws(Rejection) {
    guard condition else { throw .malformed }
  }

  private func checkOrder(wattHours: Int64, limit: Price) throws(Rejection) {
    try require((1...Limits.orderWattHours).contains(wattHours))
    try require((1...Limits.price).contains(limit.raw))
  }

  private func checkAgent(_ settings: AgentSettings) throws(Rejection) {
    for price in [settings.buyPrice, settings.sellPrice] {
      if let price { try require((1...Limits.price).contains(price.raw)) }
    }
    try require(settings.low.raw >= 0 && settings.low <= settings.high)
    try require(settings.high.raw <= Limits.amount)
  }

  /// Whom this command is for; nil when it is for anybody.
  func requiredSigner(_ roles: Roles) -> AccountID? {
    switch self {
    case .admitMember, .registerMeter, .retireMeter, .registerStorage, .proposeValidators:
      roles.operator
    case .publishTariff, .setUtility: roles.oracle
    case .issue: roles.gateway
    // Who may accept is the registry's to know.
    case .transfer, .transferAbroad, .place, .cancel, .replace, .setAgent, .redeem,
      .acceptValidators, .backbone:
      nil
    }
  }
}
