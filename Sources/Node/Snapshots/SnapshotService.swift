import Domain
import Foundation
import GRPCCore
import Synchronization
import Wire

/// Gives a node that joins what it needs. Each peer has a few transfers at a time, each within a
/// time, so that none can hold memory or the others up.
package struct SnapshotService: Intertie_V1_Snapshots.SimpleServiceProtocol {
  private let archive: SnapshotArchive
  private let caller: @Sendable (ServerContext) throws -> PublicKey
  private let transfers: SnapshotTransfers

  /// `caller` tells who calls, and throws when it is nobody who may.
  package init(
    _ archive: SnapshotArchive, caller: @escaping @Sendable (ServerContext) throws -> PublicKey
  ) {
    self.archive = archive
    self.caller = caller
    transfers = SnapshotTransfers()
  }

  package func offer(
    request: Intertie_V1_SnapshotOfferRequest,
    response: RPCWriter<Intertie_V1_SnapshotOfferPiece>, context: ServerContext
  ) async throws {
    try await transfer(context) {
      guard let offer = try await archive.offer() else {
        throw NodeFailure.notFound("this node has no state yet that it can prove")
      }
      for piece in offer.pieces { try await response.write(piece) }
    }
  }

  package func headers(
    request: Intertie_V1_SnapshotHeadersRequest,
    response: RPCWriter<Intertie_V1_SnapshotHeadersPiece>, context: ServerContext
  ) async throws {
    guard request.from > 0, request.limit <= SnapshotLimits.pageHeaders else {
      throw RPCError(
        .invalid("headers are from height 1 on, at most \(SnapshotLimits.pageHeaders)"))
    }
    try await transfer(context) {
      let limit = request.limit == 0 ? SnapshotLimits.pageHeaders : Int(request.limit)
      let headers = try await archive.headers(from: request.from, limit: limit)
      for part in HeaderPacker(headers).pieces {
        var piece = Intertie_V1_SnapshotHeadersPiece()
        piece.headers = part
        try await response.write(piece)
      }
    }
  }

  package func chunk(
    request: Intertie_V1_SnapshotChunkRequest,
    response: RPCWriter<Intertie_V1_SnapshotChunkPiece>, context: ServerContext
  ) async throws {
    guard let digest = Digest(request.digest) else {
      throw RPCError(.invalid("a chunk is asked for by its digest of 32 bytes"))
    }
    try await transfer(context) {
      guard let bytes = try await archive.chunk(digest) else {
        throw NodeFailure.notFound("no chunk of that digest, or no longer")
      }
      for start in stride(from: 0, to: bytes.count, by: SnapshotLimits.pieceBytes) {
        var piece = Intertie_V1_SnapshotChunkPiece()
        piece.bytes = Data(bytes[start..<min(start + SnapshotLimits.pieceBytes, bytes.count)])
        try await response.write(piece)
      }
    }
  }

  private func transfer(_ context: ServerContext, _ body: @Sendable () async throws -> Void)
    async throws
  {
    let peer = try caller(context)
    try await serving {
      try transfers.begin(peer)
      defer { transfers.end(peer) }
      try await withDeadline(SnapshotLimits.transferSeconds, body)
    }
  }

  /// Runs `body`, and cancels it when it takes longer: a caller that does not read holds nothing
  /// for long.
  private func withDeadline(_ seconds: Int64, _ body: @Sendable () async throws -> Void)
    async throws
  {
    try await withoutActuallyEscaping(body) { body in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body() }
        group.addTask {
          try await Task.sleep(for: .seconds(seconds))
          throw NodeFailure.stopped("the transfer took longer than \(seconds) s")
        }
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }
}

/// Transfers under way.
package final class SnapshotTransfers: Sendable {
  private let counts = Mutex<[PublicKey: Int]>([:])

  package init() {}

  /// Throws `busy` when the peer, or all together, have as many as they may.
  package func begin(_ peer: PublicKey) throws(NodeFailure) {
    let isTaken = counts.withLock { counts in
      let all = counts.values.reduce(0, +)
      guard counts[peer, default: 0] < SnapshotLimits.transfersPerPeer,
        all < SnapshotLimits.transfers
      else { return false }
      counts[peer, default: 0] += 1
      return true
    }
    guard isTaken else { throw .busy("too many transfers are under way; try again in a moment") }
  }

  package func end(_ peer: PublicKey) {
    counts.withLock { counts in
      counts[peer, default: 1] -= 1
      if counts[peer] == 0 { counts[peer] = nil }
    }
  }
}
