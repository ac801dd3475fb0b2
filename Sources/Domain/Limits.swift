/// Every bound on a queue, batch, block, table or field, by name.
package enum Limits {
  // Fields.
  /// Largest price, µ¤ per kWh: 10,000 ¤/kWh, so that what the largest meter can owe in the days
  /// for late readings stays far within 64 bits.
  package static let price: Int64 = 10_000_000_000
  /// Chain seconds for each second of the clock.
  package static let calendarRate: ClosedRange<Int64> = 1...100_000
  /// Largest order, Wh: 1 GWh.
  package static let orderWattHours: Int64 = 1_000_000_000
  /// Largest amount of any asset in one command or genesis line.
  package static let amount: Int64 = 1_000_000_000_000_000_000
  /// What an interconnector carries in one direction in one round, Wh: 1 TWh.
  package static let lineWattHours: Int64 = 1_000_000_000_000
  /// Largest power of a meter, mW: 4 MW, so that the energy of an hour fits 32 bits of mWh.
  package static let meterPower: Int64 = 4_000_000_000
  /// Largest energy of one meter in one interval, mWh: what 32 bits hold.
  package static let intervalEnergy: Int64 = 4_294_967_295
  /// Largest capacity of one storage unit, mWh: 1 TWh.
  package static let storageCapacity: Int64 = 1_000_000_000_000_000
  /// Largest power of one storage unit, mW.
  package static let storagePower: Int64 = 1_000_000_000_000_000
  /// All TSL that exist, in micro-tokens.
  package static let storageTokens: Int64 = 1_000_000_000_000_000

  // Encoded sizes, bytes.
  /// A reading's payload.
  package static let readingBytes = 256
  /// A command's payload; a tariff of one-minute intervals is the largest.
  package static let commandBytes = 16 << 10
  /// The payload of a delivery of packets with their proofs.
  package static let deliveryBytes = 192 << 10
  /// The payload of a report that a grid has two histories.
  package static let reportBytes = 192 << 10
  /// The payload of a command that accepts validators, which the state keeps.
  package static let acceptanceBytes = 256
  /// One message on a stream: readings in a batch at their largest, and framing.
  package static let messageBytes = 1 << 20

  /// A packet to another chain; validators of a new epoch and bids are the largest.
  package static let packetBytes = 8 << 10
  /// What a grid bids in a coupling round, as the market encodes it.
  package static let couplingBidBytes = 4 << 10

  // Tables.
  /// Validators of one epoch.
  package static let validators = 100
  /// Changes of a chain's validators, each kept with its proof.
  package static let epochChanges = 4096
  package static let accounts = 1 << 22
  package static let meters = 1 << 20
  package static let storageUnits = 1 << 16
  package static let agents = 1 << 20
  /// Orders that rest in the book, all accounts together.
  package static let restingOrders = 1 << 22
  /// Orders that one account may have resting.
  package static let ordersPerAccount = 4096

  // Batches and queues.
  /// Readings in one message of a meter stream.
  package static let readingsPerMessage = 2048
  /// Batches under way on one stream before the node stops reading from it.
  package static let batchesPerStream = 2
  /// Commands in one submission.
  package static let commandsPerSubmission = 256
  /// Entries of clients that wait for a block, at most; and on a chain that is slow, at least.
  package static let inboxEntries = 1 << 14
  package static let leastInboxEntries = 1 << 9
  /// The same when a node starts, all validators' together: a slow chain should not have to work
  /// off more than a few seconds before it has found out how slow it is.
  package static let firstInboxEntries = 1 << 12
  /// A validator alone waits so many milliseconds with a block when the signatures of so many
  /// entries more are being checked.
  package static let gatherMilliseconds: Int64 = 5
  package static let gatheredEntries = 64
  /// Milliseconds in which the chain works off a full inbox; see `InboxSize`.
  package static let inboxMilliseconds: Int64 = 1000
  /// Of so many places of the inbox readings have one of their own, and so have commands, and
  /// bytes: neither a flood of readings nor one of commands can shut the other out.
  package static let inboxPlacesPerOwnPlace = 4
  package static let inboxOwnBytes = 16 << 20
  /// Calls, and batches of readings, that these entries may belong to: each keeps a stream and a
  /// task besides; and calls of its own that each of the two has.
  package static let inboxCalls = 1 << 12
  package static let inboxOwnCalls = 1 << 10
  /// Places and calls of deliveries and reports: no flood keeps other chains' packets out.
  package static let inboxProofs = 64
  /// Of so many entries of a block one is there for readings, however many commands wait.
  package static let blockEntriesPerReading = 4
  /// Milliseconds for which readings wait for room in the inbox.
  package static let patienceMilliseconds: Int64 = 1500
  /// Milliseconds after which a client for which the inbox had no room may come again: at least the
  /// time in which a full one is worked off; see `Appointments`.
  package static let retryMilliseconds = inboxMilliseconds...(5 * inboxMilliseconds)
  /// The same of what is bounded besides, such as proofs under way: not all come at once.
  package static let briefRetryMilliseconds = inboxMilliseconds...(inboxMilliseconds * 3 / 2)
  /// Closes of which a node tells how late they were.
  package static let recentCloses = 32
  /// Seconds between two lines of the log about refused clients.
  package static let refusalNoticeSeconds: Int64 = 10
  /// Bytes of the inbox.
  package static let inboxBytes = 32 << 20
  /// Entries of other validators' clients that wait here for a block of this node's; each of the
  /// validators may have an equal part.
  package static let foreignEntries = 1 << 15
  /// What one peer may have in the inbox: messages, and their bytes.
  package static let peerMessages = 4096
  package static let peerBytes = 24 << 20
  /// Intervals that one block closes; a chain that stood still catches up over several blocks. A
  /// close of 10,000 meters takes up to 60 ms, and everybody waits for a block, also who stops a
  /// node. A valid block has no more: all validators of a chain need the same bound.
  package static let closesPerBlock: Int64 = 16
  /// Reads of the database that wait or run at a time, and how many run.
  package static let reads = 256
  package static let concurrentReads = 4
  /// Entries in one block.
  package static let blockEntries = 1 << 14
  /// Entries of a block that other validators have to check before they vote, at most: what one
  /// core checks in half of the time that a message may take. See `ProposalSize`.
  package static let proposedEntries = 1 << 11
  /// Bytes of one block's body.
  package static let blockBytes = 4 << 20
  /// Packets for other chains that one outbox root covers, and of these what one block sends.
  package static let outboxPackets = 1 << 15
  package static let packetsPerBlock = 1 << 11
  /// Packets that are handed in together.
  package static let packetsPerDelivery = 256
  /// Connections to one node at a time, and RPCs at a time on each.
  package static let connections = 4096
  package static let streamsPerConnection = 256
  /// Streams that watch trades or the book.
  package static let watchers = 1024
  /// Events that wait for one slow watcher before it is cut off.
  package static let watcherBacklog = 4096
  /// Proofs that wait for the next attestation.
  package static let proofRequests = 1024
  /// Blocks that a node without any may lack before it takes a state instead of all blocks.
  package static let joinBlocks: UInt64 = 4000
  /// Rows of one page of history.
  package static let historyPage = 500
  /// Price levels of one published side of the book.
  package static let bookLevels = 50
}
