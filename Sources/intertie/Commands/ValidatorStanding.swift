import Domain
import Foundation
import Node
import Wire

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
    try self.init(
      chain: status.chainID, epoch: status.epoch, view: status.view,
      validators: status.validators, proposal: status.proposedValidators,
      accepted: status.accepted, node: status.nodeKey)
  }

  /// Of the backbone.
  init(_ overview: Intertie_V1_OverviewResponse) throws {
    try self.init(
      chain: overview.chainID, epoch: overview.epoch, view: overview.view,
      validators: overview.validators, proposal: overview.proposedValidators,
      accepted: overview.accepted, node: overview.nodeKey)
  }

  private init(
    chain id: Data, epoch: UInt64, view: UInt64, validators: [Data], proposal: [Data],
    accepted: [Data], node: Data
  ) throws {
    func keys(_ list: [Data]) throws -> [PublicKey] {
      try list.map {
        guard let key = PublicKey($0) else {
          throw CommandFailure("the node gives a validator's key that is none")
        }
        return key
      }
    }
    guard let chain = ChainID(id), !validators.isEmpty else {
      throw CommandFailure("the node gives no valid chain id, or no validators")
    }
    self.chain = chain
    self.epoch = epoch
    self.view = view
    self.validators = try keys(validators)
    self.proposal = try keys(proposal)
    self.accepted = try keys(accepted)
    self.node = PublicKey(node)
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
