import Domain
import Foundation
import Testing
import intertie

@Suite("Days that were measured")
struct MeasuredDaysTests {
  /// Of the checkout that this was built in.
  private static let data = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Sources/intertie/Data").path

  private func sierra() throws -> MeasuredDays {
    try MeasuredDays.sierra(Self.data, name: "Sierra", homes: 0..<2)
  }

  private func london() throws -> MeasuredDays {
    try MeasuredDays.london(Self.data, name: "London", tariff: "dynamic")
  }

  @Test("London's week begins at its own midnight and is laid over the Monday of Sierra Crest")
  func laid() throws {
    let (sierra, london) = try (sierra(), london())
    // 22 April 2013 and 17 April 2017.
    #expect(london.start == 1_366_588_800 && sierra.start == 1_492_387_200)
    let laid = try london.laid(over: sierra)
    #expect(laid.start == sierra.start && laid.days == 7 && laid.intervals == 672)
    var tuesday = sierra
    tuesday.start += 86_400
    #expect(throws: (any Error).self) { try london.laid(over: tuesday) }
  }

  @Test("The dear evening is Tuesday's, 18:00 to 24:00 on London's clocks, at 67.20 p")
  func dear() throws {
    let london = try london()
    let dear = london.retail.indices.filter { london.retail[$0] == Price(1_008_000) }
    #expect(dear == Array(48 + 36..<48 + 48))
    #expect(!london.hasRoofs && london.homes.count == 8)
    // The file's first row of MAC000165, 0.319 kWh in the half hour.
    #expect(london.homes[0].consumed[0] == 319_000)
  }

  @Test("A step's net is split into quarters of an hour to the last mWh")
  func split() throws {
    let (sierra, london) = try (sierra(), london())
    #expect(sierra.parts == 4 && london.parts == 2)
    for measured in [sierra, london] {
      for step in 0..<48 {
        let parts = (0..<measured.parts).map {
          measured.flow(0, interval: step * measured.parts + $0)
        }
        let net = parts.reduce(Int64(0)) { $0 + $1.exported.raw - $1.imported.raw }
        #expect(net == measured.homes[0].generated[step] - measured.homes[0].consumed[step])
      }
    }
    #expect(sierra.first(2).intervals == 192 && sierra.first(2).homes[1].consumed.count == 48)
  }

  @Test("Every price is published half a day before its time, and none is changed in its hour")
  func tariffs() throws {
    let measured = try london().first(3)
    let plan = DemoPlan(
      measured, keys: DemoKeys(homes: measured.homes.map(\.name)),
      calendar: Calendar(origin: measured.start, wallOrigin: 0, rate: 1))
    var inForce = plan.genesis.tariff
    for interval in 0..<measured.intervals {
      let (day, slot) = (interval / 96, interval % 96)
      #expect(inForce.retail[slot] == measured.retail[interval / measured.parts])
      // From the next interval on.
      for hour in DemoPlan.publicationHours where slot == hour * 4 {
        let next = plan.tariff(day: day, hour: hour)
        // The one before may still be open.
        #expect(next.retail[slot - 1] == inForce.retail[slot - 1])
        inForce = next
      }
    }
  }
}
