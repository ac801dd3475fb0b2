import Domain
import Foundation
import GRPCCore
import Wire

/// Which of the chains that a node keeps a command is for.
enum TargetChain: Sendable {
  case grid
  case backbone
}

/// A command that was handed in, and what became of it.
struct CommandOutcome: Sendable {
  /// Of the signer: `wallet receipt` asks by it.
  var sequence: UInt64
  var result: Intertie_V1_SubmitResult

  /// The result's fields and the sequence.
  func json() throws -> String {
    let fields = try result.jsonString().dropFirst()
    return "{\"sequence\":\"\(sequence)\"" + (fields == "}" ? "" : ",") + fields
  }
}

extension NodeConnection {
  /// After so long a command that waits says what it waits for.
  private static let patience = Duration.seconds(4)

  /// How often commands are signed anew whose sequences were taken meanwhile.
  private static let attempts = 5

  /// Signs commands of one account, hands them in with one call, and waits for their receipts, in
  /// order; when that takes long, says on standard error why. The account's next sequence is asked
  /// for, so that a wallet keeps no state of its own; where another command had taken it, because
  /// this node had not yet seen what was handed in at another, it is asked for again. Both chains
  /// keep the same time.
  func submit(
    _ bodies: [CommandBody], key: SigningKey, to target: TargetChain
  ) async throws -> [CommandOutcome] {
    var attempt = 1
    while true {
      let outcomes = try await submitOnce(bodies, key: key, to: target)
      let isTaken = outcomes.allSatisfy { $0.result.rejection == .replayed }
      guard isTaken, !outcomes.isEmpty, attempt < Self.attempts else { return outcomes }
      try await Task.sleep(for: .milliseconds(100 * attempt))
      attempt += 1
    }
  }

  private func submitOnce(
    _ bodies: [CommandBody], key: SigningKey, to target: TargetChain
  ) async throws -> [CommandOutcome] {
    guard let last = bodies.last else { return [] }
    let status = try await currentStatus()
    let (chain, first) = try await place(of: key.publicKey, on: target, status)
    let request = Self.request(
      bodies, key: key, chain: chain, sequence: first, expires: Self.expiry(status))
    let response: Intertie_V1_SubmitResponse
    do {
      response = try await patiently(on: target) {
        switch target {
        case .grid: try await ledger.submit(request, options: Self.options)
        case .backbone: try await backbone.submit(request, options: Self.options)
        }
      }
    } catch let error as RPCError
      where [.unavailable, .deadlineExceeded, .cancelled].contains(error.code)
    {
      let sequence = first + UInt64(bodies.count - 1)
      throw CommandFailure(Self.explain(error, where: Self.trace(of: last, sequence)))
    }
    guard response.results.count == bodies.count else {
      throw CommandFailure("the node gave no result")
    }
    return response.results.enumerated().map {
      CommandOutcome(sequence: first + UInt64($0), result: $1)
    }
  }

  /// For the backbone.
  func submit(
    toBackbone bodies: [BackboneCommandBody], key: SigningKey
  ) async throws -> [Intertie_V1_SubmitResult] {
    try await submit(bodies.map { .backbone($0) }, key: key, to: .backbone).map(\.result)
  }

  /// The chain's id, and the next sequence of an account on it.
  private func place(
    of account: PublicKey, on target: TargetChain, _ status: Intertie_V1_StatusResponse
  ) async throws -> (ChainID, UInt64) {
    let id = target == .grid ? status.chainID : try await overview().chainID
    guard let chain = ChainID(id) else { throw CommandFailure("the node gives no valid chain id") }
    do {
      switch target {
      case .grid: return (chain, try await self.account(account).nextSequence)
      case .backbone:
        let request = Intertie_V1_BackboneAccountRequest.with { $0.account = account.data }
        return (chain, try await backbone.account(request, options: Self.options).nextSequence)
      }
    } catch let error as RPCError where error.code == .notFound {
      guard target == .backbone else { return (chain, 1) }
      throw CommandFailure(
        "\(account.text(as: .account)) has no account on the backbone: only its roles, its "
          + "validators and the owners of lines have one")
    }
  }

  /// Two minutes of wall-clock time from now, however fast the chain's runs.
  static func expiry(_ status: Intertie_V1_StatusResponse) -> Timestamp {
    Timestamp(microseconds: status.chainTimeUs + 120_000_000 * status.rate)
  }

  /// Signed, with sequences from `sequence` on.
  static func request(
    _ bodies: [CommandBody], key: SigningKey, chain: ChainID, sequence: UInt64, expires: Timestamp
  ) -> Intertie_V1_SubmitRequest {
    .with {
      $0.commands = bodies.enumerated().map { offset, body in
        let command = Command(
          chain: chain, signer: key.publicKey, sequence: sequence + UInt64(offset),
          expires: expires, body: body)
        return Intertie_V1_SignedCommand(command, key: key)
      }
    }
  }

  // MARK: Waiting

  private func patiently<T: Sendable>(
    on target: TargetChain, _ call: @escaping @Sendable () async throws -> T
  ) async throws -> T {
    try await withThrowingTaskGroup(of: T?.self) { group in
      defer { group.cancelAll() }
      group.addTask { try await call() }
      group.addTask {
        try await Task.sleep(for: Self.patience)
        let reason = await standstill(of: target) ?? "no block has taken the command so far"
        FileHandle.standardError.write(Data("still waiting: \(reason)\n".utf8))
        return nil
      }
      while let outcome = try await group.next() {
        if let outcome { return outcome }
      }
      throw CommandFailure("the node gave no result")
    }
  }

  /// Why no block can come; nil if nothing is known to be in the way.
  private func standstill(of target: TargetChain) async -> String? {
    switch target {
    case .grid: try? await ChainHealth(currentStatus()).obstacle
    case .backbone: try? await ChainHealth(overview()).obstacle
    }
  }

  private static func explain(_ error: RPCError, where place: String) -> String {
    let lost =
      error.code == .deadlineExceeded
      ? "no receipt in 30 seconds: the chain stands still or is slow"
      : "the node's answer was lost (\(error.message))"
    return lost + ". The command may have been applied, and until two minutes after it was signed "
      + "it may still be. Before you repeat it, look: \(place)"
  }

  /// Where the effect of a command can be seen when its receipt is lost.
  private static func trace(of body: CommandBody, _ sequence: UInt64) -> String {
    guard case .backbone(let body) = body else {
      switch body {
      case .proposeValidators, .acceptValidators: return "intertie validators"
      default: return "intertie wallet receipt \(sequence) --key …"
      }
    }
    switch body {
    case .issue, .grant, .pay:
      return "the receiver's intertie wallet history, at a node of the receiver's grid"
    case .payOut: return "intertie backbone withdrawals"
    case .register, .putLine, .rate, .setFee: return "intertie backbone status"
    }
  }
}
