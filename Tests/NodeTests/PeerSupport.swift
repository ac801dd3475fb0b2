import Consensus
import Domain
import Foundation
import GRPCCore
import Logging
import Node
import Synchronization
import Testing
import Wire

/// Keys, and what they sign, of a chain with so many validators.
struct PeerChain: Sendable {
  let chain = Digest.sha256(Array("peers".utf8))
  let keys: [SigningKey]

  init(_ count: Int) {
    keys = (0..<count).map { SigningKey(seed: [UInt8](repeating: UInt8(60 + $0), count: 32))! }
  }

  var validators: EpochValidators { EpochValidators(epoch: 1, keys: keys.map(\.publicKey)) }

  func nullify(_ view: UInt64, by signer: Int, epoch: UInt64 = 1) -> Vote {
    vote(.nullify(epoch: epoch, view: view), by: signer)
  }

  func vote(_ subject: Subject, by signer: Int) -> Vote {
    Vote(
      subject: subject, signer: UInt16(signer),
      signature: keys[signer].sign(subject.payload(chain: chain), for: .consensus))
  }

  func certificate(_ subject: Subject) -> Certificate {
    Certificate(
      subject: subject, votes: (0..<Quorum.size(of: keys.count)).map { vote(subject, by: $0) })
  }

  func block(view: UInt64, bytes: Int, mark: UInt8 = 0) -> Block {
    let body = [UInt8](repeating: mark, count: bytes)
    let header = BlockHeader(
      chain: chain, epoch: 1, height: view, view: view, parentView: view - 1, parent: .zero,
      time: Timestamp(seconds: 0), body: Digest.sha256(body),
      attested: Attestation(
        height: 0, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: .zero))
    return Block(header: header, body: body)
  }

  func notarize(_ block: Block, by signer: Int) -> Vote {
    vote(.block(.notarize, block.header, hash: block.header.hash), by: signer)
  }

  func proposal(view: UInt64, bytes: Int, by signer: Int) -> PeerMessage {
    let block = block(view: view, bytes: bytes)
    return .consensus(.proposal(block, notarize(block, by: signer)))
  }

  func fetch(_ from: UInt64) -> PeerMessage {
    .consensus(.fetch(Fetch(epoch: 1, height: 0, from: from, blocks: [])))
  }
}

/// What came, in order; it can be told to take nothing more from a peer for a while.
final class PeerEars: Sendable {
  private struct State {
    var heard: [PeerDelivery] = []
    var deafTo: Set<PublicKey> = []
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  var all: [PeerDelivery] { state.withLock { $0.heard } }

  func take(_ delivery: PeerDelivery) async {
    while state.withLock({ $0.deafTo.contains(delivery.from) }), !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(2))
    }
    state.withLock { $0.heard.append(delivery) }
  }

  func deafen(to key: PublicKey) { state.withLock { _ = $0.deafTo.insert(key) } }
  func listen() { state.withLock { $0.deafTo = [] } }

  func messages(from key: PublicKey) -> [Message] {
    all.compactMap { delivery in
      guard delivery.from == key, case .consensus(let message) = delivery.content else {
        return nil
      }
      return message
    }
  }

  /// `from` of the fetches of a peer: what tests number messages with.
  func fetches(from key: PublicKey) -> [UInt64] {
    messages(from: key).compactMap { if case .fetch(let fetch) = $0 { fetch.from } else { nil } }
  }

  func connections(of key: PublicKey) -> Int {
    all.count { delivery in
      if case .connected = delivery.content { delivery.from == key } else { false }
    }
  }
}

/// A network of one node, and what it hears.
struct PeerNode: Sendable {
  let key: SigningKey
  let ears = PeerEars()
  let sieve: VoteSieve
  let network: PeerNetwork
  let file: String

  init(
    _ key: SigningKey, _ chain: PeerChain, in folder: String, port: Int = 0,
    keepalive: Duration? = nil, receive: (@Sendable (PeerDelivery) async -> Void)? = nil,
    select: @escaping @Sendable ([VerifiedEntry]) async -> [VerifiedEntry] = { $0 },
    clock: @escaping @Sendable () -> Int64 = PeerConfiguration.monotonic()
  ) throws {
    self.key = key
    file = "\(folder)/\(key.publicKey.text(as: .node)).peers"
    if !FileManager.default.fileExists(atPath: file) {
      try Data().write(to: URL(fileURLWithPath: file))
    }
    let ears = self.ears
    let sieve = VoteSieve(epoch: 1, floor: 0, view: 1)
    self.sieve = sieve
    var configuration = PeerConfiguration(
      key: key, host: "127.0.0.1", port: port, peers: file,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, clock: clock)
    if let keepalive {
      configuration.keepalive.after = keepalive
      configuration.keepalive.answer = keepalive
    }
    network = try PeerNetwork(
      configuration, chain: chain.chain, validators: { chain.validators },
      verifier: Verifier(chain: chain.chain),
      sieve: sieve, receive: receive ?? { await ears.take($0) }, select: select)
  }

  func write(_ peers: [(SigningKey, Int)]) throws {
    let lines = peers.map { "\($0.0.publicKey.text(as: .node)) 127.0.0.1:\($0.1)\n" }
    try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    try network.rereadPeers()
  }

  var id: PublicKey { key.publicKey }

  func status(of peer: PublicKey) throws -> PeerLinkStatus {
    try #require(network.status.first { $0.key == peer })
  }

  /// Runs while `body` does, from when its port is known.
  func running<T: Sendable>(_ body: @Sendable (Int) async throws -> T) async throws -> T {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await network.run() }
      try await eventually("the port is known") { network.port != nil }
      let result = try await body(network.port ?? 0)
      group.cancelAll()
      while try await group.next() != nil {}
      return result
    }
  }
}

/// A folder that is removed in the end.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
  let folder = NSTemporaryDirectory() + "intertie-peers-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try await body(folder)
}

/// So many nodes, each in the others' files, from when every link stands.
func withPeers(
  _ count: Int, _ body: @escaping @Sendable ([PeerNode], PeerChain) async throws -> Void
) async throws {
  let chain = PeerChain(count)
  try await withFolder { folder in
    let nodes = try chain.keys.map { try PeerNode($0, chain, in: folder) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for node in nodes { group.addTask { try await node.network.run() } }
      try await eventually("all listen") { nodes.allSatisfy { $0.network.port != nil } }
      for node in nodes {
        try node.write(
          nodes.filter { $0.id != node.id }.map { ($0.key, $0.network.port ?? 0) })
      }
      try await eventually("all are connected") {
        nodes.allSatisfy { node in
          node.network.connected.count == count - 1
            && node.network.status.allSatisfy { $0.incoming != nil }
        }
      }
      try await body(nodes, chain)
      group.cancelAll()
      while try await group.next() != nil {}
    }
  }
}

/// What somebody else than a `PeerNetwork` says on a link, with a key of the peers file.
struct PeerIntruder: Sendable {
  let key: SigningKey

  /// Opens a link to `node`, sends the frames, and gives the status that ends it.
  func say(_ frames: [Intertie_V1_Frame], to node: PeerNode) async throws -> RPCError? {
    let transport = PeerTransport(identity: try NodeCertificate(for: key))
    let client = try transport.client(
      to: node.id, at: PeerAddress(host: "127.0.0.1", port: node.network.port ?? 0),
      fault: FaultNote(), meter: nil)
    do {
      try await withGRPCClient(transport: client) { client in
        try await Intertie_V1_Peer.Client(wrapping: client).link { writer in
          try await writer.write(contentsOf: frames)
          // Whoever is cut is cut without having ended the stream.
          while !Task.isCancelled { try await Task.sleep(for: .milliseconds(5)) }
        } onResponse: { response in
          for try await _ in response.messages {}
        }
      }
      return nil
    } catch let error as RPCError {
      return error
    }
  }
}

extension Intertie_V1_Frame {
  init(lane: UInt32, isLast: Bool = true, _ piece: [UInt8]) {
    self.init()
    self.lane = lane
    self.isLast = isLast
    self.piece = Data(piece)
  }
}

/// Bytes of a frame in protobuf.
func frameSize(_ lane: PeerLane, _ isLast: Bool, _ bytes: [UInt8]) -> Int {
  let frame = Intertie_V1_Frame(lane: UInt32(lane.rawValue), isLast: isLast, bytes)
  return (try? frame.serializedData().count) ?? 0
}
