import Backbone
import Consensus
import Domain
import Foundation
import Storage

/// This node's replica of the backbone.
package final class BackboneNode: Sendable {
  package let genesis: BackboneGenesis
  package let view: BackboneView
  let host: ChainHost<BackboneView>

  /// As `Microgrid.open`; `bells` ring with every block.
  static func open(
    _ configuration: ChainConfiguration<BackboneGenesis>, bells: [Bell]
  ) async throws(NodeFailure) -> BackboneNode {
    do {
      try FileManager.default.createDirectory(
        atPath: configuration.directory, withIntermediateDirectories: true)
    } catch { throw .storage("cannot make \(configuration.directory): \(error)") }
    let (store, recovered) = try await ChainHost<BackboneView>.recover(
      configuration, as: BackbonePipeline.self)
    return try BackboneNode(configuration, store: store, recovered: recovered, bells: bells)
  }

  private init(
    _ configuration: ChainConfiguration<BackboneGenesis>, store: Store,
    recovered: RecoveredState<BackbonePipeline>, bells: [Bell]
  ) throws(NodeFailure) {
    genesis = configuration.genesis
    let view = BackboneView(
      recovered, lastRound: try Recovery.storing { try store.latestRound() }, bells: bells)
    self.view = view
    let clock = ChainClock(calendar: genesis.calendar, wall: configuration.wall)
    host = try ChainHost(
      configuration, store: store, recovered: recovered, state: recovered.pipeline,
      publisher: view, registry: { view.registry },
      select: { entries in
        entries.filter { entry in
          switch entry.content {
          case .command(let command):
            command.expires >= clock.now && view.refusal(of: command) == nil
          case .delivery(let delivery): view.refusal(of: delivery) == nil
          case .reading: false
          }
        }
      })
  }

  /// Submits signed commands, as `Microgrid.submit(commands:)`.
  package func submit(commands: [SignedBytes?]) async throws(NodeFailure) -> [EntryResult] {
    let view = self.view
    return try await host.submit(commands: commands) { view.refusal(of: $0) }
  }
}
