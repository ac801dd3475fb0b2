import ArgumentParser
import Domain
import Foundation
import GRPCCore
import Node
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
      parts.append(line.kind.domain.map { "\($0)" } ?? "\(line.kind)")
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
  }

  struct ReceiptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "receipt",
      abstract: "Shows what became of a command, by its sequence.")
    @Argument(help: "The command's sequence.") var sequence: UInt64
    @OptionGroup var viewed: ViewedAccount
    @OptionGroup var address: NodeAddress

    func run() async throws {
      let key = try viewed.publicKey()
      let sequence = sequence
      let response = try await address.connect { connection in
        try await connection.ledger.receipt(
          .with {
            $0.command.signer = key.data
            $0.command.sequence = sequence
          }, options: NodeConnection.options)
      }
      print(try response.jsonString())
    }
  }

  struct Proof: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetches and checks the proof of an account's balance.",
      discussion: """
        The account's bytes, their Merkle path, the header that attests the root, and the header's \
        finalization are checked here against the validators of the chain's genesis, or those \
        that were accepted since by a quorum of the ones before them.
        """)
    @OptionGroup var viewed: ViewedAccount
    @OptionGroup var address: NodeAddress
    @Option(help: "The chain's genesis file; without it, the validators that the node names.")
    var genesis: String?
    @Flag(help: "Print the proof as JSON.") var json = false

    func run() async throws {
      let key = try viewed.publicKey()
      let start = try genesis.map { ProvenValidators(try Files.genesis($0)) }
      let (proof, trusted) = try await address.connect { connection in
        let proof = try await connection.ledger.proof(
          .with { $0.account = key.data }, options: NodeConnection.options)
        return (proof, try await connection.proven(start))
      }
      let checked = try BalanceProof(proof, of: key, trusted: trusted)
      if json {
        print(try proof.jsonString())
        return
      }
      let account = checked.account
      print("account     \(key.text(as: .account))")
      print("WATT        \(Amounts.text(micro: account.watt.raw)) kWh")
      print(
        "money       \(Amounts.text(micro: account.money.raw)) ¤ free, "
          + "\(Amounts.text(micro: account.heldMoney.raw)) ¤ held")
      if account.arrears > .zero {
        print("arrears     \(Amounts.text(micro: account.arrears.raw)) ¤")
      }
      print("TSL         \(Amounts.text(micro: account.tsl.raw))")
      print("ECT         \(Amounts.text(micro: account.ect.raw))")
      print("proven at height \(checked.height), finalised by block \(checked.header.height)")
      print("state root \(checked.header.attested.stateRoot)")
      if trusted == nil {
        print("validators as the node names them: give --genesis to trust no node")
      }
    }
  }
}
