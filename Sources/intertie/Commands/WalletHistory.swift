import ArgumentParser
import Domain
import Foundation
import GRPCCore
import Wire

extension WalletCommand {
  struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists what moved an account's balances, newest first.")
    @OptionGroup var viewed: ViewedAccount
    @OptionGroup var address: NodeAddress
    @Option(help: "Lines, 1 to 500.") var limit: UInt32 = 20
    @Option(help: "Continue where a page ended.") var cursor: UInt64 = 0
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let key = try viewed.publicKey()
      let (limit, cursor) = (limit, cursor)
      let page = try await address.connect { connection in
        try await connection.ledger.history(
          .with {
            $0.account = key.data
            $0.limit = limit
            $0.cursor = cursor
          }, options: NodeConnection.options)
      }
      if json {
        print(try page.jsonString())
        return
      }
      for line in page.lines { print(Self.row(line)) }
      if page.nextCursor > 0 { print("more: --cursor \(page.nextCursor)") }
    }

    private static func row(_ line: Intertie_V1_HistoryEntry) -> String {
      var parts = [StatusCommand.time(line.timeUs), "block \(line.height)"]
      parts.append(kind(of: line))
      if line.wattMwh != 0 { parts.append("\(Amounts.text(micro: line.wattMwh)) kWh") }
      if line.money != 0 { parts.append("\(Amounts.text(micro: line.money)) ¤") }
      if line.tsl != 0 { parts.append("\(Amounts.text(micro: line.tsl)) TSL") }
      if line.ect != 0 { parts.append("\(Amounts.text(micro: line.ect)) ECT") }
      if let other = PublicKey(line.counterparty) {
        parts.append(other.text(as: .account).prefix(14) + "…")
      }
      if let reason = line.rejection.domain { parts.append("rejected: \(reason)") }
      return parts.joined(separator: "  ")
    }

    /// What moved; of what travelled between grids also the packet, which a refund names again.
    private static func kind(of line: Intertie_V1_HistoryEntry) -> String {
      switch line.kind.domain {
      case .sentAbroad: "sent to another grid in packet \(line.reference)"
      case .receivedFromAbroad: "from another grid in packet \(line.reference)"
      case .withdrawn: "withdrawn to the gateway in packet \(line.reference)"
      case .refunded: "refunded, of packet \(line.reference)"
      case let kind?: "\(kind)"
      case nil: "\(line.kind)"
      }
    }
  }
}
