import Domain
import GRPCCore
import Wire

/// What the commands of the backbone need of a node.
extension NodeConnection {
  /// Fails for a grid of its own.
  func overview() async throws -> Intertie_V1_OverviewResponse {
    guard let overview = try await overviewIfAny() else {
      throw CommandFailure("the node's grid is one of its own: it is not part of a backbone")
    }
    return overview
  }

  /// Nil for a grid of its own.
  func overviewIfAny() async throws -> Intertie_V1_OverviewResponse? {
    do { return try await backbone.overview(.init(), options: Self.options) } catch let error
      as RPCError where [.notFound, .unimplemented].contains(error.code)
    { return nil }
  }

  /// Signs and submits commands for the backbone's chain, as `submit(_:key:)` does for the grid's.
  /// Both chains keep the same time.
  func submit(toBackbone bodies: [BackboneCommandBody], key: SigningKey) async throws
    -> [Intertie_V1_SubmitResult]
  {
    guard let chain = ChainID(try await overview().chainID) else {
      throw CommandFailure("the node gives no valid id of the backbone")
    }
    let next: UInt64
    do {
      next = try await backbone.account(
        .with { $0.account = key.publicKey.data }, options: Self.options
      ).nextSequence
    } catch let error as RPCError where error.code == .notFound {
      throw CommandFailure(
        "\(key.publicKey.text(as: .account)) has no account on the backbone: only its roles, its "
          + "validators and the owners of lines have one")
    }
    let request = Self.request(
      bodies.map { .backbone($0) }, key: key, chain: chain, sequence: next,
      expires: Self.expiry(try await currentStatus()))
    do { return try await backbone.submit(request, options: Self.options).results } catch let error
      as RPCError
      where [.unavailable, .deadlineExceeded, .cancelled].contains(error.code)
    {
      throw CommandFailure(
        "the node's answer was lost (\(error.message)): the command may have been applied. Before "
          + "you repeat it, look: intertie backbone status")
    }
  }
}
