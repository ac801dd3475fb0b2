import ArgumentParser
import Domain
import Foundation
import Wire

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Shows how a node and its chain are.")
  @OptionGroup var address: NodeAddress
  @Flag(help: "Print JSON.") var json = false
  @Flag(help: "Print the evidence against validators that the node keeps, verified here.")
  var evidence = false
  @Option(
    help: """
      With --evidence: the chain's genesis file; without it, the validators' keys are those that \
      the node names.
      """)
  var genesis: String?

  func validate() throws {
    guard genesis == nil || evidence else {
      throw ValidationError("--genesis is for --evidence")
    }
  }

  func run() async throws {
    if evidence {
      try await printEvidence()
      return
    }
    let isJSON = json
    let (status, overview) = try await address.connect { connection in
      (
        try await connection.currentStatus(),
        isJSON ? nil : try await connection.overviewIfAny()
      )
    }
    if json {
      print(try status.jsonString())
      return
    }
    func hex(_ data: Data) -> String { Hex.encode(data) }
    let rows: [(String, String)] = [
      ("name", status.name),
      ("chain", hex(status.chainID)),
      ("version", status.version),
      ("uptime", "\(status.uptimeS) s"),
      ("height", "\(status.height)"),
      ("state root", hex(status.stateRoot)),
      ("chain time", Self.time(status.chainTimeUs) + (status.rate > 1 ? " (×\(status.rate))" : "")),
      ("open interval", "\(status.openInterval)"),
      ("next close", "\(status.nextClose) at \(Self.time(status.nextCloseUs))"),
      ("epoch", "\(status.epoch), view \(status.view)"),
      ("validators", Self.validators(status)),
      ("evidence", "\(status.evidence)"),
      ("accounts", "\(status.accounts)"), ("meters", "\(status.meters)"),
      ("orders", "\(status.orders)"), ("trades", "\(status.trades)"),
      ("readings", "\(status.readings)"), ("commands", "\(status.commands)"),
      ("waiting", "\(status.queueDepth) entries"),
      ("health", ChainHealth(status).text),
    ]
    let backbone = overview.map(BackboneTexts.health) ?? []
    for (name, value) in rows + Self.peers(status) + backbone { Self.show(name, value) }
  }

  /// One row, the name in its column.
  static func show(_ name: String, _ value: String) {
    let gap = String(repeating: " ", count: max(1, 15 - name.count))
    print(name + gap + value)
  }

  /// How many there are, how many must agree, and whether this node is one of them.
  private static func validators(_ status: Intertie_V1_StatusResponse) -> String {
    let count = status.validators.count
    var text = "\(count), of which \(status.quorum) must agree; this node "
    text += status.hasPlace ? "is number \(status.place)" : "is none"
    if status.isAbstaining { text += ", and abstains" }
    if !status.proposedValidators.isEmpty { text += "; another set is proposed" }
    return text
  }

  /// One row for each peer.
  private static func peers(_ status: Intertie_V1_StatusResponse) -> [(String, String)] {
    status.peers.map { peer in
      let directions = [
        peer.isOutgoingConnected ? "to it" : nil, peer.isIncomingConnected ? "from it" : nil,
      ].compactMap { $0 }
      let link =
        directions.isEmpty
        ? "not connected" : "connected \(directions.joined(separator: " and "))"
      let part = status.validators.contains(peer.key) ? "" : "; no validator"
      let shown = peer.view == 0 ? "no view so far" : "view \(peer.view), \(peer.lagViews) behind"
      let name = PublicKey(peer.key)?.text(as: .node) ?? Hex.encode(peer.key)
      return (
        "peer", "\(name) at \(peer.address): \(link); \(shown); \(peer.dropped) dropped\(part)"
      )
    }
  }

  static func time(_ microseconds: Int64) -> String {
    ISO8601DateFormatter().string(
      from: Date(timeIntervalSince1970: Double(microseconds) / 1_000_000))
  }
}
