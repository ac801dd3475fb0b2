import Domain
import Node
import Testing

/// When those whom an inbox has refused come again.
@Suite struct AppointmentsTests {
  private static let second: Int64 = 1_000_000

  @Test func whoIsRefusedAloneComesInASecond() {
    var appointments = Appointments()
    for time in [0, 3, 100] as [Int64] {
      #expect(appointments.give(10, room: 1000, at: time * Self.second) == 1000)
    }
  }

  /// Twice as fast as the chain works: of 1,000 a second, 2,000 come in each.
  @Test func theyFollowEachOther() {
    var appointments = Appointments()
    let times = (0..<600).map { _ in appointments.give(10, room: 1000, at: 0) }
    #expect(times == (0..<600).map { 1000 + 5 * Int64($0) })
    // A second later as many of them are left as were told to come later than that.
    #expect(appointments.give(10, room: 1000, at: Self.second) == 3000)
  }

  /// More than come in the longest time are spread over its end, and are forgotten with it.
  @Test func nobodyIsSentAwayForLong() {
    var appointments = Appointments()
    let longest = Limits.retryMilliseconds.upperBound
    let times = (0..<10_000).map { _ in appointments.give(10, room: 1000, at: 0) }
    #expect(times.max().map { $0 <= longest } == true)
    let late = times.suffix(8000)
    #expect(late.allSatisfy { $0 >= longest * 4 / 5 })
    #expect(Set(late).count > 100)
    #expect(appointments.give(10, room: 1000, at: 10 * Self.second) == 1000)
  }

  /// An inbox tells readings and commands apart: a flood of the one does not send the other away.
  @Test func readingsAndCommandsHaveTheirOwn() {
    let inbox = Inbox(size: InboxSize(first: 512, range: 512...512))
    let readings = Reservation(entries: 1024, bytes: 0, for: .readings)
    let commands = Reservation(entries: 1, bytes: 0, for: .commands)
    #expect(inbox.appointment(for: readings, at: 0) == 1000)
    #expect(inbox.appointment(for: readings, at: 0) == 2000)
    #expect(inbox.appointment(for: commands, at: 0) == 1000)
  }
}
