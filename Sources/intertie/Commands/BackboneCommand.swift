import ArgumentParser
import Domain
import Foundation
import Node
import Wire

struct BackboneCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backbone",
    abstract: "The chain between grids: makes one, runs its roles, shows its rounds.",
    discussion: """
      Every node of a grid that was made with `genesis make --join` keeps the backbone, too; ask \
      any of them. Energy is given in kWh, power in kW, money in ¤, prices in ¤ per kWh. A grid is \
      given by its name, its chain's id or the first eight digits of it, or its genesis file. \
      `validators --backbone` shows and changes who keeps the chain.
      """,
    subcommands: [
      Genesis.self, Register.self, Line.self, Rate.self, Grant.self, Fee.self, Issue.self,
      Pay.self, PayOut.self, Report.self, Status.self, Rounds.self, Withdrawals.self,
    ])

  struct Genesis: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes the genesis file of a backbone.",
      discussion: """
        Its validators are nodes of the grids. There are no grids in it: each grid's genesis names \
        the backbone (`genesis make --join`), and the backbone's operator enters the grid \
        (`backbone register`). Roles that are not given fall to the operator. Everything in the \
        file can be edited before the first start.

        A coupling round closes when every grid that is up has bid, or --round-seconds after the \
        end of its interval.
        """)
    @Argument(help: "The genesis file to create.") var path: String
    @Option(help: "Name of the backbone.") var name: String
    @Option(
      name: .customLong("validator"), parsing: .singleValue,
      help: "Key of a node (tienode1…) that validates the chain; repeatable.")
    var single: [String] = []
    @Option(
      name: .customLong("validators"), parsing: .upToNextOption,
      help: "Keys of several, in the order of their turns.")
    var several: [String] = []
    @Option(help: "Key of the operator: enters grids and lines, rates clean power, grants TSL.")
    var `operator`: String
    @Option(help: "Key of the oracle: sets wheeling fees.") var oracle: String?
    @Option(help: "Key of the gateway: issues money and pays it out.") var gateway: String?
    @Option(help: "Chain seconds for each second; above 1 only for trials.") var rate: Int64 = 1
    @Option(
      help: """
        Chain time that a round stays open after the end of its interval, at most. Its results \
        should be back before the next interval's close. Default: 120; half an interval after the \
        close with a --rate above 1.
        """)
    var roundSeconds: Int64?

    func validate() throws {
      guard !single.isEmpty || !several.isEmpty else {
        throw ValidationError("give --validator or --validators")
      }
    }

    func run() async throws {
      let now = Int64(Date().timeIntervalSince1970)
      let calendar = Domain.Calendar(origin: now, wallOrigin: now, rate: rate)
      let lead = try PublicKey(argument: `operator`, "--operator")
      let genesis = BackboneGenesis(
        name: name, calendar: calendar,
        roundSeconds: roundSeconds
          ?? (rate > 1 ? calendar.closeDelaySeconds + calendar.intervalSeconds / 2 : 120),
        roles: BackboneRoles(
          operator: lead,
          oracle: try oracle.map { try PublicKey(argument: $0, "--oracle") } ?? lead,
          gateway: try gateway.map { try PublicKey(argument: $0, "--gateway") } ?? lead),
        validators: try (single + several).map {
          try PublicKey(argument: $0, as: .node, "--validator")
        })
      let faults = genesis.faults
      guard faults.isEmpty else {
        throw CommandFailure("the genesis is not valid:\n  " + faults.joined(separator: "\n  "))
      }
      try Files.create(path, try Files.json(genesis))
      print("chain \(genesis.chainID)")
      print("validators \(ValidatorCounts(of: genesis.validators.count))")
    }
  }
}
