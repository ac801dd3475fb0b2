import Domain
import Foundation
import ProcessSupport
import TestSupport
import Testing
import Wire

extension NetworkTests {
  /// Four grids, each a chain and one process of its own, whose nodes keep the backbone.
  struct CoupledGridsTests {
    @Test func marketsCoupleAndEveryTransferEndsOnceThoughNodesAreKilled() async throws {
      let seed = Trial.seed
      print("union: seed \(seed)")
      try await alone(90, "the union of seed \(seed)") {
        var random = SplitMix64(seed: seed)
        let trial = try UnionTrial(Union(random: &random))
        do { try await trial.run() } catch {
          let logs = trial.stage.nodes.logs
          await trial.stage.nodes.close()
          throw Fault("seed \(seed), files kept in \(trial.stage.nodes.path): \(error)\n\(logs)")
        }
        await trial.stage.nodes.close()
        trial.stage.nodes.remove()
      }
    }
  }
}
