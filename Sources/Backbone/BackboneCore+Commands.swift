import Domain

extension BackboneCore {
  /// A block's commands in their order. Checks are made in the order of `Rejection`, before any
  /// effect; a command that gets past the check for replays uses up its sequence, even if a later
  /// check rejects it.
  package mutating func apply(
    _ commands: [(entry: Int, command: Command)]
  ) -> CommandOutcome {
    var outcome = CommandOutcome()
    for (entry, command) in commands {
      do throws(Rejection) {
        let signer = try admit(command)
        if let instruction = try perform(command.body, by: signer, at: entry) {
          outcome.validators.append(instruction)
        } else {
          outcome.receipts.append(PlacedReceipt(entry, .applied))
        }
      } catch { outcome.receipts.append(PlacedReceipt(entry, .rejected(error))) }
    }
    return outcome
  }

  /// The checks that do not depend on the state of what the command asks for. The place of the
  /// signer's account.
  private mutating func admit(_ command: Command) throws(Rejection) -> Int {
    guard command.sequence > 0 else { throw .malformed }
    try checkRanges(command.body)
    guard command.chain == chain else { throw .wrongChain }
    guard time <= command.expires else { throw .expired }
    let signer = place(ofAccount: command.signer)
    guard signer < accounts.count, accounts[signer].id == command.signer else {
      throw .unknownSigner
    }
    guard accounts[signer].window.use(command.sequence) else { throw .replayed }
    if let required = requiredSigner(command.body), required != command.signer {
      throw .wrongRole
    }
    return signer
  }

  /// Throws `malformed`, also for what only a microgrid does.
  private func checkRanges(_ body: CommandBody) throws(Rejection) {
    switch body {
    case .backbone(let body): try body.checkRanges(genesis, chain: chain)
    case .proposeValidators(let keys): try ValidatorSet.validate(keys)
    case .acceptValidators: return
    default: throw .malformed
    }
  }

  /// Whom this command is for; nil when it is for any account. Who may accept validators is their
  /// registry's to know.
  private func requiredSigner(_ body: CommandBody) -> AccountID? {
    switch body {
    case .backbone(let body): body.requiredSigner(genesis.roles)
    case .proposeValidators: genesis.roles.operator
    default: nil
    }
  }

  /// Does what the command asks for, or throws before any effect. What the registry of validators
  /// decides is returned.
  private mutating func perform(
    _ body: CommandBody, by signer: Int, at entry: Int
  ) throws(Rejection) -> ValidatorInstruction? {
    switch body {
    case .proposeValidators(let keys):
      try openForValidators(keys)
      return .propose(entry: entry, keys)
    case .acceptValidators(let proposal):
      return .accept(entry: entry, signer: accounts[signer].id, proposal: proposal)
    case .backbone(let body): try perform(body, by: signer)
    default: throw .malformed
    }
    return nil
  }

  private mutating func perform(
    _ body: BackboneCommandBody, by signer: Int
  ) throws(Rejection) {
    switch body {
    case .register(let registration): try enter(registration)
    case .putLine(let line): try put(line)
    case .rate(let grid, let power):
      let place = try reachable(grid)
      grids[place].reckonClean(until: time)
      grids[place].cleanPower = power
    case .grant(let grid, let receiver, let amount): try grant(amount, to: receiver, of: grid)
    case .setFee(let id, let fee): try setFee(fee, of: id)
    case .issue(let grid, let receiver, let amount): try issue(amount, to: receiver, of: grid)
    case .payOut(let number): try payOut(number)
    case .pay(let grid, let receiver, let amount):
      try pay(amount, by: signer, to: receiver, of: grid)
    }
  }

  private mutating func grant(
    _ amount: StorageTokens, to receiver: AccountID, of grid: ChainID
  ) throws(Rejection) {
    let place = try reachable(grid)
    guard amount <= treasury else { throw .insufficientFunds }
    treasury -= amount
    bring(.tsl, amount.raw, to: receiver, at: place)
  }

  private mutating func issue(
    _ amount: Money, to receiver: AccountID, of grid: ChainID
  ) throws(Rejection) {
    let place = try reachable(grid)
    guard issued - withdrawn + Int128(amount.raw) <= Int128(Limits.amount) else {
      throw .limitExceeded
    }
    issued += Int128(amount.raw)
    bring(.money, amount.raw, to: receiver, at: place)
  }

  private mutating func payOut(_ number: UInt64) throws(Rejection) {
    let index = lowerBound(withdrawals.count) { withdrawals[$0].id < number }
    guard index < withdrawals.count, withdrawals[index].id == number else {
      throw .unknownObject
    }
    let paid = withdrawals.remove(at: index)
    withdrawn += Int128(paid.amount.raw)
    // A grid stays in the registry for ever.
    if let place = grids.place(of: paid.grid) { grids[place].withdrawalsWaiting -= 1 }
  }

  private mutating func pay(
    _ amount: Money, by signer: Int, to receiver: AccountID, of grid: ChainID
  ) throws(Rejection) {
    let place = try reachable(grid)
    guard amount <= accounts[signer].money else { throw .insufficientFunds }
    accounts[signer].money -= amount
    grids[place].credit(.money, amount.raw)
    send(
      .transferIn(
        TransferIn(
          origin: chain, sender: accounts[signer].id, account: receiver, asset: .money,
          amount: amount.raw)), to: place)
  }

  /// The place of a grid that can be sent to. Throws `unknownObject` for one that is not
  /// registered or frozen, `limitExceeded` when this block can send no more.
  private func reachable(_ grid: ChainID) throws(Rejection) -> Int {
    guard let place = grids.place(of: grid), !grids[place].isFrozen else { throw .unknownObject }
    guard hasRoomToSend(1) else { throw .limitExceeded }
    return place
  }

  private mutating func bring(
    _ asset: Asset, _ amount: Int64, to receiver: AccountID, at place: Int
  ) {
    grids[place].credit(asset, amount)
    send(.issue(to: receiver, asset: asset, amount: amount), to: place)
  }

  private mutating func setFee(_ fee: Price, of id: UInt64) throws(Rejection) {
    let place = place(ofLine: id)
    guard place < lines.count, lines[place].id == id else { throw .unknownObject }
    guard hasRoomToSend(2) else { throw .limitExceeded }
    lines[place].fee = fee
    tellFee(of: lines[place])
  }

  /// Validators accept a proposal with commands, for which they need accounts: the proposed ones,
  /// and those of the genesis. Whoever validates by now is one of these or was proposed once.
  private mutating func openForValidators(_ proposed: [PublicKey]) throws(Rejection) {
    var missing: [AccountID] = []
    for id in genesis.validators + proposed where account(id) == nil && !missing.contains(id) {
      missing.append(id)
    }
    guard missing.count <= BackboneLimits.accounts - accounts.count else {
      throw .limitExceeded
    }
    for id in missing { _ = try account(opening: id) }
  }
}
