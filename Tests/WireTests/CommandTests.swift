import Domain
import SwiftProtobuf
import TestSupport
import Testing
import Wire

@Suite struct CommandTests {
  @Test(arguments: Sample.bodies)
  func roundTrip(_ body: CommandBody) throws {
    let command = Sample.command(body)
    let payload = WireCommand.payload(of: command)
    #expect(payload.count <= Limits.commandBytes)
    #expect(try WireCommand.parse(payload) == command)
  }

  @Test func samplesHaveEveryBody() {
    var kinds: Set<String> = []
    for body in Sample.bodies {
      // Exhaustive, so that a new case does not go untested.
      switch body {
      case .transfer: kinds.insert("transfer")
      case .transferAbroad: kinds.insert("transferAbroad")
      case .place: kinds.insert("place")
      case .cancel: kinds.insert("cancel")
      case .replace: kinds.insert("replace")
      case .setAgent: kinds.insert("setAgent")
      case .admitMember: kinds.insert("admitMember")
      case .registerMeter: kinds.insert("registerMeter")
      case .retireMeter: kinds.insert("retireMeter")
      case .registerStorage: kinds.insert("registerStorage")
      case .publishTariff: kinds.insert("publishTariff")
      case .setUtility: kinds.insert("setUtility")
      case .issue: kinds.insert("issue")
      case .redeem: kinds.insert("redeem")
      case .proposeValidators: kinds.insert("proposeValidators")
      case .acceptValidators: kinds.insert("acceptValidators")
      case .backbone(let body):
        switch body {
        case .register: kinds.insert("register")
        case .putLine: kinds.insert("putLine")
        case .rate: kinds.insert("rate")
        case .grant: kinds.insert("grant")
        case .setFee: kinds.insert("setFee")
        case .issue: kinds.insert("issue on a grid")
        case .payOut: kinds.insert("payOut")
        case .pay: kinds.insert("pay")
        }
      }
    }
    #expect(kinds.count == 24)
  }

  @Test(
    arguments: [
      .transfer(to: Sample.other, asset: .money, amount: 0),
      .transfer(to: Sample.other, asset: .money, amount: -1),
      .transfer(to: Sample.other, asset: .money, amount: Limits.amount + 1),
      .place(OrderRequest(side: .buy, wattHours: 0, limit: Price(1), timeInForce: .fillOrKill)),
      .place(OrderRequest(side: .buy, wattHours: -1, limit: Price(1), timeInForce: .fillOrKill)),
      .place(
        OrderRequest(
          side: .buy, wattHours: Limits.orderWattHours + 1, limit: Price(1),
          timeInForce: .fillOrKill)),
      .place(OrderRequest(side: .buy, wattHours: 1, limit: Price(0), timeInForce: .fillOrKill)),
      .place(
        OrderRequest(
          side: .buy, wattHours: 1, limit: Price(Limits.price + 1), timeInForce: .fillOrKill)),
      .place(
        OrderRequest(
          side: .buy, wattHours: 1, limit: Price(1), timeInForce: .goodTillInterval(Interval(-1)))),
      .place(
        OrderRequest(
          side: .buy, wattHours: 1, limit: Price(1), timeInForce: .goodTillInterval(Interval(.max)))
      ),
      .cancel(OrderID(0)),
      .replace(OrderID(0), wattHours: 1, limit: Price(1)),
      .replace(OrderID(1), wattHours: 0, limit: Price(1)),
      .replace(OrderID(1), wattHours: 1, limit: Price(0)),
      .setAgent(
        AgentSettings(buyPrice: Price(-1), sellPrice: nil, low: .zero, high: .zero)),
      .setAgent(
        AgentSettings(buyPrice: nil, sellPrice: Price(Limits.price + 1), low: .zero, high: .zero)),
      .setAgent(AgentSettings(buyPrice: nil, sellPrice: nil, low: Energy(-1), high: .zero)),
      .setAgent(AgentSettings(buyPrice: nil, sellPrice: nil, low: Energy(2), high: Energy(1))),
      .setAgent(
        AgentSettings(buyPrice: nil, sellPrice: nil, low: .zero, high: Energy(Limits.amount + 1))),
      .registerMeter(Sample.key, account: Sample.other, maximumPower: Power(0), isClean: true),
      .registerMeter(
        Sample.key, account: Sample.other, maximumPower: Power(Limits.meterPower + 1), isClean: true
      ),
      .registerStorage(unit: 1, owner: Sample.other, capacity: Energy(-1), power: Power(0)),
      .registerStorage(
        unit: 1, owner: Sample.other, capacity: Energy(Limits.storageCapacity + 1),
        power: Power(0)),
      .registerStorage(unit: 1, owner: Sample.other, capacity: .zero, power: Power(-1)),
      .registerStorage(
        unit: 1, owner: Sample.other, capacity: .zero, power: Power(Limits.storagePower + 1)),
      .publishTariff(Tariff(retail: [], feedIn: [])),
      .publishTariff(Tariff(retail: [Price(1)], feedIn: [])),
      .publishTariff(Tariff(retail: [Price(1)], feedIn: [Price(2)])),
      .publishTariff(Tariff(retail: [Price(1)], feedIn: [Price(-1)])),
      .publishTariff(Tariff(retail: [Price(Limits.price + 1)], feedIn: [Price(1)])),
      .issue(to: Sample.other, amount: Money(0)),
      .issue(to: Sample.other, amount: Money(Limits.amount + 1)),
      .redeem(amount: Money(0)), .redeem(amount: Money(-1)),
      .transferAbroad(grid: .zero, to: Sample.other, asset: .money, amount: 0, deadline: 1),
      .transferAbroad(
        grid: .zero, to: Sample.other, asset: .tsl, amount: Limits.amount + 1, deadline: 1),
      .transferAbroad(grid: .zero, to: Sample.other, asset: .watt, amount: 1, deadline: 1),
      .proposeValidators([]), .proposeValidators([Sample.key, Sample.other, Sample.key]),
      .proposeValidators(Sample.keys(Limits.validators + 1)),
      .proposeValidators([Sample.key, PublicKey(.zero)]),
    ] as [CommandBody])
  func outOfRange(_ body: CommandBody) {
    #expect(throws: Rejection.malformed) {
      try WireCommand.parse(WireCommand.payload(of: Sample.command(body)))
    }
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var change: @Sendable (inout Intertie_V1_Command) -> Void

    init(_ name: String, _ change: @escaping @Sendable (inout Intertie_V1_Command) -> Void) {
      testDescription = name
      self.change = change
    }
  }

  @Test(arguments: [
    Row("no body") { $0.body = nil },
    Row("chain id of 31 bytes") { $0.chainID.removeLast() },
    Row("signer of 33 bytes") { $0.signer.append(0) },
    Row("no signer") { $0.signer = .init() },
    Row("sequence 0") { $0.sequence = 0 },
    Row("sequence 2^63") { $0.sequence = 1 << 63 },
    Row("negative expiry") { $0.expiresUs = -1 },
    Row("no asset") { $0.transfer.asset = .unspecified },
    Row("unknown asset") { $0.transfer.asset = .UNRECOGNIZED(5) },
    Row("receiver of 31 bytes") { $0.transfer.to.removeLast() },
    Row("no side") {
      $0.place = .with {
        $0.timeInForce = .fillOrKill; $0.wattHours = 1; $0.limitPrice = 1
      }
    },
    Row("unknown side") {
      $0.place = .with {
        $0.side = .UNRECOGNIZED(3)
        $0.timeInForce = .fillOrKill
        $0.wattHours = 1
        $0.limitPrice = 1
      }
    },
    Row("no time in force") {
      $0.place = .with {
        $0.side = .buy; $0.wattHours = 1; $0.limitPrice = 1
      }
    },
    Row("an interval that does not belong") {
      $0.place = .with {
        $0.side = .buy
        $0.timeInForce = .fillOrKill
        $0.wattHours = 1
        $0.limitPrice = 1
        $0.interval = 1
      }
    },
    Row("a grid without a name") {
      $0.registerGrid = .with {
        $0.grid = Sample.chain.data
        $0.operator = Sample.other.data
        $0.validators = [Sample.key.data]
      }
    },
    Row("a grid whose name is two lines") {
      $0.registerGrid = .with {
        $0.grid = Sample.chain.data
        $0.name = "Elm\nOak"
        $0.operator = Sample.other.data
        $0.validators = [Sample.key.data]
      }
    },
    Row("validator of 31 bytes") {
      $0.proposeValidators = .with {
        $0.validators = [Sample.key.data, Sample.other.data.dropLast()]
      }
    },
    Row("proposal of 33 bytes") {
      $0.acceptValidators = .with { $0.proposal = Sample.chain.data + [0] }
    },
    Row("no proposal") { $0.acceptValidators = .init() },
    Row("member of 31 bytes") {
      $0.admitMember = .with { $0.account = Sample.key.data.dropLast() }
    },
  ])
  func malformed(_ row: Row) throws {
    var message = Intertie_V1_Command()
    message.chainID = Sample.chain.data
    message.signer = Sample.key.data
    message.sequence = 1
    message.transfer = .with {
      $0.to = Sample.other.data
      $0.asset = .money
      $0.amount = 1
    }
    let good: [UInt8] = try message.serializedBytes()
    #expect(try WireCommand.parse(good).sequence == 1)
    row.change(&message)
    let bad: [UInt8] = try message.serializedBytes()
    #expect(throws: Rejection.malformed) { try WireCommand.parse(bad) }
  }

  /// The largest set leaves most of a command's bytes unused.
  @Test func everySetFits() {
    let body = CommandBody.proposeValidators(Sample.keys(Limits.validators))
    let payload = WireCommand.payload(of: Sample.command(body))
    #expect(payload.count < Limits.commandBytes / 4)
  }

  @Test func longestPayload() throws {
    let payload = WireCommand.payload(of: Sample.command(.redeem(amount: Money(1))))
    func filled(_ count: Int) -> [UInt8] {
      payload + varint(99 << 3 | 2) + varint(UInt64(count)) + Array(repeating: 0, count: count)
    }
    // The filling's own head: two bytes of tag, two or three of length.
    let room = Limits.commandBytes - payload.count - 4
    #expect(filled(room).count == Limits.commandBytes)
    #expect(try WireCommand.parse(filled(room)).body == .redeem(amount: Money(1)))
    #expect(throws: Rejection.malformed) { try WireCommand.parse(filled(room + 1)) }
  }

  /// What parses is in range and comes back as itself; what does not is malformed.
  @Test(arguments: [UInt64(17), 19, 23])
  func mutations(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let payloads = Sample.bodies.map { WireCommand.payload(of: Sample.command($0)) }
    var accepted = 0
    for round in 0..<2000 {
      let payload =
        round % 4 == 0
        ? Sample.bytes(Int.random(in: 0...300, using: &random), &random)
        : mutated(payloads.randomElement(using: &random)!, &random)
      do {
        let command = try WireCommand.parse(payload)
        #expect(
          try WireCommand.parse(WireCommand.payload(of: command)) == command,
          "seed \(seed), round \(round)")
        accepted += 1
      } catch {
        #expect(error == .malformed, "seed \(seed), round \(round)")
      }
    }
    #expect((100...1900).contains(accepted), "seed \(seed)")
  }
}
