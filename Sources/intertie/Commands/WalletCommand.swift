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
      that change something wait until they are durable and print their receipt; a rejection \
      prints its reason and ends with exit code 2.
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

/// Signs, submits, waits for the receipt, and shows it.
struct Submission: ParsableArguments {
  @OptionGroup var signer: SigningAccount
  @OptionGroup var address: NodeAddress
  @Flag(help: "Print JSON.") var json = false

  func submit(_ body: CommandBody) async throws {
    let key = try signer.load()
    let results = try await address.connect { try await $0.submit([body], key: key) }
    guard let result = results.first else { throw CommandFailure("the node gave no result") }
    if json { print(try result.jsonString()) } else { Self.show(result) }
    if result.rejection != .none { throw ExitCodes.rejected }
  }

  static func show(_ result: Intertie_V1_SubmitResult) {
    let place = result.height > 0 ? "block \(result.height), entry \(result.index)" : "no block"
    if result.rejection != .none {
      let reason = result.rejection.domain.map { "\($0)" } ?? "\(result.rejection)"
      print("rejected: \(reason) (\(place))")
      return
    }
    var text = "applied (\(place))"
    if result.order > 0 {
      text +=
        "\norder \(result.order): \(Amounts.text(micro: result.filledWh * 1000)) kWh traded, "
        + "\(Amounts.text(micro: result.restingWh * 1000)) kWh resting"
    }
    if result.packet > 0 {
      text +=
        "\nunder way to the backbone in packet \(result.packet); refunded if it cannot be done"
    }
    print(text)
  }
}

/// An account to look at: a key, or the key of a key file.
struct ViewedAccount: ParsableArguments {
  @Option(help: "Key file of the account; its passphrase is not needed.") var key: String?
  @Option(help: "Or the account itself, tie1….") var account: String?

  func publicKey() throws -> PublicKey {
    if let account { return try PublicKey(argument: account, "--account") }
    guard let key else { throw CommandFailure("give --key or --account") }
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
      if account.arrears > 0 { print("arrears     \(Amounts.text(micro: account.arrears)) ¤") }
      print("TSL         \(Amounts.text(micro: account.tsl))")
      print("ECT         \(Amounts.text(micro: account.ect))")
      print("at height   \(account.height)")
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
          amount: try Amounts.micro(amount, "the amount")))
    }
  }

  enum AssetName: String, ExpressibleByArgument, CaseIterable {
    case watt, money, tsl, ect

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
      try await submission.submit(.redeem(amount: Money(try Amounts.micro(amount, "the amount"))))
    }
  }
}
