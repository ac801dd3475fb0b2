import Domain

extension BackboneCommandBody {
  /// Throws `malformed` when a field is out of its range, whatever the state of the backbone.
  func checkRanges(_ genesis: BackboneGenesis, chain: ChainID) throws(Rejection) {
    func require(_ condition: Bool) throws(Rejection) { if !condition { throw .malformed } }
    switch self {
    case .register(let registration):
      try require(registration.grid != chain && ChainName.isPrintable(registration.name))
      try ValidatorSet.validate(registration.validators)
    case .putLine(let line):
      try line.validate(intervalSeconds: genesis.calendar.intervalSeconds)
    case .rate(_, let power): try require((0...BackboneLimits.cleanPower).contains(power.raw))
    case .grant(_, _, let amount): try require((1...Limits.storageTokens).contains(amount.raw))
    case .setFee(_, let fee): try require((0...Limits.price).contains(fee.raw))
    case .issue(_, _, let amount), .pay(_, _, let amount):
      try require((1...Limits.amount).contains(amount.raw))
    case .payOut: break
    }
  }

  /// Whom this command is for; nil when it is for any account.
  func requiredSigner(_ roles: BackboneRoles) -> AccountID? {
    switch self {
    case .register, .putLine, .rate, .grant: roles.operator
    case .setFee: roles.oracle
    case .issue, .payOut: roles.gateway
    case .pay: nil
    }
  }
}
