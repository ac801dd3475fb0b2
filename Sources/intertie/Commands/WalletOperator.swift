import ArgumentParser
import Domain
import Foundation

extension WalletCommand {
  /// Commands of the roles that a genesis names.
  struct Operator: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "operator",
      abstract: "What the operator, the oracle and the gateway of a community do.",
      subcommands: [
        Member.self, Meter.self, RetireMeter.self, Storage.self, Tariffs.self, Utility.self,
        Issue.self,
      ])

    struct Member: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Operator: admits a member, who gets the education grant once.")
      @Argument(help: "The member, tie1….") var member: String
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(.admitMember(try PublicKey(argument: member, "the member")))
      }
    }

    struct Meter: AsyncParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Operator: registers a meter.")
      @Argument(help: "The meter's key, tiemeter1….") var meter: String
      @Argument(help: "The account it counts for, tie1….") var account: String
      @Option(help: "Largest power either way, kW.") var maximumPower = "20"
      @Flag(help: "Its generation counts as clean.") var clean = false
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(
          .registerMeter(
            try PublicKey(argument: meter, as: .meter, "the meter"),
            account: try PublicKey(argument: account, "the account"),
            maximumPower: Power(try Amounts.argument(maximumPower, "--maximum-power")),
            isClean: clean))
      }
    }

    struct RetireMeter: AsyncParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Operator: retires a meter.")
      @Argument(help: "The meter's key, tiemeter1….") var meter: String
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(
          .retireMeter(try PublicKey(argument: meter, as: .meter, "the meter")))
      }
    }

    struct Storage: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Operator: registers a storage unit; a capacity of 0 removes it.")
      @Argument(help: "The unit's number.") var unit: UInt64
      @Argument(help: "Its owner, tie1….") var owner: String
      @Argument(help: "Capacity, kWh.") var capacity: String
      @Option(help: "Power, kW.") var power = "0"
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(
          .registerStorage(
            unit: unit, owner: try PublicKey(argument: owner, "the owner"),
            capacity: Energy(try Amounts.argument(capacity, "the capacity")),
            power: Power(try Amounts.argument(power, "--power"))))
      }
    }

    struct Tariffs: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        commandName: "tariff",
        abstract: "Oracle: publishes the supplier's prices, in force from the next interval on.",
        discussion: "One price for the whole day, or one for each interval, comma-separated.")
      @Argument(help: "Selling price(s), ¤ per kWh.") var retail: String
      @Argument(help: "Buying price(s), ¤ per kWh.") var feedIn: String
      @OptionGroup var submission: Submission

      func run() async throws {
        let status = try await submission.address.connect { try await $0.currentStatus() }
        let perDay = Int(86_400 / max(status.intervalS, 1))
        func prices(_ text: String) throws -> [Price] {
          let list = try text.split(separator: ",").map {
            Price(try Amounts.argument(String($0), "a price"))
          }
          return list.count == 1 ? Array(repeating: list[0], count: perDay) : list
        }
        try await submission.submit(
          .publishTariff(Tariff(retail: try prices(retail), feedIn: try prices(feedIn))))
      }
    }

    struct Utility: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Oracle: says whether the supplier can deliver.")
      enum State: String, ExpressibleByArgument, CaseIterable { case up, down }
      @Argument(help: "up or down.") var state: State
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(.setUtility(isAvailable: state == .up))
      }
    }

    struct Issue: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Gateway: issues money.",
        discussion: """
          On a grid of its own. Where the grid is part of a backbone, all money comes over it: the \
          backbone's gateway issues it with `backbone issue`.
          """)
      @Argument(help: "The receiver, tie1….") var to: String
      @Argument(help: "Amount in ¤.") var amount: String
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(
          .issue(
            to: try PublicKey(argument: to, "the receiver"),
            amount: Money(try Amounts.argument(amount, "the amount"))))
      }
    }
  }
}
