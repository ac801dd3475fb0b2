import Domain

/// Every bound of a load run, by name.
package enum LoadLimits {
  /// Simulated meters, all grids together.
  package static let meters = 1...Limits.meters
  /// Connections, all nodes together.
  package static let connections = 1...256
  /// Seconds of load.
  package static let seconds = 1...86_400
  /// Items a second that may be asked for.
  package static let rate = 0.001...10_000_000
  /// Times that one item is sent again at most.
  package static let retries = 0...1000
  /// Batches of readings without an answer on one connection, beyond which it waits: a node takes
  /// two at a time from a stream, and these two keep it supplied.
  package static let batchesUnderWay = 4
  /// Calls without an answer on one connection, since a node allows 256 streams on each, and on all
  /// together, since each keeps about 50 kB here.
  package static let callsOfConnection = 192
  package static let callsUnderWay = 12_288
  /// How far the sequences of one member's commands that are under way may be apart: half of the
  /// window within which they may overtake each other.
  package static let commandsOfMember = Int(SequenceWindow.width) / 2
  /// Commands in one submission while members and meters are enrolled.
  package static let enrolledTogether = Limits.commandsPerSubmission
  /// Orders that a member leaves in the book; when it has these, it cancels the oldest.
  package static let ordersOfMember = 8
  /// Members of a grid that send money abroad, and that receive it: their histories are read at
  /// the end.
  package static let travellers = 64
  /// Items whose outcome was in doubt at some time, since a connection broke or a stream ended:
  /// each is kept by itself for the check at the end.
  package static let doubtful = 1 << 21
  /// Acknowledged items of each kind and grid whose receipts are asked for at the end.
  package static let samples = 256
  /// Places of one doubtful item whose receipts are asked for at the end, and such items.
  package static let copies = 16
  package static let copied = 10_000
  /// Entries of blocks that have more of them than were acknowledged, all blocks together.
  package static let crowded = 1 << 21
  /// What the check found, in words; the rest is counted.
  package static let faults = 20
  /// Largest latency that is told apart, microseconds: an hour.
  package static let latency: UInt64 = 3_600_000_000
  /// How far within an interval's end its readings wait, since clocks differ, microseconds.
  package static let clockMargin: Int64 = 2000
  /// Milliseconds before something is sent again: at first, and at most.
  package static let pause: ClosedRange<Int64> = 100...5000
  /// Capacity of storage that the operator registers for each simulated member, mWh, its power, mW,
  /// and the number of the unit ("load" in ASCII).
  package static let storageOfMember: Int64 = 2_000_000
  package static let storagePowerOfMember: Int64 = 5_000_000
  package static let storageUnit: UInt64 = 0x6c6f_6164
  /// Largest power of a simulated meter, mW.
  package static let meterPower: Int64 = 20_000_000
  /// TSL of each member, millionths: with the 2 kWh that an account may hold a close costs 0.004,
  /// so this lasts for 25,000 intervals.
  package static let tokens: Int64 = 100_000_000
  /// Seconds that money which was sent over the backbone may take to arrive.
  package static let travelSeconds: Int64 = 120
  /// How long after a run's end what was due before it is still sent, microseconds.
  package static let tail: Int64 = 50_000
  /// How long a lane that waits for an item's time sleeps at most before it looks whether the load
  /// has ended, and how often its end is looked for, microseconds.
  package static let look: Int64 = 250_000
  /// The same of a call that waits to be sent again, of which there are many.
  package static let pauseLook: Int64 = 1_000_000
  package static let endLook: Int64 = 50_000
  /// How long after the load's end a node that answers nothing is asked whether it is at rest,
  /// microseconds.
  package static let goneLook: Int64 = 5_000_000
  /// Seconds without an answer from which on the progress line says so.
  package static let silence = 2
  /// How late the generator itself may be before its report says that figures are not the nodes'
  /// alone, seconds.
  package static let lateness = 0.5
  /// How late a close may be on a node that is at rest, seconds.
  package static let closeLag = 1.0
  /// Seconds that a run waits for the first interval that its meters can read.
  package static let readableSeconds: Int64 = 60
  /// Seconds after which a call gives up, and a stream of blocks that brings none.
  package static let callSeconds: Int64 = 30
}

/// Why a load run cannot begin or go on.
package struct LoadFailure: Error, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
