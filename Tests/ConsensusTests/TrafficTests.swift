import Consensus
import Domain
import Testing

/// Messages, their bytes, and how long blocks take to become final.
struct Traffic {
  var messages = 0
  var bytes = 0
  var certificates = 0
  private var appeared: [Digest: Int64] = [:]
  private var delays: Int64 = 0
  private var deliveries: Int64 = 0

  mutating func add(_ message: Message, copies: Int) {
    messages += copies
    bytes += copies * message.encoded.count
    if case .certificate = message { certificates += copies }
  }

  /// The first node to make a block durable is its leader.
  mutating func appear(_ block: Digest, at time: Int64) {
    if appeared[block] == nil { appeared[block] = time }
  }

  mutating func deliver(_ block: Digest, at time: Int64) {
    guard let start = appeared[block] else { return }
    delays += time - start
    deliveries += 1
  }

  /// Mean time from a block's making to its delivery at a node, µs.
  var finality: Int64 { deliveries == 0 ? 0 : delays / deliveries }
}

/// What a final block costs on the wire, as the number of validators grows.
@Suite(.serialized) struct TrafficTests {
  struct Load: CustomStringConvertible, Sendable {
    var description: String
    var workPause: ClosedRange<Int64>
    /// Of a message, and what the distance between two validators adds at most, µs.
    var delay: ClosedRange<Int64>
    var distance: Int64 = 0
    /// Of a hundred votes, to how many a certificate may come.
    var percent = 0
  }

  static let loads = [
    Load(description: "busy, near", workPause: 500...2000, delay: 1000...3000),
    Load(
      description: "busy, far", workPause: 500...2000, delay: 1000...3000, distance: 80_000,
      percent: 10),
    Load(description: "now and then, near", workPause: 700_000...900_000, delay: 1000...3000),
    Load(
      description: "now and then, erratic", workPause: 700_000...900_000, delay: 2000...80_000,
      percent: 40),
  ]

  /// Prints, for a final block: messages, bytes, certificates, µs from its making to its delivery,
  /// and from one block to the next.
  @Test(arguments: loads)
  func votesAloneGrowWithTheSquareOfTheValidators(_ load: Load) {
    for validators in [4, 7, 16, 32, 64] {
      var settings = ClusterSettings(calm: validators, seed: 9)
      settings.workPause = load.workPause
      settings.delay = load.delay
      settings.distance = load.distance
      settings.skew = 0
      settings.isWeighed = true
      settings.isWorkForAll = true
      settings.tellsLinks = false
      let cluster = Cluster(settings)
      for node in cluster.nodes.indices { cluster.boot(node) }
      cluster.events.push(.work, at: 1000)
      var end: Int64 = 0
      while cluster.oracle.violation == nil, cluster.heights.contains(where: { $0 < 10 }) {
        end += 20_000
        cluster.advance(through: end)
      }
      let blocks = cluster.heights.min() ?? 0
      let traffic = cluster.traffic
      #expect(cluster.oracle.violation == nil && cluster.oracle.nullifiedViews == 0)
      // Two rounds of votes, each from everyone to everyone; and the certificates of the few who
      // are not seen to have them.
      let pairs = validators * (validators - 1)
      let certificates = pairs * (blocks + 3) * load.percent / 100
      #expect(traffic.certificates <= certificates)
      #expect(traffic.messages <= pairs * (blocks + 3) * 2 + certificates)
      #expect(traffic.bytes <= traffic.messages * 180 + certificates * (100 + 64 * validators))
      print(
        "| \(load) | \(validators) | \(traffic.messages / max(blocks, 1)) | "
          + "\(traffic.bytes / max(blocks, 1)) | \(traffic.certificates / max(blocks, 1)) | "
          + "\(traffic.finality) | \(end / Int64(max(blocks, 1))) |")
    }
  }
}
