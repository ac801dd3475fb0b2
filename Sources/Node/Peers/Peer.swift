import Consensus
import Domain
import Synchronization

/// How it stands with one peer of the peers file.
package struct PeerLinkStatus: Hashable, Sendable {
  package let key: PublicKey
  package let address: PeerAddress
  /// For how long this node's link to it has stood; nil while it does not.
  package fileprivate(set) var outgoing: Duration?
  /// For how long its link to this node has stood.
  package fileprivate(set) var incoming: Duration?
  /// Pieces of messages, without framing, since the peer stands in the file.
  package fileprivate(set) var bytesSent: UInt64 = 0
  package fileprivate(set) var bytesReceived: UInt64 = 0
  package fileprivate(set) var messagesSent: UInt64 = 0
  package fileprivate(set) var messagesReceived: UInt64 = 0
  /// Messages that gave way in its full outbox.
  package fileprivate(set) var dropped: UInt64 = 0
  /// Messages from it that the sieve or their epoch made useless, unverified.
  package fileprivate(set) var sieved: UInt64 = 0
  /// How often it was held because it sent too fast.
  package fileprivate(set) var held: UInt64 = 0
  /// How often its link was cut because of what it sent.
  package fileprivate(set) var offences: UInt64 = 0
  package fileprivate(set) var lastOffence: String?
  /// Why this node's link to it ended, was refused or never stood, the last time.
  package fileprivate(set) var lastFailure: String?
  /// Bytes that its outbox has handed out and the socket has not taken.
  package fileprivate(set) var inFlight = 0
  /// Highest view of a verified vote, proposal or certificate from it.
  package fileprivate(set) var newestView: UInt64 = 0

  fileprivate init(key: PublicKey, address: PeerAddress) {
    self.key = key
    self.address = address
  }
}

/// One peer of the peers file: its outbox, its links, and how it has behaved.
final class Peer: Sendable {
  let key: PublicKey
  let address: PeerAddress
  let outbox = PeerOutbox()
  /// Opens when the peers file has this peer no longer, or elsewhere.
  let removed = Latch()

  private struct State {
    var status: PeerLinkStatus
    var outgoingSince: Int64?
    var incomingSince: Int64?
    /// Opens to end the incoming link.
    var incoming: Latch?
    var refusedUntil: Int64?
    var refusal: Int64 = 0
  }

  private let state: Mutex<State>

  init(_ entry: PeersFile.Entry) {
    key = entry.key
    address = entry.address
    state = Mutex(State(status: PeerLinkStatus(key: entry.key, address: entry.address)))
  }

  func status(now: Int64) -> PeerLinkStatus {
    var status = state.withLock { state in
      var status = state.status
      status.outgoing = state.outgoingSince.map { .microseconds(now - $0) }
      status.incoming = state.incomingSince.map { .microseconds(now - $0) }
      return status
    }
    status.dropped = outbox.dropped
    status.messagesSent = outbox.taken
    status.inFlight = outbox.inFlight
    return status
  }

  // MARK: links

  var isConnected: Bool { state.withLock { $0.outgoingSince != nil } }

  func outgoing(since: Int64?) { state.withLock { $0.outgoingSince = since } }

  /// A new incoming link, which `end` ends; the older one, if there is one, is ended.
  func attach(_ end: Latch, now: Int64) {
    let older = state.withLock { state in
      defer {
        state.incoming = end
        state.incomingSince = now
      }
      return state.incoming
    }
    older?.open()
  }

  func detach(_ end: Latch) {
    state.withLock { state in
      guard state.incoming === end else { return }
      state.incoming = nil
      state.incomingSince = nil
    }
  }

  /// Ends the incoming link, if there is one.
  func cut() { state.withLock { $0.incoming }?.open() }

  // MARK: behaviour

  /// After an offence: for how many µs the peer is refused.
  func refuse(because reason: String, now: Int64) -> Int64 {
    state.withLock { state in
      let isForgiven = state.refusedUntil.map { now - $0 > PeerLimits.forgiveness } ?? true
      state.refusal =
        isForgiven
        ? PeerLimits.firstRefusal : min(2 * state.refusal, PeerLimits.longestRefusal)
      state.refusedUntil = now + state.refusal
      state.status.offences += 1
      state.status.lastOffence = reason
      return state.refusal
    }
  }

  /// µs for which it is still refused; 0: it may come.
  func refused(now: Int64) -> Int64 {
    state.withLock { max(($0.refusedUntil ?? now) - now, 0) }
  }

  func failed(_ reason: String) { state.withLock { $0.status.lastFailure = reason } }

  // MARK: counts

  func sent(bytes: Int) { state.withLock { $0.status.bytesSent += UInt64(bytes) } }

  func received(bytes: Int, isLast: Bool) {
    state.withLock { state in
      state.status.bytesReceived += UInt64(bytes)
      if isLast { state.status.messagesReceived += 1 }
    }
  }

  func held() { state.withLock { $0.status.held += 1 } }

  func sieved() { state.withLock { $0.status.sieved += 1 } }

  func heard(view: UInt64) {
    state.withLock { $0.status.newestView = max($0.status.newestView, view) }
  }
}

/// The peers of the file as it stands, and those that nobody dials yet.
final class PeerRoster: Sendable {
  private struct State {
    var peers: [PublicKey: Peer] = [:]
    /// In the order of the file.
    var ordered: [Peer] = []
    var undialled: [Peer] = []
    var waiter: CheckedContinuation<Void, Never>?

    mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
      defer { waiter = nil }
      return waiter
    }
  }

  private let state = Mutex(State())

  var peers: [Peer] { state.withLock { $0.ordered } }

  func peer(_ key: PublicKey) -> Peer? { state.withLock { $0.peers[key] } }

  /// Takes over the file; the peers that it has no longer, or elsewhere, are marked and returned.
  func adopt(_ file: PeersFile) -> [Peer] {
    let (gone, waiter) = state.withLock { state in
      let before = state.ordered
      state.ordered = file.entries.map { entry in
        guard let peer = state.peers[entry.key], peer.address == entry.address else {
          let peer = Peer(entry)
          state.undialled.append(peer)
          return peer
        }
        return peer
      }
      state.peers = Dictionary(uniqueKeysWithValues: state.ordered.map { ($0.key, $0) })
      let gone = before.filter { state.peers[$0.key] !== $0 }
      return (gone, state.undialled.isEmpty ? nil : state.takeWaiter())
    }
    waiter?.resume()
    for peer in gone { peer.removed.open() }
    return gone
  }

  /// Waits for peers that nobody dials; empty when the task is cancelled. One caller.
  func takeUndialled() async -> [Peer] {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if !state.undialled.isEmpty || Task.isCancelled { return true }
          state.waiter = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.takeWaiter() }?.resume()
    }
    return state.withLock { state in
      defer { state.undialled = [] }
      return Task.isCancelled ? [] : state.undialled
    }
  }
}
