import Consensus
import Domain
import Node
import TestSupport

// What the Byzantine validator of the backbone does. It is two replicas with one key, which hear
// different things and propose different blocks.
extension CoupledSimulation {
  private var isSilent: Bool { isHealed && !settings.isByzantineHealed }

  /// Whether a message of a Byzantine replica reaches `target`: the two talk to different halves,
  /// and keep things back.
  func isKept(
    _ message: PeerMessage, by node: ChainNode<BackboneState>,
    from target: ChainNode<BackboneState>
  ) -> Bool {
    guard !isSilent else { return false }
    let isFirst = sites[node.process].backbones.first.map { backbones[$0] === node } ?? true
    let isOwnHalf = target.process.isMultiple(of: 2) == isFirst
    counts.withheld += isOwnHalf ? 0 : 1
    return random.chance(isOwnHalf ? 85 : 15)
  }

  /// Stale replays, votes both ways, and proposals that nobody asked for.
  func makeMischief() {
    events.push(.mischief, at: time + random.int(50_000...500_000))
    let liars = backbones.filter { !$0.isHonest && $0.isRunning }
    guard !isSilent, let node = random.pick(from: liars), let memory = memory[node.number] else {
      return
    }
    let target = backbones[random.below(3)]
    switch random.int(0...2) {
    case 0:
      for _ in 0..<6 {
        if let message = memory.any(&random) { post(message, from: node, to: target) }
      }
    case 1: signBothWays(memory.newestView, node)
    default:
      guard var header = memory.newestHeader else { return }
      header.attested.outboxRoot.bytes.w1 ^= 1
      header.body = Digest.sha256([])
      let subject = Subject.block(.notarize, header, hash: header.hash)
      let vote = sign(subject, by: node)
      post(.consensus(.proposal(Block(header: header, body: []), vote)), from: node, to: target)
    }
  }

  private func signBothWays(_ view: UInt64, _ node: ChainNode<BackboneState>) {
    var subjects = [Subject.nullify(epoch: 1, view: view)]
    if var header = memory[node.number]?.newestHeader {
      header.view = view
      subjects.append(.block(.finalize, header, hash: header.hash))
      subjects.append(.block(.notarize, header, hash: header.hash))
    }
    for subject in subjects {
      let vote = sign(subject, by: node)
      for target in backbones where target.isHonest && random.chance(60) {
        post(.consensus(.vote(vote)), from: node, to: target)
      }
    }
  }

  private func sign(_ subject: Subject, by node: ChainNode<BackboneState>) -> Vote {
    let vote = Vote(
      subject: subject, signer: UInt16(node.process),
      signature: node.key.sign(
        subject.payload(chain: federation.backboneID), for: .consensus))
    notary.enter(vote, of: node.id)
    counts.forgeries += 1
    return vote
  }
}
