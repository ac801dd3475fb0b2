import ArgumentParser
import Domain
import Foundation
import Wire

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Shows how a node and its chain are.")
  @OptionGroup var address: NodeAddress
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let status = try await address.connect { try await $0.currentStatus() }
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
      ("validators", "\(status.validators.count)"),
      ("accounts", "\(status.accounts)"), ("meters", "\(status.meters)"),
      ("orders", "\(status.orders)"), ("trades", "\(status.trades)"),
      ("readings", "\(status.readings)"), ("commands", "\(status.commands)"),
      ("waiting", "\(status.queueDepth) entries"),
      ("health", status.failure.isEmpty ? "running" : status.failure),
    ]
    for (name, value) in rows {
      print(name.padding(toLength: 15, withPad: " ", startingAt: 0) + value)
    }
  }

  static func time(_ microseconds: Int64) -> String {
    ISO8601DateFormatter().string(
      from: Date(timeIntervalSince1970: Double(microseconds) / 1_000_000))
  }
}
