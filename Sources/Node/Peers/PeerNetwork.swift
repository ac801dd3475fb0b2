import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportCore
import GRPCNIOTransportHTTP2Posix
import Logging
import Synchronization

/// Who a node is among its peers, and where it finds them.
package struct PeerConfiguration: Sendable {
  /// The node's key, a validator's or a follower's.
  package var key: SigningKey
  /// Where to listen: IPv4 or IPv6 address, or "localhost".
  package var host: String
  /// 0 lets the system choose.
  package var port: Int
  /// The command's option that says where to listen, for those who read that it cannot.
  package var option = "--peer-listen"
  /// Path of the peers file.
  package var peers: String
  package var log: Logger
  /// µs of a clock that does not go back.
  package var clock: @Sendable () -> Int64
  package var keepalive = PeerKeepalive()

  package init(
    key: SigningKey, host: String, port: Int, peers: String, log: Logger,
    clock: @escaping @Sendable () -> Int64 = PeerConfiguration.monotonic()
  ) {
    self.key = key
    self.host = host
    self.port = port
    self.peers = peers
    self.log = log
    self.clock = clock
  }

  /// µs since this was called.
  package static func monotonic() -> @Sendable () -> Int64 {
    let start = ContinuousClock.now
    return {
      let elapsed = (ContinuousClock.now - start).components
      return elapsed.seconds * 1_000_000 + elapsed.attoseconds / 1_000_000_000_000
    }
  }
}

/// A node's links to the other nodes of its chain: serves their links, keeps its own to each of
/// them, and speaks with nobody whose key is not in the peers file.
///
/// Sending never waits: what a peer does not take in time gives way in its outbox. What peers say
/// is checked and handed to `receive` in each peer's order, in parallel for different peers; a
/// peer whose messages `receive` does not take is held by HTTP/2's flow control, alone.
package final class PeerNetwork: Sendable {
  let reception: PeerReception
  let roster: PeerRoster
  let transport: PeerTransport
  let log: Logger

  /// What the links ask before they verify a signature.
  package let sieve: VoteSieve

  private let configuration: PeerConfiguration
  private let services: [any RegistrableRPCService]
  private let door: PeerDoor

  private struct State {
    var port: Int?
    var isStopping = false
    /// The file as it was taken, as it was last read, and what is wrong with it.
    var taken: [UInt8] = []
    var read: [UInt8]?
    var fault: String?
  }

  private let state = Mutex(State())

  /// Reads the peers file; throws `invalid` with what is wrong with it.
  ///
  /// `receive` is called in each peer's order and waits while the node has no room for more of
  /// this peer; it must come back when its task is cancelled. `services` are served on the peer
  /// port beside `Peer`; `callerKey(of:)` tells them who calls. `select` is asked for each message
  /// of forwarded entries, before their signatures are looked at, which of them this node has a
  /// use for; it keeps their order.
  package init(
    _ configuration: PeerConfiguration, chain: ChainID,
    validators: @escaping @Sendable () -> EpochValidators, verifier: Verifier, sieve: VoteSieve,
    receive: @escaping @Sendable (PeerDelivery) async -> Void,
    select: @escaping @Sendable ([VerifiedEntry]) async -> [VerifiedEntry] = { $0 },
    services: [any RegistrableRPCService] = []
  ) throws(NodeFailure) {
    self.configuration = configuration
    self.services = services
    log = configuration.log
    self.sieve = sieve
    reception = PeerReception(
      chain: chain, validators: validators, verifier: verifier, sieve: sieve, receive: receive,
      select: select, clock: configuration.clock)
    transport = PeerTransport(
      identity: try NodeCertificate(for: configuration.key), keepalive: configuration.keepalive)
    roster = PeerRoster()
    door = PeerDoor(roster) { [log, file = configuration.peers] key in
      log.notice(
        "turned away: the peers file does not name this node",
        metadata: ["node": "\(key.text(as: .node))", "file": "\(file)"])
    }
    try rereadPeers()
  }

  package var port: Int? { state.withLock { $0.port } }

  /// One for each peer, in the file's order.
  package var status: [PeerLinkStatus] {
    let now = now
    return roster.peers.map { $0.status(now: now) }
  }

  /// The peers that this node's link to stands.
  package var connected: [PublicKey] { roster.peers.filter(\.isConnected).map(\.key) }

  /// Connections that were refused before any peer was known, and why the last one was.
  package var refusals: (count: UInt64, last: String?) { door.refusals }

  /// What is wrong with the peers file as it stands; then the last good one holds.
  package var peersFileFault: String? { state.withLock { $0.fault } }

  var ownKey: PublicKey { configuration.key.publicKey }
  var now: Int64 { configuration.clock() }
  var isStopping: Bool { state.withLock { $0.isStopping } }

  // MARK: sending

  /// To one peer; nothing happens when the file does not have it.
  package func send(_ message: PeerMessage, to key: PublicKey) {
    guard let peer = roster.peer(key) else { return }
    post(message, to: [peer])
  }

  /// To every peer of the file.
  package func broadcast(_ message: PeerMessage) { post(message, to: roster.peers) }

  /// Waits until the peer's outbox takes an answer without dropping another; false when the link
  /// is down, or the peer takes too little for too long.
  func hasRoomForAnswer(to key: PublicKey) async -> Bool {
    guard let peer = roster.peer(key) else { return false }
    let end = now + PeerLimits.answerPatience
    while !peer.outbox.hasRoomForAnswer {
      guard peer.isConnected, now < end, !isStopping else { return false }
      try? await Task.sleep(for: .milliseconds(5))
    }
    return true
  }

  private func post(_ message: PeerMessage, to peers: [Peer]) {
    guard !peers.isEmpty else { return }
    let encoded = EncodedMessage(message)
    guard encoded.bytes.count <= encoded.lane.limit else {
      log.error(
        "a message beyond its lane's bound is not sent",
        metadata: ["lane": "\(encoded.lane)", "bytes": "\(encoded.bytes.count)"])
      return
    }
    for peer in peers { peer.outbox.post(encoded) }
  }

  // MARK: running

  /// Serves and dials until the task is cancelled. `onListening` gets the port. Throws when it
  /// cannot listen. Once only.
  package func run(onListening: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
    let host = configuration.host == "localhost" ? "127.0.0.1" : configuration.host
    let address: GRPCNIOTransportCore.SocketAddress =
      host.contains(":")
      ? .ipv6(host: host, port: configuration.port) : .ipv4(host: host, port: configuration.port)
    let listener = transport.server(on: address, door: door)
    let server = GRPCServer(
      transport: listener, services: [PeerService(network: self)] + services)
    try await withTaskCancellationHandler {
      do {
        try await withThrowingTaskGroup(of: Void.self) { group in
          defer { group.cancelAll() }
          group.addTask {
            try await server.serve(untilCancelledWithin: .seconds(3), on: NodeThreads.shared) {
              self.door.close()
            }
          }
          group.addTask { try await self.announce(listener, onListening) }
          group.addTask { await self.keepLinks() }
          group.addTask { await self.watchPeers() }
          while try await group.next() != nil {}
        }
      } catch  where !(error is CancellationError || error is NodeFailure) {
        guard !Task.isCancelled else { return }
        throw NodeFailure.invalid(
          cannotListen(configuration.host, configuration.port, option: configuration.option, error))
      }
    } onCancel: {
      state.withLock { $0.isStopping = true }
      for peer in roster.peers { peer.cut() }
    }
  }

  private func announce(
    _ listener: HTTP2ServerTransport.Posix, _ onListening: @Sendable (Int) -> Void
  ) async throws {
    // Without one `serve` says why.
    guard let bound = try? await listener.boundAddress else { return }
    guard let port = bound.ipv4?.port ?? bound.ipv6?.port else {
      throw NodeFailure.invalid("no port to listen on for peers")
    }
    state.withLock { $0.port = port }
    onListening(port)
  }

  private func keepLinks() async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        for peer in await roster.takeUndialled() {
          group.addTask { await self.keepLink(to: peer) }
        }
      }
    }
  }

  // MARK: the peers file

  /// A file that differs is taken when it was read twice alike, so that one that is being written
  /// cuts nobody off.
  private func watchPeers() async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .microseconds(PeerLimits.reread))
      guard let bytes = PeersFile.bytes(of: configuration.peers) else { continue }
      let isNew = state.withLock { state in
        defer { state.read = bytes }
        return bytes != state.taken && bytes == state.read
      }
      guard isNew else { continue }
      do throws(NodeFailure) { try take(bytes) } catch {
        log.error("the peers file is not taken over", metadata: ["reason": "\(error)"])
      }
    }
  }

  /// Reads the peers file now. Throws `invalid` with what is wrong with it; then what was taken
  /// before holds.
  package func rereadPeers() throws(NodeFailure) {
    guard let bytes = PeersFile.bytes(of: configuration.peers) else {
      throw .invalid("cannot read the peers file \(configuration.peers)")
    }
    try take(bytes)
  }

  private func take(_ bytes: [UInt8]) throws(NodeFailure) {
    let file: PeersFile
    do throws(NodeFailure) {
      file = try PeersFile(bytes, name: configuration.peers, own: configuration.key.publicKey)
    } catch {
      state.withLock { state in
        state.taken = bytes
        state.fault = "\(error)"
      }
      throw error
    }
    state.withLock { state in
      state.taken = bytes
      state.fault = nil
    }
    if file.entries.isEmpty {
      log.warning("the peers file names nobody", metadata: ["file": "\(configuration.peers)"])
    }
    let gone = roster.adopt(file)
    door.know(file.entries.map(\.address))
    for peer in gone {
      peer.cut()
      if roster.peer(peer.key) == nil { door.close(peer.key) }
      log.info("peer removed", metadata: ["peer": "\(peer.key.text(as: .node))"])
    }
  }
}
