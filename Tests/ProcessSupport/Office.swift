import Domain
import Node
import Wire

/// All roles of a backbone in one hand: enters grids and lines, issues money and grants TSL.
package struct Office: Sendable {
  package let key: SigningKey
  package let chain: ChainID

  package init(_ key: SigningKey, chain: ChainID) {
    self.key = key
    self.chain = chain
  }

  /// Has all of them applied, in this order, at whatever node.
  package func run(_ bodies: [BackboneCommandBody], _ services: Services) async throws {
    let first = try await services.backbone.account(
      .with { $0.account = key.publicKey.data }, options: services.options
    ).nextSequence
    var done = 0
    while done < bodies.count {
      let some = bodies[done...].prefix(Limits.commandsPerSubmission)
      var request = Intertie_V1_SubmitRequest()
      request.commands = some.enumerated().map {
        Intertie_V1_SignedCommand(
          SignedBytes.command(
            .backbone($1), on: chain, by: key, sequence: first + UInt64(done + $0)))
      }
      let results = try await services.backbone.submit(request, options: services.options).results
      try demand(
        results.count == some.count && results.allSatisfy { $0.rejection == .none },
        "the backbone has not done it all: \(results.map(\.rejection))")
      done += some.count
    }
  }

  /// What enters these grids and lines.
  package func entry(of grids: [Genesis], lines: [Interconnector]) throws -> [BackboneCommandBody] {
    try grids.map { .register(try GridRegistration(of: $0, on: chain)) }
      + lines.map { .putLine($0) }
  }

  /// What gives each of a grid's accounts that much.
  package func funds(
    of accounts: [PublicKey], in grid: ChainID, money: Money, tsl: StorageTokens
  ) -> [BackboneCommandBody] {
    accounts.flatMap {
      [.issue(grid, to: $0, amount: money), .grant(grid, to: $0, amount: tsl)]
    }
  }
}

extension SignedBytes {
  /// A command that never expires.
  package static func command(
    _ body: CommandBody, on chain: ChainID, by key: SigningKey, sequence: UInt64
  ) -> SignedBytes {
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: sequence,
        expires: Timestamp(seconds: 1 << 40), body: body))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }
}
