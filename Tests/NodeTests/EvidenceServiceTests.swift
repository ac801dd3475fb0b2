import Consensus
import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import Node
import Storage
import Testing
import Wire

/// Evidence from the votes of a peer to the client that verifies it (rule 13).
@Suite struct EvidenceServiceTests {
  private typealias Client = Intertie_V1_Status.Client<HTTP2ClientTransport.Posix>

  private let keys = testKeys(4, from: 40)

  private func vote(_ kind: VoteKind, view: UInt64, _ mark: UInt8, by place: Int, of chain: ChainID)
    -> Vote
  {
    var subject = Subject.nullify(epoch: 1, view: view)
    subject.kind = kind
    if kind != .nullify { subject.hash = Digest.sha256([mark]) }
    return Vote(
      subject: subject, signer: UInt16(place),
      signature: keys[place].sign(subject.payload(chain: chain), for: .consensus))
  }

  /// Starts validator 0 from its store as a node does, and hands it the votes of its peers.
  private func receive(_ votes: [Vote], _ test: TestGrid, _ store: Store) async throws {
    let recovered: RecoveredState<BarePipeline> = try await Recovery.recover(
      store, genesis: test.genesis)
    let registry = recovered.pipeline.registry
    var replica = Replica(
      core: ConsensusCore(
        configuration: ConsensusConfiguration(test.genesis, registry: registry, own: keys[0]),
        recovered: recovered.consensus),
      pipeline: recovered.pipeline,
      retention: Retention(snapshotHeight: recovered.snapshotHeight, keepBlocks: nil),
      verifier: Verifier(chain: test.genesis.chainID))
    let inputs = votes.map {
      ReplicaInput.message(.vote($0), from: keys[Int($0.signer)].publicKey)
    }
    let now = Timestamp(seconds: TestGrid.origin + 1)
    for input in [.start] + inputs {
      let step = try await replica.step([input], now: now)
      if !step.batch.isEmpty { try store.commit(step.batch) }
    }
  }

  /// What a node tells its clients: evidence, and how much there is.
  private struct Told: Sendable {
    var items: [Intertie_V1_EvidenceItem]
    var count: UInt64
  }

  /// What a node over `test`'s folder tells, with the evidence from number `from` on.
  private func told(_ test: TestGrid, from: UInt64 = 0) async throws -> Told {
    let grid = try await Microgrid.open(try configuration(test))
    let server = try NodeServer(
      grid, ServerConfiguration(host: "127.0.0.1", port: 0, security: .plaintext))
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    let told = try await withThrowingTaskGroup(of: Told?.self) { group in
      group.addTask {
        try await server.run { continuation.yield($0) }
        return nil
      }
      group.addTask {
        defer { grid.stop() }
        let first = await ports.first { _ in true }
        return try await Self.ask(try #require(first), from: from)
      }
      return try await group.reduce(nil) { $0 ?? $1 }
    }
    try grid.store.close()
    return try #require(told)
  }

  /// Of validator 0, whose peers are not there.
  private func configuration(_ test: TestGrid) throws -> NodeConfiguration {
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let peers = test.folder + "/peers.txt"
    let lines = keys[1...].enumerated().map {
      "\($1.publicKey.text(as: .node)) 127.0.0.1:\($0 + 1)\n"
    }
    try lines.joined().write(toFile: peers, atomically: true, encoding: .utf8)
    var configuration = NodeConfiguration(
      genesis: test.genesis, directory: test.folder, validatorKey: keys[0], log: log,
      wall: test.clock.read)
    configuration.peers = PeerConfiguration(
      key: keys[0], host: "127.0.0.1", port: 0, peers: peers, log: log)
    return configuration
  }

  private static func ask(_ port: Int, from: UInt64) async throws -> Told {
    let transport = try HTTP2ClientTransport.Posix(
      target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
    return try await withGRPCClient(transport: transport) { client in
      let status = Client(wrapping: client)
      let count = try await status.status(.init()).evidence
      let items = try await status.evidence(.with { $0.from = from }) { response in
        try await response.messages.reduce(into: []) { $0.append($1) }
      }
      return Told(items: items, count: count)
    }
  }

  @Test func twoVotesThatExcludeEachOtherReachWhoVerifiesThem() async throws {
    let test = try TestGrid(validators: keys)
    defer { test.remove() }
    let chain = test.genesis.chainID
    let votes = [
      vote(.nullify, view: 1, 0, by: 1, of: chain), vote(.finalize, view: 1, 7, by: 1, of: chain),
      vote(.notarize, view: 1, 8, by: 2, of: chain), vote(.notarize, view: 1, 9, by: 2, of: chain),
      vote(.finalize, view: 1, 8, by: 3, of: chain), vote(.finalize, view: 1, 9, by: 3, of: chain),
      vote(.finalize, view: 1, 9, by: 1, of: chain),
    ]
    // A validator that starts again accuses the same ones again: what is kept stays the same.
    for _ in 0..<2 {
      let store = try Store(path: test.folder + "/chain.sqlite", chain: chain)
      for _ in 0..<2 { try await receive(votes, test, store) }
      #expect(store.evidenceCount == 3)
      #expect(try store.counts().evidence == 3)
      try store.close()
    }
    let all = try await told(test)
    let items = all.items
    #expect(all.count == 3)
    #expect(items.map(\.number) == [1, 2, 3])
    #expect(items.map(\.kind) == [.nullifyAndFinalize, .twoNotarizes, .twoFinalizes])
    #expect(items.map(\.validator) == keys[1...].map(\.publicKey.data))
    for (item, pair) in zip(items, [votes[0...1], votes[2...3], votes[4...5]]) {
      for (told, vote) in zip([item.first, item.second], pair) {
        // Nothing but the key, the prefix and what was told.
        let message = Array("intertie/consensus/v1".utf8) + Array(told.payload)
        let signed = SigningDomain.consensus.message(Array(told.payload))
        #expect(signed == message)
        #expect(Array(told.payload) == vote.subject.payload(chain: chain))
        let signature = try #require(Signature(Array(told.signature)))
        #expect(
          keys[Int(item.place)].publicKey
            .verifies(signature, of: Array(told.payload), for: .consensus))
      }
      let proven = try ProvenEvidence(
        item, chain: chain, trusted: ProvenValidators(test.genesis))
      #expect(proven.validator == keys[Int(item.place)].publicKey)
      #expect(proven.epoch == 1 && proven.view == 1 && proven.payloads.count == 2)
    }
    let rest = try await told(test, from: 3)
    #expect(rest.items == [items[2]] && rest.count == 3)
    try checkForgeries(of: items, test)
  }

  /// What was changed on the way does not hold.
  private func checkForgeries(of items: [Intertie_V1_EvidenceItem], _ test: TestGrid) throws {
    let changes: [(inout Intertie_V1_EvidenceItem) -> Void] = [
      { $0.first.signature[5] ^= 1 }, { $0.second.payload[40] ^= 1 }, { $0.second = $0.first },
      { $0.validator = keys[0].publicKey.data }, { $0.view = 2 }, { $0.epoch = 2 },
      { $0.kind = .unspecified }, { $0.place = 70_000 }, { $0.place = 0 },
      { $0.first.payload.removeLast() }, { $0.first.signature.removeLast() },
      { $0.validator = Data() },
    ]
    for item in items {
      for (number, change) in changes.enumerated() {
        var forged = item
        change(&forged)
        #expect(throws: NodeFailure.self, "change \(number)") {
          try ProvenEvidence(
            forged, chain: test.genesis.chainID, trusted: ProvenValidators(test.genesis))
        }
      }
      // A vote for another chain is no vote of this one.
      #expect(throws: NodeFailure.self) {
        try ProvenEvidence(item, chain: Digest.sha256([1]), trusted: nil)
      }
    }
  }
}
