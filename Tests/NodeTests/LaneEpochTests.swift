import Backbone
import Domain
import Node
import Testing

/// A delivery leads from one epoch of its source to the next, so that no epoch may pass without a
/// packet.
@Suite struct LaneEpochTests {
  @Test func everyChangeOfAGridsValidatorsHasAPacket() async throws {
    var grid = try await LaneGrid(1, of: LaneBackbone.genesis)
    var present = grid.genesis.validators
    var second: Int64 = 10
    for number in 1...5 as ClosedRange<UInt64> {
      let next = [LaneGrid.key(950 + number)]
      let name = ValidatorSet.digest(chain: grid.id, epoch: number + 1, keys: next)
      let bodies =
        [(CommandBody.proposeValidators(next), LaneGrid.key(11))]
        + (present + next).map { (.acceptValidators(name), $0) }
      var isChanged = false
      for (body, signer) in bodies {
        second += 1
        let execution = try await grid.block(at: second, [grid.command(body, by: signer)])
        #expect(execution.receipts.map(\.rejection) == [nil])
        isChanged = execution.epochChange
        // The block that seals an epoch sends a checkpoint; its root is attested by the next one's.
        #expect(execution.packets.count == (isChanged ? 1 : 0))
      }
      #expect(isChanged)
      guard case .checkpoint(let checkpoint) = try grid.sent.last?.packet.content() else {
        Issue.record("epoch \(number + 1) has no packet")
        return
      }
      #expect(checkpoint.height == grid.height)
      present = next
    }
    #expect(grid.pipeline.lane?.sent == 5)
  }
}
