import ArgumentParser
import Domain
import Foundation
import Wire

extension WalletCommand {
  struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sends money, TSL or ECT to an account of another grid, over the backbone.",
      discussion: """
        The amount leaves the account at once. The other grid credits it, or the backbone refuses \
        it and it comes back; `wallet history` shows which. Energy stays where it is stored.
        """)
    @Argument(help: "The receiver in the other grid, tie1….") var to: String
    @Argument(help: "Amount, in ¤ or tokens.") var amount: String
    @Argument(help: "money, tsl or ect.") var asset: AssetName
    @Option(
      help:
        "The other grid: its name, its chain's id or the first digits of it, or its genesis file.")
    var grid: String
    @Option(
      help: """
        Last height of the backbone, as `backbone status` shows it, at which it may be executed; \
        after it, it is refunded. Default: 10,000 blocks from now.
        """)
    var deadline: UInt64?
    @OptionGroup var submission: Submission

    enum AssetName: String, ExpressibleByArgument, CaseIterable {
      case money, tsl, ect

      init?(argument: String) { self.init(rawValue: argument.lowercased()) }

      var asset: Asset {
        switch self {
        case .money: .money
        case .tsl: .tsl
        case .ect: .ect
        }
      }
    }

    private static let blocks: UInt64 = 10_000

    func run() async throws {
      let receiver = try PublicKey(argument: to, "the receiver")
      let amount = try Amounts.argument(amount, "the amount")
      let overview = try await submission.address.connect { try await $0.overview() }
      let directory = GridDirectory(overview)
      let grid = try directory.grid(grid)
      guard grid.data != overview.own.grid else {
        throw CommandFailure("that is this grid itself: use wallet transfer")
      }
      guard directory.knows(grid) else {
        throw CommandFailure("the backbone knows no grid \(grid): its operator has not entered it")
      }
      if let deadline, deadline <= overview.height {
        throw CommandFailure(
          "the deadline, block \(deadline) of the backbone, has passed: it is at \(overview.height)"
        )
      }
      try await submission.submit(
        .transferAbroad(
          grid: grid, to: receiver, asset: asset.asset, amount: amount,
          deadline: deadline ?? overview.height + Self.blocks))
    }
  }
}
