import ArgumentParser
import Domain
import Foundation
import GRPCCore
import Wire

struct WalletCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wallet",
    abstract: "A member's account: balances, transfers, orders, agent, history, proofs.",
    discussion: """
      Energy is given in kWh, money in ¤, prices in ¤ per kWh, with at most six decimals. Commands \
      that change something wait until they are durable and print their receipt and their number, \
      by which `receipt` finds it again; a rejection prints its reason and ends with exit code 2.
      """,
    subcommands: [
      Balance.self, Transfer.self, Send.self, Order.self, Agent.self, Book.self, History.self,
      ReceiptCommand.self, Proof.self, Redeem.self, Operator.self,
    ])
}

/// The signing account of a command.
struct SigningAccount: ParsableArguments {
  @Option(help: "Key file of the account.") var key: String
  @OptionGroup var protection: KeysCommand.Protection

  func load() throws -> SigningKey {
    try KeyFile.load(key).decrypt(passphrase: try protection.passphrase())
  }
}

/// Signs a command, hands it in, waits for the receipt, and shows it.
struct Submission: ParsableArguments {
  @OptionGroup var signer: SigningAccount
  @OptionGroup var address: NodeAddress
  @Flag(help: "Print JSON.") var json = false

  func submit(_ body: CommandBody, to target: TargetChain = .grid) async throws {
    let key = try signer.load()
    let outcomes = try await address.connect { try await $0.submit([body], key: key, to: target) }
    guard let outcome = outcomes.first else { return }
    let result = outcome.result
    if json {
      print(try outcome.json())
    } else if result.rejection != .none {
      print("rejected: \(Refusals.text(result, of: body))")
    } else if target == .backbone {
      print("applied (block \(result.height) of the backbone, entry \(result.index))")
    } else {
      let place = "block \(result.height), entry \(result.index); command \(outcome.sequence)"
      print("applied (\(place))")
      for line in Self.effects(of: result) { print(line) }
    }
    if result.rejection != .none { throw ExitCodes.rejected }
  }

  /// For the backbone.
  func submit(_ body: BackboneCommandBody) async throws {
    try await submit(.backbone(body), to: .backbone)
  }

  /// What came of a command that was applied, beyond that. `acknowledged`: the last packet that the
  /// backbone is known to have executed.
  static func effects(
    of result: Intertie_V1_SubmitResult, acknowledged: UInt64 = 0
  ) -> [String] {
    var lines: [String] = []
    if result.order > 0 {
      lines.append(
        "order \(result.order): \(Amounts.text(micro: result.filledWh * 1000)) kWh traded, "
          + "\(Amounts.text(micro: result.restingWh * 1000)) kWh resting")
    }
    if result.packet > 0, result.packet <= acknowledged {
      lines.append(
        "executed by the backbone, which it reached in packet \(result.packet); if it was "
          + "refunded, `wallet history` shows it")
    } else if result.packet > 0 {
      lines.append(
        "under way to the backbone in packet \(result.packet); refunded if it cannot be done")
    }
    return lines
  }
}

/// An account to look at: a key, or the key of a key file.
struct ViewedAccount: ParsableArguments {
  @Option(help: "Key file of the account; its passphrase is not needed.") var key: String?
  @Option(help: "Or the account itself, tie1….") var account: String?

  func publicKey() throws -> PublicKey {
    if let account { return try PublicKey(argument: account, "--account") }
    guard let key else { throw ValidationError("give --key or --account") }
    return try KeyFile.load(key).publicKey
  }
}

extension WalletCommand {
  struct Balance: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows an account's balances.")
    @OptionGroup var viewed: ViewedAccount
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let key = try viewed.publicKey()
      let account = try await address.connect { try await $0.account(key) }
      if json {
        print(try account.jsonString())
        return
      }
      print("account     \(key.text(as: .account))\(account.isMember ? " (member)" : "")")
      print(
        "WATT        \(Amounts.text(micro: account.wattMwh)) kWh of at most "
          + "\(Amounts.text(micro: account.maximumHeldMwh))")
      print(
        "money       \(Amounts.text(micro: account.moneyFree)) ¤ free, "
          + "\(Amounts.text(micro: account.moneyHeld)) ¤ held")
      for line in Self.escrow(account) { print("            \(line)") }
      if account.arrears > 0 { print("arrears     \(Amounts.text(micro: account.arrears)) ¤") }
      print("TSL         \(Amounts.text(micro: account.tsl))")
      print("ECT         \(Amounts.text(micro: account.ect))")
      print("at height   \(account.height)")
    }

    /// What an open coupling round holds beside the balances.
    private static func escrow(_ account: Intertie_V1_AccountResponse) -> [String] {
      let parts = [
        (account.escrowMwh, "offered in a coupling round, until its result"),
        (account.escrowOverflowMwh, "of overflow in a coupling round, then for the utility"),
        (account.escrowRoomMwh, "of room kept for what a coupling round may bring"),
      ]
      return parts.filter { $0.0 > 0 }.map { "\(Amounts.text(micro: $0.0)) kWh \($0.1)" }
    }
  }

  struct Transfer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Moves WATT, money, TSL or ECT to another account.")
    @Argument(help: "The receiver, tie1….") var to: String
    @Argument(help: "Amount, in kWh, ¤ or tokens.") var amount: String
    @Argument(help: "watt, money, tsl or ect.") var asset: AssetName
    @OptionGroup var submission: Submission

    func run() async throws {
      try await submission.submit(
        .transfer(
          to: try PublicKey(argument: to, "the receiver"), asset: asset.asset,
          amount: try Amounts.argument(amount, "the amount")))
    }
  }

  enum AssetName: String, ExpressibleByArgument, CaseIterable {
    case watt, money, tsl, ect

    init?(argument: String) { self.init(rawValue: argument.lowercased()) }

    var asset: Asset {
      switch self {
      case .watt: .watt
      case .money: .money
      case .tsl: .tsl
      case .ect: .ect
      }
    }
  }

  struct Redeem: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes money out of the grid, to be paid out by the gateway.",
      discussion: "On a grid with a backbone it travels there, to the backbone's gateway.",
      aliases: ["withdraw"])
    @Argument(help: "Amount in ¤.") var amount: String
    @OptionGroup var submission: Submission

    func run() async throws {
      try await submission.submit(
        .redeem(amount: Money(try Amounts.argument(amount, "the amount"))))
    }
  }
}
