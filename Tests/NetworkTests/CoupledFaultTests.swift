import Foundation
import ProcessSupport
import TestSupport
import Testing

extension NetworkTests {
  /// Four grids and their backbone under load, killed, stopped, cut off and split at random.
  /// INTERTIE_UNION_SECONDS sets for how long, INTERTIE_SEED what the run draws.
  struct CoupledFaultTests {
    /// A question takes the newest 500 rounds at most, of three seconds each.
    private static let longest = 1200.0

    @Test func everyTransferEndsOnceAndNothingAcknowledgedIsLost() async throws {
      let seconds = min(
        Double(Trial.environment("INTERTIE_UNION_SECONDS") ?? 30), Self.longest)
      let seed = Trial.seed
      print("union: seed \(seed), \(seconds) s of faults")
      try await alone(240 + 2 * seconds, "the union of seed \(seed)") {
        let trial = try UnionFaultTrial(seed: seed)
        let nodes = trial.stage.nodes
        do { try await trial.run(seconds: seconds) } catch {
          let logs = nodes.logs
          await nodes.close()
          throw Fault("seed \(seed), files kept in \(nodes.path): \(error)\n\(logs)")
        }
        await nodes.close()
        nodes.remove()
      }
    }
  }
}
