import Consensus
import Domain
import TestSupport

/// A change of validators under way.
struct Reconfiguration {
  enum Stage {
    /// → proposed
    case idle
    /// The operator has proposed; the validators accept when the chain knows of it. → idle
    case proposed
  }

  var stage = Stage.idle
  var proposed: [PublicKey]?
  /// The epoch that ends with it.
  var epoch = 0
  /// Who has been asked to accept, so far.
  var asked: [PublicKey] = []
  var changes = 0
}

extension Simulation {
  /// Goes on with the change of validators; comes back until it is through.
  func reconfigure() {
    if reconfiguration.stage == .proposed && oracle.epochs.count > reconfiguration.epoch {
      reconfiguration.stage = .idle
      reconfiguration.proposed = nil
    }
    let isDue = !isHealed && reconfiguration.changes < 2
    switch reconfiguration.stage {
    case .idle:
      guard isDue else { return }
      propose()
    case .proposed: accept()
    }
    events.push(.reconfiguration, at: time + random.int(200_000...900_000))
  }

  /// Another set: one comes, one goes, or both.
  private func propose() {
    let present = oracle.epochs[oracle.epochs.count - 1]
    var set = present
    let outside = nodes.filter { $0.isHonest && !present.contains($0.id) }.map(\.id)
    let honest = nodes.filter { $0.isHonest && present.contains($0.id) }.map(\.id)
    let isGrowing = settings.validators == 1 || random.chance(40)
    if isGrowing {
      set += outside
    } else {
      if let leaving = random.pick(from: honest), set.count > 1, random.chance(70) {
        set.removeAll { $0 == leaving }
      }
      if let coming = random.pick(from: outside), random.chance(80) {
        set.insert(coming, at: random.below(set.count + 1))
      }
    }
    let byzantine = nodes.count { !$0.isHonest && set.contains($0.id) } / 2
    guard set != present, byzantine <= set.count - quorum(of: set.count) else { return }
    reconfiguration.stage = .proposed
    reconfiguration.proposed = set
    reconfiguration.epoch = oracle.epochs.count
    reconfiguration.asked = []
    reconfiguration.changes += 1
    for node in nodes where !node.hasJoined && set.contains(node.id) {
      node.hasJoined = true
      note(node, "joins")
      events.push(.start(node.index), at: time + random.int(1_000...1_500_000))
    }
    call(.proposeValidators(set), by: community.lead)
  }

  /// Those of both sets who did not accept so far do, once the proposal is on the chain.
  private func accept() {
    guard let set = reconfiguration.proposed else { return }
    let knows = nodes.contains { $0.isHonest && $0.replica?.pipeline.registry.proposal == set }
    guard knows else { return }
    let present = oracle.epochs[oracle.epochs.count - 1]
    let digest = ValidatorSet.digest(
      chain: community.chain, epoch: UInt64(reconfiguration.epoch + 1), keys: set)
    for key in community.nodes where (present + set).contains(key.publicKey) {
      guard !reconfiguration.asked.contains(key.publicKey), random.chance(60) else { continue }
      reconfiguration.asked.append(key.publicKey)
      call(.acceptValidators(digest), by: key)
    }
  }

  private func call(_ body: CommandBody, by key: SigningKey) {
    let entry = clients.signed(body, by: key, Timestamp(seconds: 1 << 40))
    notary.enter(entry)
    let call = clients.add([entry])
    counts.calls += 1
    submit(call)
  }
}
