import Domain
import Foundation
import Ledger
import Logging
import Node
import ProcessSupport
import Storage
import TestSupport
import Testing

extension NodeProcessTests {
  /// The node under load, killed with SIGKILL at random moments and started again on what it left.
  /// INTERTIE_KILLS sets how often, INTERTIE_SEED what the run draws.
  struct KillTests {
    private static func environment(_ name: String) -> UInt64? {
      ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test func nothingAcknowledgedIsLostAndNothingIsAppliedTwice() async throws {
      let kills = Int(clamping: Self.environment("INTERTIE_KILLS") ?? 6)
      let seed = Self.environment("INTERTIE_SEED") ?? .random(in: 1...(.max))
      print("kill -9: seed \(seed), \(kills) kills")
      try await alone(90 + 6 * Double(kills), "the run of seed \(seed)") {
        try await Run(seed: seed).run(kills: max(1, kills))
      }
    }

    /// One run: load and killer together, then the reckoning.
    private struct Run: Sendable {
      let seed: UInt64
      let community: Community
      let folder: NodeFolder
      let beacon = Beacon()
      let notebook = Notebook()
      private let draws: SplitMix64

      init(seed: UInt64) throws {
        self.seed = seed
        var random = SplitMix64(seed: seed)
        community = try Community(meters: 40, random: &random)
        folder = try NodeFolder(community)
        draws = random
      }

      func run(kills: Int) async throws {
        let start = ContinuousClock.now
        async let clients: Void = Crowd(community, beacon, notebook).run(draws)
        var killer = Killer(
          folder: folder, beacon: beacon, notebook: notebook, random: SplitMix64(seed: ~seed))
        let last: LastWords
        do {
          try await killer.run(kills: kills)
          let node = try await killer.start()
          let place = try await saturate()
          beacon.finish(isDark: false)
          await clients
          last = try await end(node, at: place)
        } catch {
          beacon.finish(isDark: true)
          await clients
          throw error
        }
        let blocks: UInt64
        do { blocks = try await reckon(last, hasSnapshot: killer.hasSnapshot) } catch {
          throw Fault("seed \(seed), files kept in \(folder.path): \(error)")
        }
        folder.remove()
        let pages = notebook.pages
        let spent = ContinuousClock.now - start
        print(
          "kill -9: \(kills) kills (\(killer.early) during start-up), seed \(seed), "
            + "\(pages.readings.count) readings acknowledged "
            + "(\(pages.acknowledgedReadings) applied), \(pages.commands.count) commands "
            + "acknowledged (\(pages.learnt) learnt after a crash, \(pages.repeated) sent again, "
            + "\(pages.abandoned.count) given up, \(pages.replays) replays refused), "
            + "\(pages.early) early duplicates, "
            + "\(pages.breaks) connections broken, \(blocks) blocks, "
            + "\(killer.hasSnapshot ? "a" : "no") snapshot before the last kill, recovered at "
            + "heights \(killer.recovered), "
            + spent.formatted(.units(allowed: [.seconds], width: .narrow))
        )
      }

      /// What the last node said of itself before it was told to end.
      struct LastWords: Sendable {
        var height: UInt64
        var stateRoot: Digest
      }

      /// Lets the last node work until enough was acknowledged and two intervals were closed.
      private func saturate() async throws -> NodePlace {
        guard let place = await beacon.place() else { throw Fault("no node") }
        let first = try await place.connect { try await $0.current().nextClose }
        let deadline = Deadline(30)
        while true {
          let counts = notebook.counts
          let closed = try await place.connect { try await $0.current().nextClose } - first
          if counts.readings >= 500, counts.commands >= 100, closed >= 2 { return place }
          guard !deadline.isOver else {
            throw Fault("too little came through: \(counts), \(closed) closes")
          }
          try await Task.sleep(for: .milliseconds(50))
        }
      }

      /// Asks the node for its state and ends it in peace.
      private func end(_ node: NodeProcess, at place: NodePlace) async throws -> LastWords {
        let status = try await place.connect { try await $0.current() }
        node.signal(SIGTERM)
        #expect(try await node.end() == .exit(0), "\(folder.logTail)")
        guard let root = Digest(status.stateRoot) else { throw Fault("the status has no root") }
        return LastWords(height: status.height, stateRoot: root)
      }

      // MARK: The reckoning

      /// Holds the chain against what was acknowledged; the number of blocks.
      private func reckon(_ last: LastWords, hasSnapshot: Bool) async throws -> UInt64 {
        let pages = notebook.pages
        #expect(pages.faults.isEmpty, "seed \(seed): \(pages.faults.joined(separator: "\n"))")
        let grid = try await Microgrid.open(
          NodeConfiguration(
            genesis: community.genesis, directory: folder.data,
            validatorKey: community.validators[0],
            log: Logger(label: "crash") { _ in SwiftLogNoOpLogHandler() }))
        let tip = grid.view.tip
        let accounts = community.members.map { grid.view.account($0.publicKey)?.account }
        try grid.store.close()
        let store = try Store(path: folder.database, chain: community.chain)
        defer { try? store.close() }
        try store.checkInvariants()
        if hasSnapshot { #expect(try store.latestSnapshot() != nil, "no snapshot was kept") }
        let record = try ChainRecord(store, members: community.members, meters: community.meters)
        #expect(record.faults.isEmpty, "seed \(seed): \(record.faults.prefix(9))")
        let contradictions = record.contradictions(to: pages)
        #expect(
          contradictions.isEmpty,
          "seed \(seed): \(contradictions.count), such as \(contradictions.prefix(3))")
        let report = try await Audit(store: store, genesis: community.genesis).run { _, _ in }
        #expect(report.blocks == record.blocks && tip.height == record.blocks)
        #expect(report.stateRoot == "\(tip.stateRoot)", "audit and recovery differ, seed \(seed)")
        #expect(last.height <= tip.height && last.height >= notebook.highest)
        #expect(
          try store.block(at: last.height)?.head.stateRoot == last.stateRoot,
          "the running node told another root than the replay gives, seed \(seed)")
        try checkEnergy(store, held: report.held)
        checkPair(accounts, pages)
        return record.blocks
      }

      /// Interval by interval without a gap, each balanced to the milliwatt-hour; the sum is held.
      private func checkEnergy(_ store: Store, held: Int64) throws {
        let first = community.genesis.calendar.firstInterval
        let records = try store.intervals(
          from: first, through: first.advanced(by: 100_000), limit: 100_000)
        #expect(
          records.map(\.interval) == records.indices.map { first.advanced(by: Int64($0)) })
        #expect(records.allSatisfy { $0.balance.isBalanced }, "seed \(seed)")
        #expect(records.reduce(0) { $0 + $1.balance.stored.raw } == held)
        #expect(records.last?.held.raw == held)
        #expect(records.contains { $0.balance.generation > .zero }, "no energy was metered")
        #expect(records.contains { $0.late > 0 }, "no reading came late")
      }

      /// The pair's money by hand: what they began with, less what they were told they had sent,
      /// plus what the other was told it had sent.
      private func checkPair(_ accounts: [Account?], _ pages: Notebook.Pages) {
        var sent = [Int: Int64]()
        for command in pages.commands where command.receipt.rejection == nil {
          guard Community.pair.contains(command.name.member) else { continue }
          guard case .transfer(_, _, let amount) = command.body else { continue }
          sent[command.name.member, default: 0] += amount
        }
        let (a, b) = (Community.pair.lowerBound, Community.pair.upperBound - 1)
        for (member, other) in [(a, b), (b, a)] {
          let due = Community.pairMoney.raw - (sent[member] ?? 0) + (sent[other] ?? 0)
          #expect(accounts[member]?.money == Money(due), "member \(member), seed \(seed)")
          #expect(accounts[member]?.heldMoney == .zero)
          #expect((sent[member] ?? 0) > 0, "member \(member) sent nothing")
        }
      }
    }
  }
}
