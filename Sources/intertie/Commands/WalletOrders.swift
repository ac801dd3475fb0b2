import ArgumentParser
import Domain
import Foundation
import GRPCCore
import Wire

extension WalletCommand {
  struct Order: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "order", abstract: "Places, changes, cancels and lists orders.",
      subcommands: [Place.self, Cancel.self, Replace.self, List.self])

    enum SideName: String, ExpressibleByArgument, CaseIterable {
      case buy, sell
      var side: Side { self == .buy ? .buy : .sell }
    }

    enum Duration: String, ExpressibleByArgument, CaseIterable {
      case gtc, ioc, fok
    }

    struct Place: AsyncParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Places a limit order.")
      @Argument(help: "buy or sell.") var side: SideName
      @Argument(help: "Energy in kWh, to the watt-hour.") var energy: String
      @Argument(help: "Worst price, ¤ per kWh.") var limit: String
      @Option(help: "gtc (till cancelled), ioc (immediate or cancel), fok (fill or kill).")
      var duration = Duration.gtc
      @Option(help: "Good till the close of this interval (its index) instead.")
      var untilInterval: Int64?
      @OptionGroup var submission: Submission

      func run() async throws {
        let time: TimeInForce
        switch (untilInterval, duration) {
        case (let index?, _): time = .goodTillInterval(Interval(index))
        case (nil, .gtc): time = .goodTillCancelled
        case (nil, .ioc): time = .immediateOrCancel
        case (nil, .fok): time = .fillOrKill
        }
        try await submission.submit(
          .place(
            OrderRequest(
              side: side.side, wattHours: try Order.wattHours(energy),
              limit: Price(try Amounts.argument(limit, "the price")), timeInForce: time)))
      }
    }

    struct Cancel: AsyncParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Cancels an order.")
      @Argument(help: "The order's number.") var order: UInt64
      @OptionGroup var submission: Submission

      func run() async throws { try await submission.submit(.cancel(OrderID(order))) }
    }

    struct Replace: AsyncParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Changes an order; it keeps its place only if just its energy falls.")
      @Argument(help: "The order's number.") var order: UInt64
      @Argument(help: "New energy in kWh.") var energy: String
      @Argument(help: "New price, ¤ per kWh.") var limit: String
      @OptionGroup var submission: Submission

      func run() async throws {
        try await submission.submit(
          .replace(
            OrderID(order), wattHours: try Order.wattHours(energy),
            limit: Price(try Amounts.argument(limit, "the price"))))
      }
    }

    struct List: AsyncParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Lists an account's open orders.")
      @OptionGroup var viewed: ViewedAccount
      @OptionGroup var address: NodeAddress
      @Flag(help: "Print JSON.") var json = false

      func run() async throws {
        let key = try viewed.publicKey()
        let response = try await address.connect { connection in
          try await connection.market.orders(
            .with { $0.account = key.data }, options: NodeConnection.options)
        }
        if json {
          print(try response.jsonString())
          return
        }
        if response.orders.isEmpty { print("no open orders") }
        for order in response.orders {
          print(
            "\(order.order)  \(order.side == .buy ? "buy " : "sell")  "
              + "\(Amounts.text(micro: order.remainingWh * 1000, decimals: 3)) kWh  at "
              + "\(Amounts.text(micro: order.limitPrice)) ¤/kWh, executable "
              + "\(Amounts.text(micro: order.executableWh * 1000, decimals: 3)) kWh"
              + (order.frozenWh == 0
                ? ""
                : ", in a coupling round "
                  + "\(Amounts.text(micro: order.frozenWh * 1000, decimals: 3)) kWh"))
        }
      }
    }

    /// Whole watt-hours of a figure in kWh.
    static func wattHours(_ text: String) throws -> Int64 {
      let micro = try Amounts.argument(text, "the energy")
      guard micro % 1000 == 0 else {
        throw ValidationError("orders are in whole watt-hours: at most three decimals of a kWh")
      }
      return micro / 1000
    }
  }

  struct Agent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sets or clears the account's automatic trading at each close.",
      discussion: """
        Above --high the excess is offered at --sell; below --low the gap is bid for at --buy. \
        Without a price that side stays off; without any the agent is cleared.
        """)
    @Option(help: "Buying price, ¤ per kWh.") var buy: String?
    @Option(help: "Selling price, ¤ per kWh.") var sell: String?
    @Option(help: "Lower threshold, kWh.") var low = "0"
    @Option(help: "Upper threshold, kWh; by default the lower one.") var high: String?
    @OptionGroup var submission: Submission

    func run() async throws {
      func price(_ text: String?) throws -> Price? {
        try text.map { Price(try Amounts.argument($0, "a price")) }
      }
      let settings = AgentSettings(
        buyPrice: try price(buy), sellPrice: try price(sell),
        low: Energy(try Amounts.argument(low, "--low")),
        high: Energy(try Amounts.argument(high ?? low, "--high")))
      let isCleared = settings.buyPrice == nil && settings.sellPrice == nil
      try await submission.submit(.setAgent(isCleared ? nil : settings))
    }
  }

  struct Book: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows the order book.")
    @OptionGroup var address: NodeAddress
    @Option(help: "Levels a side, 1 to 50.") var levels: UInt32 = 10
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let wanted = levels
      let book = try await address.connect { connection in
        try await connection.market.book(
          .with { $0.levels = wanted }, options: NodeConnection.options)
      }
      if json {
        print(try book.jsonString())
        return
      }
      func row(_ level: Intertie_V1_BookLevel) -> String {
        "  \(Amounts.text(micro: level.price)) ¤/kWh  "
          + "\(Amounts.text(micro: level.totalWh * 1000, decimals: 3)) kWh, executable "
          + "\(Amounts.text(micro: level.executableWh * 1000, decimals: 3)), "
          + "\(level.orders) orders"
      }
      print("asks")
      for level in book.asks.reversed() { print(row(level)) }
      print("bids")
      for level in book.bids { print(row(level)) }
      if book.hasLastPrice { print("last trade  \(Amounts.text(micro: book.lastPrice)) ¤/kWh") }
      if book.hasReferencePrice {
        print("reference   \(Amounts.text(micro: book.referencePrice)) ¤/kWh")
      }
      print("fees        maker \(book.makerFeePermille) ‰, taker \(book.takerFeePermille) ‰")
    }
  }
}
