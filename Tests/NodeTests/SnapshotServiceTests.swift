import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Node
import Storage
import Testing

/// The service and its client over a real connection.
@Suite struct SnapshotServiceTests {
  private static let caller = SigningKey(seed: [UInt8](repeating: 77, count: 32))!.publicKey

  /// Serves `store` on the loopback while `body` runs with a client.
  private func serving(
    _ store: Store,
    caller: @escaping @Sendable (ServerContext) throws -> PublicKey = { _ in Self.caller },
    _ body: @escaping @Sendable (SnapshotSource) async throws -> Void
  ) async throws {
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
    let server = GRPCServer(
      transport: transport, services: [SnapshotService(SnapshotArchive(store), caller: caller)])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve(untilCancelledWithin: .seconds(3)) {} }
      group.addTask {
        defer { server.beginGracefulShutdown() }
        let port = try #require(try await transport.listeningAddress.ipv4?.port)
        let client = try HTTP2ClientTransport.Posix(
          target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
        try await withGRPCClient(transport: client) { client in
          try await body(SnapshotSource(client, name: "peer", offerSeconds: 600))
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func aNodeJoinsOverTheNetwork() async throws {
    let keys = testKeys(4, from: 40)
    let test = try TestGrid(validators: keys)
    defer { test.remove() }
    let maker = try await JoinTests.chain(test, validators: keys, seed: 50)
    let offer = try #require(try await maker.archive.offer())
    try await serving(maker.store) { source in
      let received = try await source.offer()
      #expect(received == offer)
      let (store, report) = try await JoinTests.join(test, [source])
      #expect(report.dropped.isEmpty)
      #expect(report.height == offer.height)
      #expect(
        try store.latestSnapshot()?.chunks == maker.store.latestSnapshot()?.chunks)
      #expect(
        try store.headers(from: 1, limit: .max).map(\.finalization)
          == maker.store.headers(from: 1, limit: Int(offer.height)).map(\.finalization))
    }
  }

  /// Parts that are larger than a message, and answers with nothing in them.
  @Test func largePartsComeInPieces() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let chain = test.genesis.chainID
    let store = try Store(path: test.folder + "/large.sqlite", chain: chain)
    var parent = chain
    var blocks: [ExecutedBlock] = []
    for height in 1...6 as ClosedRange<UInt64> {
      let header = BlockHeader(
        chain: chain, epoch: 1, height: height, view: height, parentView: height - 1,
        parent: parent, time: Timestamp(microseconds: Int64(height)), body: Digest.sha256([]),
        attested: Attestation(
          height: 0, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: .zero))
      parent = header.hash
      let size = [0, 700_000, 1, 262_144, 0, 261_900][Int(height) - 1]
      blocks.append(
        ExecutedBlock(
          height: height, hash: header.hash, header: header.encoded, body: [],
          finalization: (0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) },
          time: header.time, roots: .unknown))
    }
    let chunks = [0, 1, 262_144, 1_000_001].map { size in
      StateChunk(
        name: "chunk \(size)", bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 / 3) })
    }
    try store.commit(
      CommitBatch(
        executed: blocks, snapshot: StoredSnapshot(height: 6, stateRoot: .zero, chunks: chunks)))
    let sent = blocks.map { SentHeader(bytes: $0.header, finalization: $0.finalization) }
    try await serving(store) { source in
      let offer = try await source.offer()
      #expect(offer == nil)
      for (from, limit) in [(1, 6), (3, 2), (6, 9), (7, 2)] {
        let headers = try await source.headers(UInt64(from), limit)
        #expect(headers == Array(sent.dropFirst(from - 1).prefix(limit)))
      }
      for chunk in chunks {
        let bytes = try await source.chunk(chunk.digest, chunk.bytes.count)
        #expect(bytes == chunk.bytes)
      }
      let missing = try await source.chunk(Digest.sha256([9]), 9)
      #expect(missing == nil)
      // More than was offered is not taken in.
      await #expect(throws: (any Error).self) {
        _ = try await source.chunk(chunks[3].digest, 999_999)
      }
      let refused = await #expect(throws: RPCError.self) { _ = try await source.headers(0, 2) }
      #expect(refused?.code == .invalidArgument)
    }
  }

  @Test func aStrangerGetsNothing() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let store = try Store(path: test.folder + "/any.sqlite", chain: test.genesis.chainID)
    try await serving(
      store, caller: { _ in throw RPCError(code: .permissionDenied, message: "not a peer") }
    ) { source in
      let refused = await #expect(throws: RPCError.self) { _ = try await source.offer() }
      #expect(refused?.code == .permissionDenied)
    }
  }

  @Test func transfersAreBounded() throws {
    let transfers = SnapshotTransfers()
    let peers = testKeys(9, from: 100).map(\.publicKey)
    for peer in peers.prefix(8) {
      try transfers.begin(peer)
      try transfers.begin(peer)
      #expect(throws: NodeFailure.self) { try transfers.begin(peer) }
    }
    #expect(throws: NodeFailure.self) { try transfers.begin(peers[8]) }
    transfers.end(peers[0])
    try transfers.begin(peers[8])
    #expect(throws: NodeFailure.self) { try transfers.begin(peers[0]) }
  }
}
