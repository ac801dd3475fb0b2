import CoreMetrics
import Domain
import Synchronization

/// What goes over a chain's links, by the class of peer: validators and followers. Never by peer:
/// a peers file may name hundreds.
final class LinkMetrics: Sendable {
  private struct Class: Sendable {
    let peers: Gauge
    let connected: Gauge
    let bytesSent: Counter
    let bytesReceived: Counter
    let messagesSent: Counter
    let messagesReceived: Counter
    let dropped: Counter
    let sieved: Counter
    let held: Counter
    let offences: Counter

    init(_ instruments: Instruments, _ chain: String, _ name: String) {
      peers = instruments.gauge(MetricTable.Links.peers, chain, name)
      connected = instruments.gauge(MetricTable.Links.connected, chain, name)
      bytesSent = instruments.counter(MetricTable.Links.bytes, chain, name, "sent")
      bytesReceived = instruments.counter(MetricTable.Links.bytes, chain, name, "received")
      messagesSent = instruments.counter(MetricTable.Links.messages, chain, name, "sent")
      messagesReceived = instruments.counter(MetricTable.Links.messages, chain, name, "received")
      dropped = instruments.counter(MetricTable.Links.dropped, chain, name)
      sieved = instruments.counter(MetricTable.Links.sieved, chain, name)
      held = instruments.counter(MetricTable.Links.held, chain, name)
      offences = instruments.counter(MetricTable.Links.offences, chain, name)
    }

    func add(_ now: PeerLinkStatus, since before: PeerLinkStatus?) {
      func growth(_ figure: KeyPath<PeerLinkStatus, UInt64>) -> UInt64 {
        let (new, old) = (now[keyPath: figure], before?[keyPath: figure] ?? 0)
        // A peer that left the file and came back counts from the beginning.
        return new >= old ? new - old : new
      }
      bytesSent.increment(by: growth(\.bytesSent))
      bytesReceived.increment(by: growth(\.bytesReceived))
      messagesSent.increment(by: growth(\.messagesSent))
      messagesReceived.increment(by: growth(\.messagesReceived))
      dropped.increment(by: growth(\.dropped))
      sieved.increment(by: growth(\.sieved))
      held.increment(by: growth(\.held))
      offences.increment(by: growth(\.offences))
    }
  }

  private let validators: Class
  private let followers: Class
  /// What was counted last, of the peers of the file.
  private let counted = Mutex<[PublicKey: PeerLinkStatus]>([:])

  init(_ instruments: Instruments, chain: String) {
    validators = Class(instruments, chain, "validator")
    followers = Class(instruments, chain, "follower")
  }

  /// `status` is asked under the lock: of two that look at the same time neither comes late with
  /// older figures.
  func follow(validators keys: [PublicKey], _ status: () -> [PeerLinkStatus]) {
    let keys = Set(keys)
    let peers = counted.withLock { counted in
      let peers = status()
      for peer in peers {
        (keys.contains(peer.key) ? validators : followers).add(peer, since: counted[peer.key])
      }
      counted = Dictionary(peers.map { ($0.key, $0) }, uniquingKeysWith: { _, last in last })
      return peers
    }
    let (ours, others) = (peers.filter { keys.contains($0.key) }, peers.count)
    validators.peers.record(ours.count)
    followers.peers.record(others - ours.count)
    let connected = peers.count { $0.outgoing != nil }
    let chosen = ours.count { $0.outgoing != nil }
    validators.connected.record(chosen)
    followers.connected.record(connected - chosen)
  }
}
