import Domain
import GRPCCore
import Wire

/// Keys of the roles that enrol members, as far as they are at hand.
package struct LoadCredentials: Sendable {
  /// Operators: one of all grids, or one for each grid in their order.
  package var operators: [SigningKey] = []
  /// The gateway that brings money: of a grid of its own, else the backbone's. Without it, on a
  /// grid of its own the operator's key is tried.
  package var gateway: SigningKey?
  /// The backbone's operator, who grants TSL.
  package var backboneOperator: SigningKey?

  package init() {}

  /// The operator of the grid with that number.
  func `operator`(of grid: Int) -> SigningKey? {
    operators.count == 1 ? operators[0] : grid < operators.count ? operators[grid] : nil
  }
}

/// Makes sure that a grid has the simulated meters and members, with money: admits, registers and
/// pays those that it has not yet, in ascending order of their numbers. So those it has are always
/// the first ones, and a run that goes on after another one finds where to begin by bisection.
package struct Enrolment: Sendable {
  package var grid: LoadGrid
  package var plan: LoadPlan
  package var credentials: LoadCredentials
  package var say: @Sendable (String) -> Void

  /// How many commands the grid's chain has of it.
  package func run() async throws -> Int {
    let count = grid.count
    let known = try await self.known()
    var commands = 0
    if known < count {
      guard let key = credentials.operator(of: grid.number) else {
        throw LoadFailure(
          "\(known) of \(count) simulated meters are registered on \(grid.name): give "
            + "--operator-key, or start the chain from a genesis of `load prepare` with the same "
            + "--seed")
      }
      say("\(grid.name): registering \(count - known) meters and their members …")
      commands += try await register(known..<count, by: key)
    }
    // Members that only read meters need none: what they cannot pay is owed.
    guard plan.mix.commands > 0 || credentials.gateway != nil else {
      return commands
    }
    return commands + (try await fund(newFrom: known))
  }

  /// How many of the meters are registered; the others come after them.
  private func known() async throws -> Int {
    var (low, high) = (0, grid.count)
    while low < high {
      let middle = (low + high) / 2
      if try await grid.node.isRegistered(grid.keys.meters[middle].publicKey) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  private func register(_ numbers: Range<Int>, by key: SigningKey) async throws -> Int {
    let power = min(
      LoadLimits.meterPower,
      min(
        Limits.meterPower, Limits.intervalEnergy * 3600 / max(grid.clock.intervalSeconds, 1)))
    var bodies: [CommandBody] = [Self.storage(for: grid.count, owner: key.publicKey)]
    for number in numbers {
      let member = grid.keys.members[number].publicKey
      bodies.append(.admitMember(member))
      bodies.append(
        .registerMeter(
          grid.keys.meters[number].publicKey, account: member, maximumPower: Power(power),
          isClean: number.isMultiple(of: 2)))
    }
    return try await submit(bodies, by: key, accepting: [.duplicate])
  }

  /// A unit that all members' energy fits into.
  private static func storage(for count: Int, owner: AccountID) -> CommandBody {
    .registerStorage(
      unit: LoadLimits.storageUnit, owner: owner,
      capacity: Energy(
        min(Limits.storageCapacity, Int64(count) * LoadLimits.storageOfMember)),
      power: Power(min(Limits.storagePower, Int64(count) * LoadLimits.storagePowerOfMember)))
  }

  // MARK: Money

  /// Pays whoever has no money: the new ones, or all if the last one known has none.
  private func fund(newFrom known: Int) async throws -> Int {
    let members = grid.keys.members.map(\.publicKey)
    let last = known > 0 ? try await money(of: members[known - 1]) : 0
    let numbers = (last > 0 ? known : 0)..<members.count
    guard !numbers.isEmpty else { return 0 }
    if let backbone = grid.backbone {
      try await fund(Array(members[numbers]), over: backbone)
      return 0
    }
    guard let key = credentials.gateway ?? credentials.operator(of: grid.number) else {
      throw LoadFailure(
        "the members on \(grid.name) have no money: give --gateway-key, or --operator-key if the "
          + "operator is the gateway, too")
    }
    say("\(grid.name): money for \(numbers.count) members …")
    let amount = Money(plan.funds)
    return try await submit(members[numbers].map { .issue(to: $0, amount: amount) }, by: key)
  }

  private func money(of member: PublicKey) async throws -> Int64 {
    guard let account = try await grid.node.account(member) else { return 0 }
    return account.moneyFree + account.moneyHeld
  }

  /// Money of the backbone's gateway and TSL of its operator; returns when the money has come.
  private func fund(_ members: [PublicKey], over backbone: ChainID) async throws {
    guard let gateway = credentials.gateway else {
      throw LoadFailure(
        "the members on \(grid.name) have no money, and its money comes over the backbone: give "
          + "its gateway's key as --gateway-key")
    }
    say("\(grid.name): money over the backbone for \(members.count) members …")
    let chain = grid.chain
    let amount = Money(plan.funds)
    try await submit(
      members.map { .issue(chain, to: $0, amount: amount) }, toBackbone: backbone, by: gateway)
    if let key = credentials.backboneOperator {
      try await submit(
        members.map { .grant(chain, to: $0, amount: StorageTokens(LoadLimits.tokens)) },
        toBackbone: backbone, by: key)
    }
    let deadline = Monotonic.now + LoadLimits.travelSeconds * 1_000_000
    while let last = members.last, try await money(of: last) == 0 {
      guard Monotonic.now < deadline else {
        throw LoadFailure(
          "the money did not reach \(grid.name) within \(LoadLimits.travelSeconds) s")
      }
      await Monotonic.sleep(until: Monotonic.now + 100_000)
    }
  }

  // MARK: Submitting

  private func submit(
    _ bodies: [CommandBody], by key: SigningKey, accepting: Set<Rejection> = []
  ) async throws -> Int {
    let sequence = try await grid.node.account(key.publicKey)?.nextSequence ?? 1
    let node = grid.node
    return try await submit(bodies, on: grid.chain, by: key, from: sequence, accepting: accepting) {
      try await node.ledger.submit($0, options: LoadConnection.options).results
    }
  }

  private func submit(
    _ bodies: [BackboneCommandBody], toBackbone chain: ChainID, by key: SigningKey
  ) async throws {
    let node = grid.node
    let account = try await node.asking {
      try await node.backbone.account(
        .with { $0.account = key.publicKey.data }, options: LoadConnection.options)
    }
    _ = try await submit(
      bodies.map { .backbone($0) }, on: chain, by: key, from: account.nextSequence, accepting: []
    ) { try await node.backbone.submit($0, options: LoadConnection.options).results }
  }

  /// One submission after the other, each again while the node is busy; how many reached a block.
  private func submit(
    _ bodies: [CommandBody], on chain: ChainID, by key: SigningKey, from first: UInt64,
    accepting: Set<Rejection>,
    _ call: (Intertie_V1_SubmitRequest) async throws -> [Intertie_V1_SubmitResult]
  ) async throws -> Int {
    var sequence = first
    var placed = 0
    for start in stride(from: 0, to: bodies.count, by: LoadLimits.enrolledTogether) {
      let piece = bodies[start..<min(start + LoadLimits.enrolledTogether, bodies.count)]
      var request = Intertie_V1_SubmitRequest()
      for body in piece {
        request.commands.append(
          Intertie_V1_SignedCommand(
            Command(
              chain: chain, signer: key.publicKey, sequence: sequence,
              expires: grid.expiry(seconds: 600), body: body), key: key))
        sequence += 1
      }
      for (body, result) in zip(piece, try await patiently(request, call)) {
        if result.height > 0 { placed += 1 }
        guard let reason = result.receipt.rejection, !accepting.contains(reason) else { continue }
        throw LoadFailure("\(grid.name) refused to enrol a member: \(reason) (\(body.name))")
      }
    }
    return placed
  }

  private func patiently(
    _ request: Intertie_V1_SubmitRequest,
    _ call: (Intertie_V1_SubmitRequest) async throws -> [Intertie_V1_SubmitResult]
  ) async throws -> [Intertie_V1_SubmitResult] {
    var attempt = 0
    while true {
      do { return try await call(request) } catch let error as RPCError {
        attempt += 1
        guard error.isBusy, attempt <= 50 else {
          throw LoadFailure(NodeTrouble.text(error, at: grid.node.address.description))
        }
        let pause = RetryPause.milliseconds(after: error, attempt: attempt)
        await Monotonic.sleep(until: Monotonic.now + pause * 1000)
        try Task.checkCancellation()
      }
    }
  }
}

extension CommandBody {
  /// For a person who reads why an enrolment failed.
  fileprivate var name: String {
    switch self {
    case .admitMember: "a member's admission"
    case .registerMeter: "a meter's registration"
    case .registerStorage: "the storage unit; is the key the operator's?"
    case .issue: "money; is the key the gateway's?"
    case .backbone: "money or TSL of the backbone; is the key its gateway's or operator's?"
    default: "a command"
    }
  }
}
