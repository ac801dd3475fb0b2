import Domain

/// A command that got past the checks of its envelope.
struct Admitted {
  let entry: Int
  let sequence: UInt64
  let signer: AccountIndex

  /// For a line of history.
  var place: UInt32 { UInt32(clamping: entry) }
}

extension LedgerCore {
  /// A block's commands, in its order: checks each as `Rejection` declares, does what the ledger
  /// itself does, holds money for orders, and hands on what other stages decide.
  ///
  /// A command that gets past the check for replays uses up its sequence and leaves a line in its
  /// signer's history, even if a later check rejects it; one that does not has no effect at all.
  ///
  /// - Parameter room: what the lane to the backbone can take; nil on a grid of its own.
  package mutating func hold(
    _ commands: [(entry: Int, command: Command)], time: Timestamp, room: LaneRoom? = nil
  ) -> HoldOutcome {
    var outcome = HoldOutcome()
    var room = room
    for (entry, command) in commands {
      do throws(Rejection) {
        let admitted = try admit(command, entry: entry, time: time)
        if try apply(command.body, admitted, &room, &outcome) {
          outcome.receipts.append(PlacedReceipt(entry, .applied))
        }
      } catch {
        outcome.receipts.append(PlacedReceipt(entry, .rejected(error)))
      }
    }
    outcome.energy.reserveCapacity(energyChanged.count)
    for index in energyChanged {
      marks[index.int].remove(.energy)
      outcome.energy.append(EnergyBalance(account: index, balance: accounts[index.int].watt))
    }
    energyChanged.removeAll(keepingCapacity: true)
    return outcome
  }

  /// The checks that do not depend on what the command asks for, and its role.
  private mutating func admit(_ command: Command, entry: Int, time: Timestamp)
    throws(Rejection) -> Admitted
  {
    guard command.sequence > 0 else { throw .malformed }
    try command.body.checkRanges(
      signer: command.signer, chain: terms.chain, intervalsPerDay: terms.intervalsPerDay)
    guard command.chain == terms.chain else { throw .wrongChain }
    guard time <= command.expires else { throw .expired }
    // Nobody has a key of the system's accounts.
    guard let signer = indexes[command.signer], signer > Self.educationFund else {
      throw .unknownSigner
    }
    guard accounts[signer.int].window.use(command.sequence) else { throw .replayed }
    let admitted = Admitted(entry: entry, sequence: command.sequence, signer: signer)
    touch(signer)
    record(signer, .command, reference: command.sequence, entry: admitted.place)
    if let required = command.body.requiredSigner(terms.roles), required != command.signer {
      throw .wrongRole
    }
    // Money enters at the backbone's gateway; a grid with a backbone has none of its own.
    if terms.hasBackbone, case .issue = command.body { throw .wrongRole }
    return admitted
  }

  /// True when the ledger has done it all; false when another stage decides.
  private mutating func apply(
    _ body: CommandBody, _ by: Admitted, _ room: inout LaneRoom?, _ outcome: inout HoldOutcome
  ) throws(Rejection) -> Bool {
    let entry = by.entry
    switch body {
    case .transfer(let receiver, let asset, let amount):
      try transfer(asset, amount, to: receiver, by)
      return true
    case .admitMember(let id):
      try admitMember(id, by)
      return true
    case .issue(let receiver, let amount):
      try issue(amount, to: receiver, by)
      return true
    case .redeem(let amount) where !terms.hasBackbone:
      try redeem(amount, by)
      return true
    case .backbone: throw .malformed
    case .redeem, .transferAbroad:
      try depart(body, by, &room, &outcome)
    case .place(let request):
      let held = try holdWhole(request, of: by.signer)
      outcome.book.append(.place(entry: entry, account: by.signer, request, held: held))
    case .cancel(let order):
      outcome.book.append(.cancel(entry: entry, account: by.signer, order))
    case .replace(let order, let wattHours, let limit):
      let held = try holdUpTo(wattHours: wattHours, limit: limit, of: by.signer)
      outcome.book.append(
        .replace(
          entry: entry, account: by.signer, order, wattHours: wattHours, limit: limit,
          held: held))
    case .setAgent(let settings):
      outcome.book.append(.setAgent(entry: entry, account: by.signer, settings))
    case .registerMeter(let meter, let owner, let power, let isClean):
      let account = try openForMeter(owner)
      outcome.meters.append(
        .register(
          entry: entry, meter: meter, account: account, maximumPower: power, isClean: isClean))
    case .retireMeter(let meter):
      outcome.meters.append(.retire(entry: entry, meter: meter))
    case .registerStorage(let unit, let owner, let capacity, let power):
      let account = try open(owner)
      outcome.fees.append(
        .registerStorage(
          entry: entry, unit: unit, owner: account, capacity: capacity, power: power))
    case .publishTariff(let tariff):
      outcome.fees.append(.publishTariff(entry: entry, tariff))
    case .setUtility(let isAvailable):
      outcome.fees.append(.setUtility(entry: entry, isAvailable: isAvailable))
    case .proposeValidators(let keys):
      try openForValidators(keys)
      outcome.validators.append(.propose(entry: entry, keys))
    case .acceptValidators(let proposal):
      outcome.validators.append(
        .accept(entry: entry, signer: accounts[by.signer.int].id, proposal: proposal))
    }
    return false
  }

  /// A meter mints WATT, which the system's accounts never hold.
  private mutating func openForMeter(_ owner: AccountID) throws(Rejection) -> AccountIndex {
    guard !isSystem(owner) else { throw .limitExceeded }
    return try open(owner)
  }

  /// Validators accept a proposal with commands, for which they need accounts: the proposed ones,
  /// and those of the genesis. Whoever validates by now is one of these or was proposed once.
  private mutating func openForValidators(_ proposed: [PublicKey]) throws(Rejection) {
    var missing: [AccountID] = []
    for id in terms.validators + proposed where indexes[id] == nil && !missing.contains(id) {
      missing.append(id)
    }
    guard missing.count <= terms.accountLimit - accounts.count else { throw .limitExceeded }
    for id in missing { _ = try open(id) }
  }

  func isSystem(_ id: AccountID) -> Bool {
    id == accounts[Self.networkFund.int].id || id == accounts[Self.educationFund.int].id
  }
}
