import Domain
import Node

/// Who validates in each epoch, counted from the commands in the chain's blocks and from nothing
/// that a node says (rule 12). It shares no predicate with the registry under test.
///
/// The operator proposes; validators of the present and of the proposed set accept, each once; the
/// block at whose end a quorum of both sets has accepted seals the epoch.
struct Electorate {
  /// Validators by epoch, the first one's first.
  private(set) var epochs: [[PublicKey]]
  /// Heights of the blocks that sealed an epoch, the first epoch's first.
  private var seals: [UInt64] = []
  /// Of the newest block that was counted.
  private var height: UInt64 = 0
  /// Empty while no proposal is open.
  private var proposed: [PublicKey] = []
  private var accepted: Set<PublicKey> = []
  private let lead: PublicKey
  private let chain: ChainID

  init(_ community: Community) {
    epochs = [community.genesis.validators]
    lead = community.lead.publicKey
    chain = community.chain
  }

  private var present: [PublicKey] { epochs[epochs.count - 1] }

  /// The epoch that goes on behind a block that was counted, from 1.
  func epoch(behind height: UInt64) -> Int { 1 + seals.count { $0 <= height } }

  /// Counts the next block of the chain; passes over one that was counted. What is wrong with it.
  mutating func take(_ decided: Decided) -> String? {
    let header = decided.block.header
    guard header.height == height + 1 else { return nil }
    height = header.height
    guard header.epoch == UInt64(epochs.count) else {
      return "block \(height) is of epoch \(header.epoch), and not of \(epochs.count)"
    }
    for (entry, receipt) in zip(decided.block.entries, decided.execution.receipts) {
      guard case .command(let command) = entry.content else { continue }
      if let fault = take(command, receipt.rejection) { return "block \(height) \(fault)" }
    }
    return seal(decided.execution.epochChange)
  }

  /// A command that concerns the validators: it is applied when, and only when, it is lawful. For
  /// what has nothing to do with them the ledger may refuse a lawful one.
  private mutating func take(_ command: Command, _ rejection: Rejection?) -> String? {
    let isLawful: Bool
    switch command.body {
    case .proposeValidators(let keys): isLawful = mayPropose(keys, command.signer)
    case .acceptValidators(let name): isLawful = mayAccept(name, command.signer)
    default: return nil
    }
    switch rejection {
    case nil where !isLawful: return "applies an unlawful \(command.body)"
    case .wrongRole?, .unknownObject?, .duplicate?:
      return isLawful ? "refuses a lawful \(command.body)" : nil
    case nil: break
    default: return nil
    }
    switch command.body {
    case .proposeValidators(let keys):
      // The present set withdraws what was proposed.
      proposed = keys == present ? [] : keys
      accepted = []
    default: accepted.insert(command.signer)
    }
    return nil
  }

  private func mayPropose(_ keys: [PublicKey], _ signer: PublicKey) -> Bool {
    guard signer == lead, !keys.isEmpty, Set(keys).count == keys.count else { return false }
    return keys == present ? !proposed.isEmpty : keys != proposed
  }

  private func mayAccept(_ name: Digest, _ signer: PublicKey) -> Bool {
    guard !proposed.isEmpty, present.contains(signer) || proposed.contains(signer) else {
      return false
    }
    let open = ValidatorSet.digest(chain: chain, epoch: UInt64(epochs.count + 1), keys: proposed)
    return name == open && !accepted.contains(signer)
  }

  /// The end of a block, which sealed the epoch or did not.
  private mutating func seal(_ isSealed: Bool) -> String? {
    let old = present.count { accepted.contains($0) }
    let new = proposed.count { accepted.contains($0) }
    let isDue =
      !proposed.isEmpty && old >= quorum(of: present.count) && new >= quorum(of: proposed.count)
    let counted =
      "\(old) of \(present.count) old and \(new) of \(proposed.count) new validators have accepted"
    guard isSealed == isDue else {
      return isSealed
        ? "block \(height) seals epoch \(epochs.count) too early: \(counted)"
        : "block \(height) has to seal epoch \(epochs.count) and does not: \(counted)"
    }
    guard isDue else { return nil }
    epochs.append(proposed)
    seals.append(height)
    proposed = []
    accepted = []
    return nil
  }
}
