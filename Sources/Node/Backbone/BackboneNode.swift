import Backbone
import Consensus
import Domain
import Foundation
import Storage
import Synchronization

/// This node's replica of the backbone.
package final class BackboneNode: Sendable {
  package let genesis: BackboneGenesis
  package let view: BackboneView
  package let host: ChainHost<BackboneView>
  /// Reports that clients may have checked: each takes some milliseconds.
  private let reports: Mutex<TokenBucket>
  private let clock = PeerConfiguration.monotonic()

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
    reports = Mutex(TokenBucket(perSecond: 4, now: 0))
    let clock = ChainClock(calendar: genesis.calendar, wall: configuration.wall)
    host = try ChainHost(
      configuration, on: .next(), store: store, recovered: recovered,
      state: recovered.pipeline, publisher: view, registry: { view.registry },
      select: { entries in
        entries.filter { entry in
          switch entry.content {
          case .command(let command):
            command.expires >= clock.now && view.refusal(of: command) == nil
          case .delivery(let delivery): view.refusal(of: delivery) == nil
          case .report(let report): view.refusal(of: report) == nil
          case .reading: false
          }
        }
      })
  }

  /// Hands in the payload of a report that a grid has two histories, and gives what became of it in
  /// its block, or why no block should carry it. Throws `busy` when reports come too often.
  package func submit(report payload: [UInt8]) async throws(NodeFailure) -> EntryResult {
    guard payload.count <= Limits.reportBytes, let report = try? HistoryReport(decoding: payload)
    else { return .refused(.malformed) }
    // Before the proof, which is dear.
    if let refusal = view.known(of: report).refusal { return .refused(refusal) }
    guard reports.withLock({ $0.admits(now: clock()) }) else {
      throw .busy("too many reports; try again in a moment")
    }
    let refusal = await VerifierThreads.run(isUrgent: true) { [view] in view.refusal(of: report) }
    if let refusal { return .refused(refusal) }
    return try await host.submit(
      proof: .report, SignedBytes(payload: payload, signature: .zero))
  }

  /// Submits signed commands, as `Microgrid.submit(commands:)`.
  package func submit(commands: [SignedBytes?]) async throws(NodeFailure) -> [EntryResult] {
    let view = self.view
    return try await host.submit(commands: commands) { view.refusal(of: $0) }
  }
}
