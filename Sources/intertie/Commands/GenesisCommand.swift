import ArgumentParser
import Domain
import Foundation
import Node

struct GenesisCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "genesis",
    abstract: "Writes and checks the file that a chain starts from.",
    subcommands: [Make.self, Check.self])

  struct Make: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a genesis file; everything in it can be edited before the first start.",
      discussion: """
        Roles that are not given fall to the operator. Accounts, meters and storage units can be \
        listed here or registered later by the operator. Prices are in ¤ per kWh.

        Of n validators f = (n − 1) / 3 may be faulty, and q = n − f must agree: with four, one \
        may stop or lie while three go on.

        With --join the chain is a grid of that backbone: it keeps the backbone's time, and begins \
        without money and TSL, which come over the backbone once its operator has entered the grid \
        (`backbone register`).
        """)
    @Argument(help: "The genesis file to create.") var path: String
    @Option(help: "Name of the community.") var name: String
    @Option(
      name: .customLong("validator"), parsing: .singleValue,
      help: "Key of a node (tienode1…) that validates the chain; repeatable.")
    var single: [String] = []
    @Option(
      name: .customLong("validators"), parsing: .upToNextOption,
      help: "Keys of several, in the order of their turns.")
    var several: [String] = []
    @Option(help: "Key of the operator: registers members, meters and storage.")
    var `operator`: String
    @Option(help: "Key of the oracle: publishes tariffs.") var oracle: String?
    @Option(help: "Key of the gateway: issues money.") var gateway: String?
    @Option(help: "Key of the electricity supplier's account.") var utility: String?
    @Option(help: "Key of the community's account, which makes the market.")
    var community: String?
    @Option(help: "Supplier's selling price, ¤/kWh.") var retail = "0.30"
    @Option(help: "Supplier's buying price, ¤/kWh.") var feedIn = "0.10"
    @Option(
      name: .customLong("account"), parsing: .singleValue,
      help: "KEY:MONEY:TSL, an account with what it starts with; repeatable.")
    var accounts: [String] = []
    @Option(help: "Chain seconds for each second; above 1 only for trials. Default: 1.")
    var rate: Int64?
    @Option(help: "Genesis file of the backbone that the grid is part of.") var join: String?

    func run() async throws {
      let genesis = try genesis()
      let faults = genesis.faults
      guard faults.isEmpty else {
        throw CommandFailure("the genesis is not valid:\n  " + faults.joined(separator: "\n  "))
      }
      _ = try await Self.state(of: genesis)
      try Files.create(path, try Files.json(genesis))
      print("chain \(genesis.chainID)")
      print("validators \(ValidatorCounts(of: genesis.validators.count))")
      if let backbone = genesis.backbone { print("backbone \(backbone.chainID)") }
    }

    /// The state that the chain starts from: what a genesis cannot give, the node would refuse.
    static func state(of genesis: Genesis) async throws -> BarePipeline {
      do { return try await BarePipeline(genesis: genesis) } catch {
        throw CommandFailure("the genesis gives no state to start from (\(error))")
      }
    }

    func validate() throws {
      guard !single.isEmpty || !several.isEmpty else {
        throw ValidationError("give --validator or --validators")
      }
      guard join == nil || rate == nil else {
        throw ValidationError("--rate is the backbone's own: leave it out with --join")
      }
    }

    /// From now on; on a backbone's line of time, if there is one.
    private func calendar(joining backbone: BackboneGenesis?) -> Domain.Calendar {
      let now = Int64(Date().timeIntervalSince1970)
      guard var calendar = backbone?.calendar else {
        return Domain.Calendar(origin: now, wallOrigin: now, rate: rate ?? 1)
      }
      calendar.origin = calendar.chainTime(wallMicroseconds: now * 1_000_000).seconds
      calendar.wallOrigin = now
      return calendar
    }

    private func genesis() throws -> Genesis {
      let backbone = try join.map(Files.backboneGenesis)
      let calendar = calendar(joining: backbone)
      var parameters = Parameters()
      if backbone != nil { parameters.educationFund = .zero }
      let lead = try PublicKey(argument: `operator`, "--operator")
      func role(_ text: String?, _ option: String) throws -> PublicKey {
        try text.map { try PublicKey(argument: $0, option) } ?? lead
      }
      return Genesis(
        name: name, calendar: calendar, parameters: parameters,
        roles: Roles(
          operator: lead, oracle: try role(oracle, "--oracle"),
          gateway: try role(gateway, "--gateway"), utility: try role(utility, "--utility"),
          community: try role(community, "--community")),
        validators: try (single + several).map {
          try PublicKey(argument: $0, as: .node, "--validator")
        },
        tariff: Tariff(
          retail: Price(try Amounts.argument(retail, "--retail")),
          feedIn: Price(try Amounts.argument(feedIn, "--feed-in")),
          intervalsPerDay: Int(calendar.intervalsPerDay)),
        accounts: try accounts.map(account), backbone: backbone)
    }

    private func account(_ text: String) throws -> GenesisAccount {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { throw ValidationError("--account takes KEY:MONEY:TSL") }
      return GenesisAccount(
        id: try PublicKey(argument: parts[0], "--account"),
        money: Money(try Amounts.argument(parts[1], "--account")),
        tsl: StorageTokens(try Amounts.argument(parts[2], "--account")))
    }
  }

  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Checks a genesis file, a grid's or a backbone's, and prints the chain's id.")
    @Argument(help: "The genesis file.") var path: String

    func run() async throws {
      switch try Files.anyGenesis(path) {
      case .grid(let genesis):
        _ = try await Make.state(of: genesis)
        Self.show(genesis)
        print("accounts    \(genesis.accountOrder.count)")
        print("meters      \(genesis.meters.count)")
        print("storage     \(genesis.storage.count)")
        if let backbone = genesis.backbone {
          print("backbone    \(backbone.chainID) \(backbone.name)")
        }
      case .backbone(let genesis):
        Self.show(genesis)
        print(
          "rounds      of \(genesis.calendar.intervalSeconds) s, open for at most ", terminator: "")
        print("\(genesis.roundSeconds) s after their end")
        print("kind        a backbone; its grids are made with genesis make --join")
      }
    }

    private static func show(_ genesis: some ChainGenesis) {
      print("chain       \(genesis.chainID)")
      print("name        \(genesis.name)")
      print("validators  \(ValidatorCounts(of: genesis.validators.count))")
    }
  }
}
