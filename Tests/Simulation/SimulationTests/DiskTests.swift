import Domain
import Foundation
import Simulation
import Storage
import Synchronization
import Testing

/// The simulated disk promises what the real one does: both are given the same batches, and have to
/// say the same.
@Suite struct DiskTests {
  @Test(arguments: [2, 9] as [UInt64])
  func theSimulatedDiskIsLikeTheStore(_ seed: UInt64) async throws {
    let folder = NSTemporaryDirectory() + "intertie-simulation-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var settings = RunSettings(validators: 4, seed: seed)
    settings.healSeconds = 60
    let run = Simulation(settings)
    var stores: [Int: Store] = [:]
    var failures: [String] = []
    var lives = 0
    func open(_ node: Int) throws -> Store {
      if let store = stores[node] { return store }
      lives += 1
      let store = try Store(path: "\(folder)/\(node)-\(lives).sqlite", chain: run.chain)
      stores[node] = store
      return store
    }
    run.mirror = { node, batch in
      do {
        guard let batch else {
          stores[node] = nil
          return
        }
        try open(node).commit(batch)
      } catch {
        failures.append("\(error)")
      }
    }
    await run.run()
    #expect(run.violation == nil)
    #expect(failures.isEmpty)
    #expect(stores.count >= 4)
    for (node, store) in stores { try compare(store, run.disk(of: node)) }
  }

  private func compare(_ store: Store, _ disk: some ChainStorage) throws {
    #expect(try store.journal() == disk.journal())
    let tip = try #require(try store.verifyChain())
    #expect(try disk.verifyChain(bodiesFrom: 1) == tip)
    let blocks = try store.blocks(from: 1, through: tip.height, limit: .max)
    #expect(try disk.blocks(from: 1, through: tip.height, limit: .max, bytes: .max) == blocks)
    #expect(
      try disk.blocks(from: 2, through: 9, limit: 3, bytes: 1)
        == store.blocks(
          from: 2, through: 9, limit: 3, bytes: 1))
    #expect(try store.headers(from: 3, limit: 5) == disk.headers(from: 3, limit: 5))
    #expect(
      try store.latestSnapshot() == disk.latestSnapshot(notAbove: .max))
    #expect(try store.latestInterval() == disk.latestInterval())
    for height in 0...tip.height {
      #expect(try store.attesting(height: height) == disk.attesting(height: height))
      #expect(
        try store.finalization(atOrAbove: height, limit: 20)
          == disk.finalization(atOrAbove: height, limit: 20))
    }
    let (real, simulated) = (try store.counts(), try disk.counts())
    #expect(real.height == simulated.height && real.totals == simulated.totals)
    #expect(real.corrections == simulated.corrections && real.intervals == simulated.intervals)
  }
}
