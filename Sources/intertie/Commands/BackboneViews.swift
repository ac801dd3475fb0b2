import ArgumentParser
import Domain
import Foundation
import Wire

// What a node knows of the backbone.

extension BackboneCommand {
  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows the backbone: grids, reserves, lanes, lines, the last round.")
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let overview = try await address.connect { try await $0.overview() }
      if json {
        print(try overview.jsonString())
        return
      }
      for (name, value) in BackboneTexts.overview(overview) { StatusCommand.show(name, value) }
    }
  }

  struct Rounds: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists coupling rounds: each grid's price, flows, use of the lines, rent.",
      discussion: """
        A round is named by its interval. Prices of two grids differ by exactly the fee while \
        energy flows on a line between them that is not full; a full line earns the rest of the \
        difference as rent.
        """)
    @Option(help: "The first round. Default: the last twenty intervals.") var from: Int64?
    @Flag(help: "Go on as rounds close, until interrupted.") var watch = false
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON, a line for each round.") var json = false

    private static let page: UInt32 = 100

    func run() async throws {
      let (from, watch, json) = (from, watch, json)
      try await address.connect { connection in
        let seconds = max(1, try await connection.currentStatus().intervalS)
        let overview = try await connection.overview()
        let start = from ?? (overview.hasLastRound ? overview.lastRound.round - 19 : 0)
        var next = start
        while true {
          let rounds = try await connection.backbone.rounds(
            .with {
              $0.from = next
              $0.limit = Self.page
            }, options: NodeConnection.options
          ).rounds
          for round in rounds {
            if json {
              print(try round.jsonString())
            } else {
              for line in BackboneTexts.round(
                round, GridDirectory(overview), intervalSeconds: seconds)
              {
                print(line)
              }
            }
            next = round.round + 1
          }
          if rounds.count == Int(Self.page) { continue }
          guard watch else {
            if next == start, !json { print("no rounds from \(start) on") }
            return
          }
          fflush(nil)
          try await Task.sleep(for: .seconds(1))
        }
      }
    }
  }

  struct Withdrawals: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists money that left the grids and that the gateway has to pay out.")
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON, a line for each.") var json = false

    func run() async throws {
      let json = json
      try await address.connect { connection in
        let directory = try await connection.directory()
        var next: UInt64 = 0
        while true {
          let waiting = try await connection.backbone.withdrawals(
            .with { $0.from = next }, options: NodeConnection.options
          ).withdrawals
          for item in waiting {
            if json {
              print(try item.jsonString())
            } else {
              let account = PublicKey(item.account)?.text(as: .account) ?? "?"
              print(
                "\(item.withdrawal)  \(Amounts.text(micro: item.amount)) ¤  \(account)  of grid "
                  + directory.label(item.grid))
            }
            next = item.withdrawal + 1
          }
          if waiting.isEmpty {
            if next == 0, !json { print("no withdrawals are waiting") }
            return
          }
        }
      }
    }
  }
}
