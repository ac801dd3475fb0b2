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

  /// What the commands call the grids; nothing has a name at a grid of its own.
  func directory() async throws -> GridDirectory {
    try await overviewIfAny().map { GridDirectory($0) } ?? .empty
  }
}
