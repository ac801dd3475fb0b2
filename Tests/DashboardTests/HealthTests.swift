import Consensus
import Domain
import Node
import Testing

/// When a node says that it is ready, and what it says when it is not.
@Suite struct HealthTests {
  private static let keys = (1...4).map {
    SigningKey(seed: [UInt8](repeating: $0, count: 32))!.publicKey
  }
  private static let stranger = SigningKey(seed: [UInt8](repeating: 9, count: 32))!.publicKey

  /// Of four validators so many are linked to this node.
  private func health(
    node: PublicKey = HealthTests.keys[0], linked: Int = 3, failure: String? = nil,
    newestView: UInt64 = 10, floor: UInt64 = 9, isAbstaining: Bool = false, overdue: Int64 = 0
  ) -> ChainHealth {
    var standing = ConsensusStanding()
    standing.view = 10
    standing.floor = floor
    standing.isAbstaining = isAbstaining
    return ChainHealth(
      failure: failure,
      registry: ValidatorRegistry(chain: .zero, validators: Self.keys), node: node,
      linked: Self.keys.filter { $0 != node }.prefix(linked).map { ($0, newestView) },
      standing: standing, overdue: overdue)
  }

  @Test func aNodeInGoodOrderIsReady() {
    let node = NodeHealth(grid: health(), backbone: nil)
    #expect(node.isLive && node.isReady)
    #expect(node.readyText == "ready" && node.liveText == "ok")
    // Three of four make a quorum: one may be away.
    #expect(NodeHealth(grid: health(linked: 2), backbone: nil).isReady)
  }

  @Test func eachFaultIsToldInWords() {
    func text(_ health: ChainHealth) -> String {
      let node = NodeHealth(grid: health, backbone: nil)
      #expect(!node.isReady)
      return node.readyText
    }
    #expect(
      text(health(linked: 1)) == "not ready: 2 of 4 validators within reach, 3 are needed")
    #expect(
      text(health(newestView: 109)) == "not ready: catching up: 100 views behind")
    #expect(
      text(health(isAbstaining: true))
        == "not ready: learning what it may have signed before it lost its disk")
    #expect(
      text(health(overdue: 11_000_000)) == "not ready: the next close is overdue by 11 s")
    #expect(
      text(health(linked: 0, overdue: 60_000_000))
        == "not ready: 1 of 4 validators within reach, 3 are needed; "
        + "the next close is overdue by 60 s")
    let halted = NodeHealth(grid: health(failure: "a disk is full"), backbone: nil)
    #expect(!halted.isLive && !halted.isReady)
    #expect(halted.liveText == "halted: a disk is full")
  }

  @Test func aFollowerNeedsOneValidator() {
    #expect(health(node: Self.stranger, linked: 1).faults.isEmpty)
    #expect(health(node: Self.stranger, linked: 1, isAbstaining: true).faults.isEmpty)
    #expect(health(node: Self.stranger, linked: 0).faults == ["no validator within reach"])
  }

  /// A grid goes on without its backbone, and says so.
  @Test func theBackboneIsToldOfAndDoesNotCount() {
    let node = NodeHealth(grid: health(), backbone: health(linked: 0))
    #expect(node.isReady && node.isLive)
    #expect(
      node.readyText
        == "ready\nwithout the backbone: 1 of 4 validators within reach, 3 are needed")
  }
}
