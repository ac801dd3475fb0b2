import Domain
import Load
import Testing

@Suite struct LoadedGenesisTests {
  private func genesis() -> Genesis {
    let lead = LoadKeys.member(900, seed: 9).publicKey
    return Genesis(
      name: "trial", calendar: Domain.Calendar(origin: 1000, wallOrigin: 1000),
      parameters: Parameters(),
      roles: Roles(operator: lead, oracle: lead, gateway: lead, utility: lead, community: lead),
      validators: [lead],
      tariff: Tariff(
        retail: (0..<96).map { Price(300_000 + Int64($0)) },
        feedIn: (0..<96).map { _ in Price(100_000) }))
  }

  @Test func metersAndMembersAreInIt() async throws {
    let keys = await LoadKeys.derive(5, seed: 3)
    let loaded = try LoadedGenesis.make(from: genesis(), keys: keys, .init(), now: 77)
    #expect(loaded.faults.isEmpty)
    #expect(loaded.meters.map(\.id) == keys.meters.map(\.publicKey))
    #expect(loaded.meters.map(\.account) == keys.members.map(\.publicKey))
    #expect(loaded.accounts.allSatisfy { $0.money == Money(1_000_000_000) && $0.isMember })
    #expect(loaded.storage.map(\.capacity) == [Energy(5 * LoadLimits.storageOfMember)])
    #expect(loaded.calendar == genesis().calendar)
  }

  /// Intervals of a minute: each has the price that its time of day had.
  @Test func timeCanPassFaster() async throws {
    var settings = LoadedGenesis.Settings()
    settings.intervalSeconds = 60
    settings.rate = 60
    let keys = await LoadKeys.derive(1, seed: 3)
    let loaded = try LoadedGenesis.make(from: genesis(), keys: keys, settings, now: 77)
    #expect(loaded.faults.isEmpty)
    #expect(loaded.calendar.rate == 60 && loaded.calendar.intervalSeconds == 60)
    #expect(loaded.calendar.origin == 77 && loaded.calendar.wallOrigin == 77)
    #expect(loaded.tariff.retail.count == 1440)
    #expect(
      loaded.tariff.retail[14] == Price(300_000) && loaded.tariff.retail[15] == Price(300_001))
    settings.intervalSeconds = 61
    #expect(throws: LoadFailure.self) {
      try LoadedGenesis.make(from: genesis(), keys: keys, settings, now: 77)
    }
    settings.intervalSeconds = 86_400
    for rate: Int64 in [-1, 0, 1, 100_000, 100_001] {
      settings.rate = rate
      #expect(((try? settings.validate()) != nil) == (1...100_000).contains(rate), "\(rate)")
    }
  }

  @Test func itIsSaidWhatAChainAllows() async throws {
    var plain = genesis()
    let slow = LoadedGenesis.allowance(of: plain, meters: 9000)
    #expect(slow.hasPrefix("warning: ") && slow.contains("--chain-rate 60"))
    #expect(slow.contains("lasts 900 s") && slow.contains("9,000 meters have 10.0 first readings"))
    plain.calendar.intervalSeconds = 60
    plain.calendar.rate = 60
    let fast = LoadedGenesis.allowance(of: plain, meters: 9000)
    #expect(!fast.contains("warning") && fast.contains("lasts 1 s"))
    #expect(fast.contains("9,000 meters have 9,000 first readings a second"))
  }

  @Test func theSameMetersTwiceAreRefused() async throws {
    let keys = await LoadKeys.derive(2, seed: 3)
    let once = try LoadedGenesis.make(from: genesis(), keys: keys, .init(), now: 77)
    #expect(throws: LoadFailure.self) {
      try LoadedGenesis.make(from: once, keys: keys, .init(), now: 77)
    }
  }
}
