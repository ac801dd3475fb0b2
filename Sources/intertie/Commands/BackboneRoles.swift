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
      if !submission.json { print("grid \(registration.grid)") }
      try await submission.submit(.register(registration))
    }
  }

  struct Line: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: enters an interconnector, or gives one new figures.",
      discussion: """
        It carries so much power in each direction, 0 for none. Its owner, an account on the \
        backbone that comes into being, gets the wheeling fee, and the congestion rent when it is \
        full.
        """)
    @Argument(help: "The line's number.") var number: UInt64
    @Argument(help: "The grid at its one end.") var from: String
    @Argument(help: "The grid at its other end.") var to: String
    @Option(help: "Power from the one to the other, kW.") var forth: String
    @Option(help: "Power back, kW. Default: as --forth.") var back: String?
    @Option(help: "Wheeling fee either way, ¤/kWh.") var fee = "0"
    @Option(help: "Key of the owner. Default: the signer.") var owner: String?
    @OptionGroup var submission: Submission

    func run() async throws {
      let signer = try KeyFile.load(submission.signer.key).publicKey
      let line = Interconnector(
        id: number, from: try GridName.id(from), to: try GridName.id(to),
        forth: Power(try Amounts.micro(forth, "--forth")),
        back: Power(try Amounts.micro(back ?? forth, "--back")),
        fee: Price(try Amounts.micro(fee, "--fee")),
        owner: try owner.map { try PublicKey(argument: $0, "--owner") } ?? signer)
      guard line.from != line.to else {
        throw CommandFailure("a line is between two grids, and both ends are \(line.from)")
      }
      let status = try await submission.address.connect { try await $0.currentStatus() }
      do { try line.validate(intervalSeconds: status.intervalS) } catch {
        throw CommandFailure(
          "a line carries 0 kW or more, at most 1 TWh in a round; its fee is 0 to "
            + "\(Amounts.text(micro: Limits.price, decimals: 0)) ¤/kWh, its owner somebody's key")
      }
      try await submission.submit(.putLine(line))
    }
  }

  struct Rate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: the clean generation that a grid may be rewarded for.")
    @Argument(help: "The grid.") var grid: String
    @Argument(help: "Power of its clean generation, kW.") var power: String
    @OptionGroup var submission: Submission

    func run() async throws {
      try await submission.submit(
        .rate(
          try GridName.id(grid), cleanPower: Power(try Amounts.micro(power, "the power"))))
    }
  }

  /// An amount for an account of a grid.
  struct Payment: ParsableArguments {
    @Argument(help: "The grid.") var grid: String
    @Argument(help: "The receiver in it, tie1….") var to: String
    @Argument(help: "The amount.") var amount: String

    var parts: (grid: ChainID, to: AccountID, amount: Int64) {
      get throws {
        let amount = try Amounts.micro(amount, "the amount")
        guard amount > 0 else { throw CommandFailure("the amount must be above 0") }
        return (try GridName.id(grid), try PublicKey(argument: to, "the receiver"), amount)
      }
    }
  }

  struct Grant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: TSL of the backbone's own to an account of a grid.")
    @OptionGroup var payment: Payment
    @OptionGroup var submission: Submission

    func run() async throws {
      let (grid, to, amount) = try payment.parts
      try await submission.submit(.grant(grid, to: to, amount: StorageTokens(amount)))
    }
  }

  struct Issue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Gateway: money that enters the network, to an account of a grid.")
    @OptionGroup var payment: Payment
    @OptionGroup var submission: Submission

    func run() async throws {
      let (grid, to, amount) = try payment.parts
      try await submission.submit(.issue(grid, to: to, amount: Money(amount)))
    }
  }

  struct Pay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A line's owner: money of its account on the backbone to an account of a grid.")
    @OptionGroup var payment: Payment
    @OptionGroup var submission: Submission

    func run() async throws {
      let (grid, to, amount) = try payment.parts
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
        .setFee(line: line, Price(try Amounts.micro(fee, "the fee"))))
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
