import ArgumentParser
import Domain
import Wire

// What the roles of a backbone do, and who owns a line.

extension BackboneCommand {
  struct Register: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: enters a grid, as its genesis describes it.",
      discussion: "The grid begins with nothing: `issue` brings it money, `grant` TSL.")
    @Argument(help: "The grid's genesis file, made with `genesis make --join`.")
    var genesis: String
    @OptionGroup var submission: Submission

    func run() async throws {
      let grid = try Files.genesis(genesis)
      guard let joined = grid.backbone else {
        throw CommandFailure(
          "\(genesis) is of a grid of its own; one for a backbone is made with genesis make --join")
      }
      let overview = try await submission.address.connect { try await $0.overview() }
      guard let backbone = ChainID(overview.chainID), joined.chainID == backbone else {
        throw CommandFailure(
          "\(genesis) is of a grid of the backbone \(joined.chainID), and the node keeps "
            + Hex.encode(overview.chainID))
      }
      let registration: GridRegistration
      do { registration = try GridRegistration(of: grid, on: backbone) } catch {
        throw CommandFailure("the backbone cannot take the grid of \(genesis): \(error)")
      }
      if !submission.json { print("grid \(registration.grid) \(registration.name)") }
      try await submission.submit(.register(registration))
    }
  }

  struct Rate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: the clean generation that a grid may be rewarded for.")
    @Argument(help: "The grid.") var grid: String
    @Argument(help: "Power of its clean generation, kW.") var power: String
    @OptionGroup var submission: Submission

    func run() async throws {
      let power = Power(try Amounts.argument(power, "the power"))
      let directory = try await submission.address.connect { try await $0.directory() }
      try await submission.submit(.rate(try directory.grid(grid), cleanPower: power))
    }
  }

  /// An amount for an account of a grid.
  struct Payment: ParsableArguments {
    @Argument(help: "The grid.") var grid: String
    @Argument(help: "The receiver in it, tie1….") var to: String
    @Argument(help: "The amount.") var amount: String

    func parts(
      _ address: NodeAddress
    ) async throws -> (grid: ChainID, to: AccountID, amount: Int64) {
      let amount = try Amounts.argument(amount, "the amount")
      guard amount > 0 else { throw ValidationError("the amount must be above 0") }
      let receiver = try PublicKey(argument: to, "the receiver")
      let directory = try await address.connect { try await $0.directory() }
      return (try directory.grid(grid), receiver, amount)
    }
  }

  struct Grant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: TSL of the backbone's own to an account of a grid.")
    @OptionGroup var payment: Payment
    @OptionGroup var submission: Submission

    func run() async throws {
      let (grid, to, amount) = try await payment.parts(submission.address)
      try await submission.submit(.grant(grid, to: to, amount: StorageTokens(amount)))
    }
  }

  struct Issue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Gateway: money that enters the network, to an account of a grid.",
      discussion: "All grids together may have 1,000,000,000,000 ¤.")
    @OptionGroup var payment: Payment
    @OptionGroup var submission: Submission

    func run() async throws {
      let (grid, to, amount) = try await payment.parts(submission.address)
      try await submission.submit(.issue(grid, to: to, amount: Money(amount)))
    }
  }

  struct Pay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A line's owner: money of its account on the backbone to an account of a grid.")
    @OptionGroup var payment: Payment
    @OptionGroup var submission: Submission

    func run() async throws {
      let (grid, to, amount) = try await payment.parts(submission.address)
      try await submission.submit(.pay(grid, to: to, amount: Money(amount)))
    }
  }

  struct Fee: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Oracle: a line's wheeling fee, from the next round that closes.")
    @Argument(help: "The line's number.") var line: UInt64
    @Argument(help: "The fee, ¤/kWh.") var fee: String
    @OptionGroup var submission: Submission

    func run() async throws {
      try await submission.submit(
        .setFee(line: line, Price(try Amounts.argument(fee, "the fee"))))
    }
  }

  struct PayOut: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "pay-out",
      abstract: "Gateway: says that a withdrawal was paid out; `withdrawals` lists what waits.")
    @Argument(help: "The withdrawal's number.") var withdrawal: UInt64
    @OptionGroup var submission: Submission

    func run() async throws { try await submission.submit(.payOut(withdrawal: withdrawal)) }
  }
}
