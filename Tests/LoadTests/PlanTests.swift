import Domain
import Load
import TestSupport
import Testing

@Suite struct LoadMixTests {
  @Test func weightsBecomeShares() throws {
    let mix = try LoadMix("readings=90,orders=8,transfers=1.5,cross=0.5")
    #expect(mix[.reading] == 0.9 && mix[.order] == 0.08)
    #expect(abs(mix[.transfer] - 0.015) < 1e-12 && abs(mix[.cross] - 0.005) < 1e-12)
    #expect(abs(mix.commands - 0.1) < 1e-12)
    #expect(try LoadMix("orders=3, readings=1")[.order] == 0.75)
    #expect(try LoadMix("readings=100") == .readings)
  }

  @Test(arguments: [
    "", "readings", "readings=", "readings=-1", "readings=0", "readings=nan", "sheep=1",
    "readings=1,,orders=1", "readings=1=2", "orders=inf",
    "readings=1,readings=2", "readings=1,orders=0,orders=0",
  ])
  func whatIsNoMixIsRefused(_ text: String) {
    #expect(throws: LoadFailure.self) { try LoadMix(text) }
  }

  /// However many there are, each kind has its share to within a few.
  @Test(arguments: [0.0, 0.3, 0.999])
  func turnsKeepTheShares(start: Double) throws {
    let mix = try LoadMix("readings=90,orders=7,transfers=2,cross=1")
    var turns = KindTurns(mix, from: start)
    var counts = [ItemKind: Int]()
    for number in 1...5000 {
      counts[turns.next(), default: 0] += 1
      for kind in [ItemKind.order, .transfer, .cross] {
        let wanted = Double(number) * mix[kind] / mix.commands
        try #require(abs(Double(counts[kind, default: 0]) - wanted) < 4)
      }
    }
    #expect(counts[.reading] == nil)
  }

  @Test func whatWasNotSentIsDividedByTheMix() throws {
    let mix = try LoadMix("readings=50,orders=20,transfers=20,cross=10")
    #expect(mix.divide(commands: 10) == [.order: 4, .transfer: 4, .cross: 2])
    for count in 0...20 {
      let parts = mix.divide(commands: count)
      #expect(parts.values.reduce(0, +) == count && parts.values.allSatisfy { $0 >= 0 })
    }
    #expect(LoadMix.readings.divide(commands: 0).isEmpty)
  }

  @Test func drawsOfCommandsFollowTheShares() throws {
    let mix = try LoadMix("readings=50,orders=25,transfers=15,cross=10")
    var random = SplitMix64(seed: 7)
    var counts = [ItemKind: Int]()
    for _ in 0..<20_000 {
      counts[mix.command(for: Double(random.below(1 << 20)) / 1_048_576), default: 0] += 1
    }
    #expect(counts[.reading] == nil)
    #expect((9600...10_400).contains(counts[.order] ?? 0))
    #expect((5600...6400).contains(counts[.transfer] ?? 0))
    #expect((3600...4400).contains(counts[.cross] ?? 0))
    // Where rounding leads beyond the last share, no kind appears that the mix has not.
    #expect(try LoadMix("readings=1,orders=1").command(for: 0.999999999999) == .order)
    #expect(try LoadMix("readings=1,transfers=1").command(for: 0.999999999999) == .transfer)
  }
}

@Suite struct LoadPlanTests {
  @Test func metersAreSharedByGridsAndConnections() {
    var plan = LoadPlan()
    plan.meters = 10
    #expect(plan.meters(ofEach: 4) == [3, 3, 2, 2])
    #expect(LoadPlan.numbers(7, on: 0, of: 3) == [0, 3, 6])
    #expect(LoadPlan.numbers(7, on: 2, of: 3) == [2, 5])
  }

  @Test func whatIsOutOfRangeIsRefused() throws {
    try LoadPlan().validate()
    let changes: [(inout LoadPlan) -> Void] = [
      { $0.meters = 0 }, { $0.connections = 0 }, { $0.connections = 257 }, { $0.seconds = 0 },
      { $0.retries = -1 }, { $0.batch = 0 }, { $0.batch = Limits.readingsPerMessage + 1 },
      { $0.commandsPerCall = 0 }, { $0.gather = -1 }, { $0.grace = -1 }, { $0.funds = 0 },
      { $0.pace = .open(perSecond: 0) }, { $0.pace = .open(perSecond: .infinity) },
    ]
    for change in changes {
      var plan = LoadPlan()
      change(&plan)
      #expect(throws: LoadFailure.self) { try plan.validate() }
    }
  }

  @Test func keysFollowFromTheSeed() async {
    let keys = await LoadKeys.derive(1100, seed: 5)
    #expect(keys.meters.count == 1100 && keys.members.count == 1100)
    // In order, whichever piece was ready first.
    for number in [0, 511, 512, 1099] {
      #expect(keys.meters[number].seed == LoadKeys.meter(number, seed: 5).seed)
      #expect(keys.members[number].seed == LoadKeys.member(number, seed: 5).seed)
    }
    let all = Set((keys.meters + keys.members).map(\.publicKey))
    #expect(all.count == 2200)
    #expect(!all.contains(LoadKeys.meter(0, seed: 6).publicKey))
  }
}
