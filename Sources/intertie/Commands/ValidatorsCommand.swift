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
      everybody's peers file, before their keys accept.
      """,
    subcommands: [Show.self, Propose.self, Accept.self], defaultSubcommand: Show.self)

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows the set of validators, the open proposal, and who accepted it.")
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let standing = try ValidatorStanding(
        try await address.connect { try await $0.currentStatus() })
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
    @OptionGroup var submission: Submission

    func validate() throws {
      let ways = [!added.isEmpty || !removed.isEmpty, !whole.isEmpty, withdraw]
      guard ways.count(where: { $0 }) == 1 else {
        throw ValidationError("give --add and --remove, or --set, or --withdraw")
      }
    }

    func run() async throws {
      var standing = try ValidatorStanding(
        try await submission.address.connect { try await $0.currentStatus() })
      let keys = try proposed(standing.validators)
      if !submission.json, !withdraw {
        standing.proposal = keys
        standing.accepted = []
        for line in standing.proposalLines { print(line) }
      }
      try await submission.submit(.proposeValidators(keys))
    }

    private func proposed(_ present: [PublicKey]) throws -> [PublicKey] {
      if withdraw { return present }
      var keys = try whole.map { try PublicKey(argument: $0, as: .node, "--set") }
      if whole.isEmpty {
        keys = present
        for text in removed {
          let key = try PublicKey(argument: text, as: .node, "--remove")
          guard let place = keys.firstIndex(of: key) else {
            throw CommandFailure("\(text) is no validator")
          }
          keys.remove(at: place)
        }
        for text in added {
          let key = try PublicKey(argument: text, as: .node, "--add")
          guard !keys.contains(key) else { throw CommandFailure("\(text) is a validator already") }
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
    @OptionGroup var submission: Submission

    func run() async throws {
      let standing = try ValidatorStanding(
        try await submission.address.connect { try await $0.currentStatus() })
      guard let digest = standing.proposalDigest else {
        throw CommandFailure("no proposal is open")
      }
      if let proposal, proposal.lowercased() != "\(digest)" {
        throw CommandFailure("the open proposal is another one: \(digest)")
      }
      if !submission.json { for line in standing.proposalLines { print(line) } }
      try await submission.submit(.acceptValidators(digest))
    }
  }
}

/// Who validates, and what is proposed, as a node tells it.
struct ValidatorStanding {
  let chain: ChainID
  let epoch: UInt64
  let view: UInt64
  let validators: [PublicKey]
  /// Empty when none is open.
  var proposal: [PublicKey]
  var accepted: [PublicKey]
  /// The node that was asked.
  let node: PublicKey?

  init(_ status: Intertie_V1_StatusResponse) throws {
    func keys(_ list: [Data]) throws -> [PublicKey] {
      try list.map {
        guard let key = PublicKey($0) else {
          throw CommandFailure("the node gives a validator's key that is none")
        }
        return key
      }
    }
    guard let chain = ChainID(status.chainID), !status.validators.isEmpty else {
      throw CommandFailure("the node gives no valid chain id, or no validators")
    }
    self.chain = chain
    epoch = status.epoch
    view = status.view
    validators = try keys(status.validators)
    proposal = try keys(status.proposedValidators)
    accepted = try keys(status.accepted)
    node = PublicKey(status.nodeKey)
  }

  /// Computed here from the keys, so that a signature is for what is shown.
  var proposalDigest: Digest? {
    proposal.isEmpty
      ? nil : ValidatorSet.digest(chain: chain, epoch: epoch + 1, keys: proposal)
  }

  var lines: [String] {
    ["epoch       \(epoch)", "view        \(view)"]
      + ["validators  \(ValidatorCounts(of: validators.count))"]
      + validators.enumerated().map { Self.line("\($0)", $1, $1 == node ? ["this node"] : []) }
      + (proposal.isEmpty ? ["proposal    none is open"] : proposalLines)
  }

  /// What the open proposal does, and who accepted it.
  var proposalLines: [String] {
    guard let digest = proposalDigest else { return [] }
    func marks(_ key: PublicKey, _ change: String?) -> [String] {
      [change, accepted.contains(key) ? "accepted" : nil, key == node ? "this node" : nil]
        .compactMap { $0 }
    }
    let joining = proposal.enumerated().map { place, key in
      Self.line("\(place)", key, marks(key, validators.contains(key) ? nil : "joins"))
    }
    let leaving = validators.filter { !proposal.contains($0) }
      .map { Self.line("-", $0, marks($0, "leaves")) }
    func count(_ keys: [PublicKey], _ set: String) -> String {
      let quorum = ValidatorCounts(of: keys.count).quorum
      return "\(keys.count(where: accepted.contains)) of the \(set) set (\(quorum) needed)"
    }
    return ["proposal    \(digest)"]
      + ["            epoch \(epoch + 1): \(ValidatorCounts(of: proposal.count))"]
      + joining + leaving
      + ["accepted    \(count(validators, "present")), \(count(proposal, "proposed"))"]
  }

  private static func line(_ place: String, _ key: PublicKey, _ marks: [String]) -> String {
    let number = String(repeating: " ", count: max(0, 10 - place.count)) + place
    let text = "\(number)  \(key.text(as: .node))"
    return marks.isEmpty ? text : text + "  " + marks.joined(separator: ", ")
  }

  struct Texts: Encodable {
    var chain: String
    var epoch: UInt64
    var view: UInt64
    var validators: [String]
    var quorum: Int
    var faults: Int
    var proposal: [String]
    var proposalDigest: String?
    var accepted: [String]
  }

  var texts: Texts {
    func texts(_ keys: [PublicKey]) -> [String] { keys.map { $0.text(as: .node) } }
    let counts = ValidatorCounts(of: validators.count)
    return Texts(
      chain: "\(chain)", epoch: epoch, view: view, validators: texts(validators),
      quorum: counts.quorum, faults: counts.faults, proposal: texts(proposal),
      proposalDigest: proposalDigest.map { "\($0)" }, accepted: texts(accepted))
  }
}
