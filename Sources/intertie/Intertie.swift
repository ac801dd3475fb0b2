import ArgumentParser
import Domain
import Foundation

@main
enum Program {
  static func main() async {
    if let figure = Amounts.negative(among: CommandLine.arguments.dropFirst()) {
      // The parser would show the usage of `intertie`, and not of the command that was meant.
      let text = "Error: \(figure): no figure may be negative\n"
      FileHandle.standardError.write(Data(text.utf8))
      exit(ExitCode.validationFailure.rawValue)
    }
    await Intertie.main()
  }
}

struct Intertie: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "intertie",
    abstract: "A microgrid node: metering, market, ledger and fees of a community of homes.",
    discussion: """
      Start with `intertie demo`, which lets four communities of real homes couple their markets, \
      in five minutes. To run a node of your own: `keys make`, `genesis make`, `node`; then \
      `wallet` and `status` talk to it.

      Exit codes: 0 done; 1 it failed, with the reason on standard error; 2 rejected by the chain; \
      64 wrong arguments. `load` has more.
      """,
    version: "0.1.0",
    subcommands: [
      KeysCommand.self, GenesisCommand.self, NodeCommand.self, WalletCommand.self,
      StatusCommand.self, ValidatorsCommand.self, BackboneCommand.self, AuditCommand.self,
      VerifyCommand.self, LoadCommand.self, DemoCommand.self,
    ])
}

/// Exit codes beside the argument parser's own.
enum ExitCodes {
  static let failed = ExitCode(1)
  static let rejected = ExitCode(2)
}

extension PublicKey {
  /// A key given as an argument: Bech32m of that kind and no other, so that money cannot go to a
  /// meter by a slip of the hand.
  init(argument: String, as kind: Kind = .account, _ what: String) throws {
    guard let key = PublicKey(text: argument, as: kind) else {
      throw ValidationError(
        "'\(argument)' is not a key for \(what), which is written \(kind.rawValue)1…")
    }
    self = key
  }
}
