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
      let (page, directory) = try await address.connect { connection in
        let page = try await connection.ledger.history(
          .with {
            $0.account = key.data
            $0.limit = limit
            $0.cursor = cursor
          }, options: NodeConnection.options)
        return (page, try await connection.directory())
      }
      if json {
        print(try page.jsonString())
        return
      }
      for line in page.lines { print(Self.row(line, directory)) }
      if page.nextCursor > 0 { print("more: --cursor \(page.nextCursor)") }
    }

    private static func row(
      _ line: Intertie_V1_HistoryEntry, _ directory: GridDirectory
    ) -> String {
      var parts = [StatusCommand.time(line.timeUs), "block \(line.height)"]
      parts.append(kind(of: line, directory))
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

    /// What moved; of a command its number, of what travelled the packet, which a refund names
    /// again, and the other grid.
    private static func kind(
      of line: Intertie_V1_HistoryEntry, _ directory: GridDirectory
    ) -> String {
      let number = line.reference
      let other = line.otherGrid.isEmpty ? "another grid" : directory.label(line.otherGrid)
      let account = PublicKey(line.otherAccount).map {
        ", \($0.text(as: .account).prefix(14))…"
      }
      let place = other + (account ?? "")
      switch line.kind.domain {
      case .command: return "command \(number)"
      case .sentAbroad: return "sent to \(place) in packet \(number)"
      case .receivedFromAbroad: return "from \(place) in packet \(number)"
      case .withdrawn: return "withdrawn to the gateway in packet \(number)"
      case .refunded:
        return "refunded, of packet \(number)" + (line.otherGrid.isEmpty ? "" : " to \(place)")
      case let kind?: return "\(kind)"
      case nil: return "\(line.kind)"
      }
    }
  }
}
