import Domain
import Foundation
import Node
import Storage

/// The demonstration's nodes, each a process of its own, from their start to their end.
enum DemoNodes {
  /// Wall-clock seconds for starting nodes and registering everybody; when one is too short on a
  /// busy machine, the next is tried with new chains.
  static let leads: [Int64] = [6, 20, 60]
  static let tooBusy = CommandFailure("this machine is too busy to start its nodes in a minute")
  /// From an interval's end to its close, chain seconds: nearly another interval, in which readings
  /// arrive however busy the machine is.
  static let closeDelayAlone: Int64 = 840

  /// Starts a node for each plan with its files, runs `body` with a connection to each, in the same
  /// order, and stops them. Throws what `body` throws, or what is wrong with how a node ended.
  static func run<Result: Sendable>(
    _ plans: [DemoPlan], _ files: [NodeFiles],
    _ body: @escaping @Sendable ([NodeConnection]) async throws -> Result
  ) async throws -> Result {
    for (plan, files) in zip(plans, files) {
      try files.write(plan.genesis)
      if plan.isCoupled { try files.write(backbonePeers: []) }
    }
    var nodes: [NodeProcess] = []
    let result: Result
    do {
      for (plan, files) in zip(plans, files) {
        nodes.append(try NodeProcess(files, isCoupled: plan.isCoupled))
      }
      try await introduce(plans, nodes)
      var addresses: [NodeAddress] = []
      for node in nodes { addresses.append(try await node.address) }
      result = try await connect(addresses[...], [], body)
    } catch {
      let hasEnded = nodes.contains { !$0.isRunning }
      let faults = stop(nodes).joined(separator: "\n")
      if hasEnded { throw CommandFailure(faults.isEmpty ? "a node stopped by itself" : faults) }
      throw faults.isEmpty ? error : CommandFailure("\(error)\n\(faults)")
    }
    let faults = stop(nodes)
    guard faults.isEmpty else { throw CommandFailure(faults.joined(separator: "\n")) }
    return result
  }

  /// Tells the nodes of a backbone where the others are, once they listen.
  private static func introduce(_ plans: [DemoPlan], _ nodes: [NodeProcess]) async throws {
    var lines: [String] = []
    for (plan, node) in zip(plans, nodes) where plan.isCoupled {
      let key = plan.keys.node.publicKey.text(as: .node)
      lines.append("\(key) 127.0.0.1:\(try await node.backbonePort())")
    }
    for (place, node) in nodes.enumerated() where !lines.isEmpty {
      var others = lines
      others.remove(at: place)
      try node.files.write(backbonePeers: others)
    }
  }

  private static func connect<Result: Sendable>(
    _ addresses: ArraySlice<NodeAddress>, _ connections: [NodeConnection],
    _ body: @escaping @Sendable ([NodeConnection]) async throws -> Result
  ) async throws -> Result {
    guard let first = addresses.first else { return try await body(connections) }
    return try await first.connect { connection in
      try await connect(addresses.dropFirst(), connections + [connection], body)
    }
  }

  /// Asks all to end, then waits for each.
  private static func stop(_ nodes: [NodeProcess]) -> [String] {
    for node in nodes { node.terminate() }
    return nodes.compactMap { $0.stop() }
  }

  /// Replays the chain of a community by itself.
  static func audit(_ plan: DemoPlan, _ files: NodeFiles) async throws -> AuditReport {
    do {
      let store = try Store(path: files.data + "/chain.sqlite", chain: plan.genesis.chainID)
      defer { try? store.close() }
      return try await Audit(store: store, genesis: plan.genesis).run { _, _ in }
    } catch let failure as NodeFailure {
      throw CommandFailure("audit FAILED: \(failure)")
    } catch let failure as StorageFailure {
      throw CommandFailure("audit FAILED: \(failure)")
    }
  }
}
