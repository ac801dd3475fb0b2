import ArgumentParser
import Domain
import Foundation
import Node
import Wire

struct ValidatorsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validators",
    abstract: "Shows who validates a chain, and changes it.",
    discussion: """
      The operator proposes another set; the validators, present and proposed, accept it with \
      their nodes' keys. With the block in which a quorum of both sets has accepted, the epoch \
      ends and the next one begins with the proposed set. Start the new nodes, and list them in \
      everybody's peers file, before their keys accept. With --backbone all of this is about the \
      backbone that the grid is part of, its operator, and its peers files.
      """,
    subcommands: [Show.self, Propose.self, Accept.self], defaultSubcommand: Show.self)

  /// Which chain's validators.
  struct Choice: ParsableArguments {
    @Flag(help: "Those of the backbone that the grid is part of.") var backbone = false

    var target: TargetChain { backbone ? .backbone : .grid }

    func standing(_ address: NodeAddress) async throws -> ValidatorStanding {
      let isBackbone = backbone
      return try await address.connect { connection in
        isBackbone
          ? try ValidatorStanding(try await connection.overview())
          : try ValidatorStanding(try await connection.currentStatus())
      }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows the set of validators, the open proposal, and who accepted it.")
    @OptionGroup var choice: Choice
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let standing = try await choice.standing(address)
      if json {
        print(String(decoding: try Files.json(standing.texts), as: UTF8.self), terminator: "")
      } else {
        for line in standing.lines { print(line) }
      }
    }
  }

  struct Propose: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: proposes another set of validators.",
      discussion: """
        A proposal takes the place of the one that is open, with all that accepted it. Added keys \
        come last, in their order; --set gives the whole set. Keys are written tienode1….
        """)
    @Option(
      name: .customLong("add"), parsing: .singleValue,
      help: "Key of a node that is to join; repeatable.")
    var added: [String] = []
    @Option(
      name: .customLong("remove"), parsing: .singleValue,
      help: "Key of a validator that is to leave; repeatable.")
    var removed: [String] = []
    @Option(
      name: .customLong("set"), parsing: .upToNextOption,
      help: "The whole set, in the order of the validators' turns.")
    var whole: [String] = []
    @Flag(help: "Withdraws the open proposal.") var withdraw = false
    @OptionGroup var choice: Choice
    @OptionGroup var submission: Submission

    func validate() throws {
      let ways = [!added.isEmpty || !removed.isEmpty, !whole.isEmpty, withdraw]
      guard ways.count(where: { $0 }) == 1 else {
        throw ValidationError("give --add and --remove, or --set, or --withdraw")
      }
    }

    func run() async throws {
      var standing = try await choice.standing(submission.address)
      let keys = try proposed(standing.validators)
      if !submission.json, !withdraw {
        standing.proposal = keys
        standing.accepted = []
        for line in standing.proposalLines { print(line) }
      }
      try await submission.submit(.proposeValidators(keys), to: choice.target)
    }

    private func proposed(_ present: [PublicKey]) throws -> [PublicKey] {
      if withdraw { return present }
      var keys = try whole.map { try PublicKey(argument: $0, as: .node, "--set") }
      if whole.isEmpty {
        keys = present
        for text in removed {
          let key = try PublicKey(argument: text, as: .node, "--remove")
          guard let place = keys.firstIndex(of: key) else {
            throw ValidationError("\(text) is no validator")
          }
          keys.remove(at: place)
        }
        for text in added {
          let key = try PublicKey(argument: text, as: .node, "--add")
          guard !keys.contains(key) else { throw ValidationError("\(text) is a validator already") }
          keys.append(key)
        }
      }
      do { try ValidatorSet.validate(keys) } catch {
        throw CommandFailure(
          "a set has 1 to \(Limits.validators) keys, each once, and none of small order")
      }
      guard keys != present else {
        throw CommandFailure("that is the set as it is; --withdraw withdraws the open proposal")
      }
      return keys
    }
  }

  struct Accept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A validator, present or proposed: accepts the open proposal.",
      discussion: """
        Asks the node for the open proposal, shows what it will do, and signs exactly that with \
        --key, the node's key file.
        """)
    @Option(help: "Accept only the proposal of this digest, as `validators` shows it.")
    var proposal: String?
    @OptionGroup var choice: Choice
    @OptionGroup var submission: Submission

    func run() async throws {
      let standing = try await choice.standing(submission.address)
      guard let digest = standing.proposalDigest else {
        throw CommandFailure("no proposal is open")
      }
      if let proposal, proposal.lowercased() != "\(digest)" {
        throw CommandFailure("the open proposal is another one: \(digest)")
      }
      if !submission.json { for line in standing.proposalLines { print(line) } }
      try await submission.submit(.acceptValidators(digest), to: choice.target)
    }
  }
}
