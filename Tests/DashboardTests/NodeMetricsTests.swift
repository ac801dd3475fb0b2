import Backbone
import Domain
import Node
import Testing

/// What a running node counts, against what was done to it.
@Suite struct NodeMetricsTests {
  /// Waits for `condition`, which another task makes true; records an issue after a minute.
  private func eventually(_ what: Comment, _ condition: () -> Bool) async throws {
    for _ in 0..<12_000 {
      if condition() { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record(what)
  }

  @Test func readingsCommandsTradesAndRejectionsAreCounted() async throws {
    let test = MeasuredGrid(hasBackbone: false)
    let first = test.genesis.calendar.firstInterval
    try await test.running { grid in
      let before = test.samples(of: grid)
      #expect(before["intertie_readings_total{chain=\"grid\"}"] == "0")
      // Not known before the first interval is final.
      #expect(before["intertie_price_per_kwh{kind=\"retail\"}"] == nil)

      test.set(seconds: test.genesis.calendar.end(of: first).seconds + 1)
      var forged = test.reading(0, first, exported: 1, imported: 0)
      forged.signature.s.w3 ^= 1
      let readings = try await grid.submit(readings: [
        test.reading(0, first, exported: 800_000, imported: 0),
        test.reading(1, first, exported: 0, imported: 300_000), forged, nil,
      ])
      #expect(readings.map(\.receipt.rejection) == [nil, nil, .badSignature, .malformed])
      let order = OrderRequest(
        side: .sell, wattHours: 100, limit: Price(200_000), timeInForce: .goodTillCancelled)
      let commands = try await grid.submit(commands: [
        test.command(.place(order), by: test.homes[0], 1),
        test.command(.redeem(amount: Money(9_000_000)), by: test.homes[1], 1),
      ])
      #expect(commands.map(\.receipt.rejection) == [nil, .insufficientFunds])
      test.set(seconds: test.genesis.calendar.close(of: first).seconds + 1)
      try await eventually("the interval is final and counted") {
        test.samples(of: grid)["intertie_intervals_total{chain=\"grid\"}"] == "1"
      }
      #expect(grid.view.lastInterval?.interval == first)
      check(test.samples(of: grid), grid)
    }
  }

  private func check(_ after: Samples, _ grid: Microgrid) {
    #expect(after["intertie_readings_total{chain=\"grid\"}"] == "2")
    #expect(after["intertie_commands_total{chain=\"grid\"}"] == "2")
    #expect(after["intertie_orders_total{chain=\"grid\"}"] == "1")
    func rejections(_ stage: String, _ reason: String) -> String? {
      after["intertie_rejections_total{chain=\"grid\",stage=\"\(stage)\",reason=\"\(reason)\"}"]
    }
    #expect(rejections("admission", "badSignature") == "1")
    #expect(rejections("admission", "malformed") == "1")
    #expect(rejections("block", "insufficientFunds") == "1")
    #expect(rejections("block", "badSignature") == "0")
    let tip = "\(grid.view.tip.height)"
    #expect(after["intertie_height{chain=\"grid\"}"] == tip)
    #expect(after["intertie_blocks_total{chain=\"grid\"}"] == tip)
    #expect(after["intertie_finality_seconds_count{chain=\"grid\"}"] == tip)
    #expect(after["intertie_block_entries_sum{chain=\"grid\"}"] == "4")
    #expect(after["intertie_submit_seconds_count{chain=\"grid\"}"] == "2")
    for part in ["commit", "sync"] {
      #expect(after["intertie_\(part)_seconds_count{chain=\"grid\"}"] != "0")
    }
    #expect(
      after["intertie_commit_seconds_count{chain=\"grid\"}"]
        == after["intertie_sync_seconds_count{chain=\"grid\"}"])
    #expect(after["intertie_close_seconds_count{chain=\"grid\"}"] == "1")
    #expect(after["intertie_intervals_total{chain=\"grid\"}"] == "1")
    #expect(after["intertie_trades_total{chain=\"grid\"}"] == "\(grid.view.counters.trades)")
    // 800,000 and 300,000 mWh; a mWh is 3.6 J.
    #expect(after["intertie_energy_joules_total{flow=\"generated\"}"] == "2880000")
    #expect(after["intertie_energy_joules_total{flow=\"consumed\"}"] == "1080000")
    #expect(after["intertie_price_per_kwh{kind=\"retail\"}"] == "0.3")
    #expect(after["intertie_price_per_kwh{kind=\"feed_in\"}"] == "0.1")
    #expect(after["intertie_price_per_kwh{kind=\"coupling\"}"] == nil)
    #expect(after["intertie_ready{chain=\"grid\"}"] == "1")
    #expect(after["intertie_halted{chain=\"grid\"}"] == "0")
    #expect(after["intertie_inbox_entries{chain=\"grid\"}"] == "0")
    #expect(after["intertie_pool_entries{chain=\"grid\"}"] == "0")
    #expect(after["intertie_meters"] == "2")
    #expect(after["intertie_build_info{version=\"\(Microgrid.version)\"}"] == "1")
  }

  /// A node with a backbone shows every metric of the table and no other.
  @Test func bothChainsAndTheLaneAreCounted() async throws {
    let test = MeasuredGrid()
    let first = test.genesis.calendar.firstInterval
    try await test.running { grid in
      let backbone = try #require(grid.backbone)
      let led = try await test.lead(
        grid,
        [
          .register(try GridRegistration(of: test.genesis, on: backbone.genesis.chainID)),
          .issue(test.genesis.chainID, to: test.homes[0].publicKey, amount: Money(5_000_000)),
        ])
      #expect(led.map(\.receipt) == [.applied, .applied])
      try await eventually("the money is there") {
        grid.view.account(test.homes[0].publicKey)?.account.money == Money(5_000_000)
      }
      test.set(seconds: test.genesis.calendar.end(of: first).seconds + 1)
      _ = try await grid.submit(readings: [
        test.reading(0, first, exported: 0, imported: 300_000)
      ])
      test.set(seconds: test.genesis.calendar.close(of: first).seconds + 1)
      try await eventually("the interval is final, its packets are executed") {
        grid.view.lastInterval?.interval == first
          && grid.view.lane?.acknowledged == grid.view.lane?.sent
      }
      let samples = test.samples(of: grid)
      #expect(samples.families == Set(MetricTable.rows.map(\.name)))
      #expect(test.registry.undeclared.isEmpty)
      let lane = try #require(grid.view.lane)
      #expect(samples["intertie_packets_sent_total{chain=\"grid\"}"] == "\(lane.sent)")
      #expect(samples["intertie_packets_executed_total{chain=\"grid\"}"] == "\(lane.received)")
      #expect(samples["intertie_packets_waiting{chain=\"grid\"}"] == "0")
      #expect(samples["intertie_grids"] == "1")
      #expect(samples["intertie_grids_frozen"] == "0")
      #expect(samples["intertie_commands_total{chain=\"backbone\"}"] == "2")
      #expect(samples["intertie_coupling_rounds_total{chain=\"backbone\"}"] == "1")
      #expect(samples["intertie_ready{chain=\"backbone\"}"] == "1")
      #expect(samples["intertie_height{chain=\"backbone\"}"] == "\(backbone.view.tip.height)")
    }
  }

  /// Asking twice counts nothing twice.
  @Test func whatIsLookedUpIsNotCountedTwice() async throws {
    let test = MeasuredGrid()
    try await test.running { grid in
      let backbone = try #require(grid.backbone)
      _ = try await test.lead(
        grid,
        [
          .register(try GridRegistration(of: test.genesis, on: backbone.genesis.chainID)),
          .issue(test.genesis.chainID, to: test.homes[0].publicKey, amount: Money(1)),
        ])
      try await eventually("the money is there") {
        grid.view.account(test.homes[0].publicKey)?.account.money == Money(1)
      }
      let lane = try #require(grid.view.lane)
      for _ in 0..<3 {
        let samples = test.samples(of: grid)
        #expect(samples["intertie_packets_executed_total{chain=\"grid\"}"] == "\(lane.received)")
      }
    }
  }
}
