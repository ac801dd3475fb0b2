import Backbone
import Consensus
import Domain
import Logging

extension Microgrid {
  /// Keeps both chains, and carries packets between them, until `stop()`. Without its replica of
  /// the backbone the grid goes on: it trades locally, and what waits for the backbone waits.
  func runCoupled() async throws(NodeFailure) {
    let result: Result<Void, NodeFailure> = await withTaskGroup(
      of: Result<Void, NodeFailure>?.self
    ) { group in
      let (host, backbone, log) = (self.host, self.backbone, self.log)
      group.addTask {
        do throws(NodeFailure) {
          try await host.run()
          return .success(())
        } catch { return .failure(error) }
      }
      group.addTask {
        do throws(NodeFailure) { try await backbone?.host.run() } catch {
          // Where it cannot listen, whoever starts the node has to mend it.
          if case .invalid = error, backbone?.host.network?.port == nil { return .failure(error) }
          backbone?.view.fail(error)
          log.critical("without the backbone: \(error)")
        }
        return nil
      }
      for courier in couriers {
        group.addTask {
          await courier.run()
          return nil
        }
      }
      for await result in group {
        guard let result else { continue }
        host.stop()
        backbone?.host.stop()
        group.cancelAll()
        return result
      }
      return .success(())
    }
    try result.get()
  }

  /// From the grid to the backbone, and back.
  static func couriers(
    of grid: ChainHost<GridPublisher>, _ view: ReadView, _ backbone: BackboneNode, bells: [Bell],
    _ log: Logger
  ) -> [Courier] {
    let (node, id) = (grid.nodeKey, grid.chain)
    /// The grid's validators take turns in both directions, and who only follows comes last.
    let turn: @Sendable (UInt64) -> Int = { sequence in
      let validators = view.registry.validators
      guard let place = validators.firstIndex(of: node) else { return validators.count }
      let count = UInt64(validators.count)
      return Int((UInt64(place) + sequence) % count)
    }
    return [
      Courier(
        source: grid.packets, destination: backbone.host.chain,
        peers: PacketPeers(grid.network), sent: { view.lane?.sent ?? 0 },
        end: {
          backbone.view.core.grid(id).flatMap { record in
            record.isFrozen
              ? nil
              : LaneEnd(
                received: record.received, epoch: record.epoch, validators: record.validators)
          }
        }, turn: turn,
        submit: { delivery throws(NodeFailure) in
          try await backbone.host.submit(proof: .delivery, delivery)
        }, bell: bells[0], log: log),
      Courier(
        source: backbone.host.packets, destination: id,
        peers: PacketPeers(backbone.host.network),
        sent: { backbone.view.core.grid(id)?.sent ?? 0 },
        end: {
          view.lane.map {
            LaneEnd(received: $0.received, epoch: $0.epoch, validators: $0.validators)
          }
        }, turn: turn,
        submit: { delivery throws(NodeFailure) in
          try await grid.submit(proof: .delivery, delivery)
        },
        bell: bells[1], log: log),
    ]
  }
}

extension NodeConfiguration {
  /// How the node keeps the backbone's chain; nil for a grid of its own.
  func onBackbone() -> ChainConfiguration<BackboneGenesis>? {
    guard let backbone = genesis.backbone else { return nil }
    var configuration = ChainConfiguration<BackboneGenesis>(
      genesis: backbone, directory: directory + "/backbone", validatorKey: validatorKey,
      peers: backbonePeers, keepBlocks: keepBlocks, log: log, wall: wall)
    configuration.onPeerPort = onBackbonePort
    configuration.metrics = metrics
    return configuration
  }
}
