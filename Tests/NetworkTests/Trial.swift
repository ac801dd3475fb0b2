import Domain
import Foundation
import ProcessSupport
import TestSupport

/// Nodes and clients under way, while something is done to them: what every test of a network has
/// in common.
struct Trial: Sendable {
  let seed: UInt64
  let community: Community
  let network: Network
  let beacon = Beacon(patience: 3)
  let pulse = Pulse()
  let notebook = Notebook()
  private let draws: SplitMix64

  static func environment(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
  }

  /// INTERTIE_SEED, or any.
  static var seed: UInt64 { environment("INTERTIE_SEED") ?? .random(in: 1...(.max)) }

  /// `others` nodes stand ready beside the four validators.
  init(seed: UInt64, others: Int = 0) throws {
    self.seed = seed
    var random = SplitMix64(seed: seed)
    community = try Community(validators: 4, meters: 30, random: &random)
    let keys = try (0..<others).map { _ in try Community.key(&random) }
    network = try Network(community, others: keys, beacon: beacon)
    draws = random
  }

  private var crowd: Crowd {
    var crowd = Crowd(community, beacon, notebook)
    crowd.streamHabits.pause = 40...120
    crowd.streamHabits.bulkyOnce = 100
    crowd.streamHabits.movesOnce = 60
    crowd.traderHabits.pause = 30...120
    crowd.traderHabits.givesUp = false
    crowd.traderHabits.movesOnce = 40
    return crowd
  }

  /// Starts the nodes, lets the clients loose, does `body`, and lets the clients finish; then
  /// `end`, with all nodes still there. Whatever happens, no process and no port is left.
  func run(
    _ body: @Sendable () async throws -> Void, end: @Sendable () async throws -> Void
  ) async throws {
    do {
      try await whileWatched {
        try await network.start(Array(community.validators.indices))
        async let clients: Void = crowd.run(draws)
        do {
          _ = try await pulse.growth(above: 2, within: 60)
          pulse.begin(.calm)
          pulse.reset(.calm)
          try await body()
        } catch {
          beacon.finish(isDark: true)
          await clients
          throw error
        }
        beacon.finish(isDark: false)
        await clients
        try await end()
      }
      let faults = notebook.pages.faults + pulse.faults
      try demand(faults.isEmpty, faults.joined(separator: "\n"))
    } catch {
      await network.end()
      throw Fault("seed \(seed), files kept in \(network.path): \(error)")
    }
    await network.end()
    await network.remove()
  }

  private func whileWatched(_ body: () async throws -> Void) async throws {
    async let watch: Void = pulse.run(beacon, count: network.count)
    do { try await body() } catch {
      pulse.end()
      await watch
      throw error
    }
    pulse.end()
    await watch
  }

  /// What clients were told, in a line.
  var told: String {
    let pages = notebook.pages
    return "\(pages.readings.count) readings acknowledged (\(pages.acknowledgedReadings) applied), "
      + "\(pages.commands.count) commands (\(pages.learnt) learnt at another node, "
      + "\(pages.repeated) sent again in the same bytes, \(pages.replays) replays refused), "
      + "\(pages.breaks) connections broken; a command's receipt came after "
      + "\(pages.wait(percent: 50).text) (median), \(pages.wait(percent: 99).text) (99 %)"
  }
}
