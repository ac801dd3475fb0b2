import Domain

/// Every metric of a node: the one place that has names, units and help. The instruments take their
/// descriptions from here, and tests hold the README, the alerts and the dashboard against it.
///
/// No metric has a label for a member, a meter or a peer: there would be too many, and what a
/// household uses is nobody else's business.
package enum MetricTable {
  /// In the order in which they are shown.
  package static let rows: [MetricDescription] =
    Work.rows + Times.rows + Agreement.rows + Queues.rows + Links.rows + Trading.rows
    + Crossing.rows + Machine.rows

  /// "grid", or "backbone" for a node that keeps its replica of one.
  static let chain = ["chain"]

  /// What has become part of the chain since the node started.
  package enum Work {
    package static let blocks = MetricDescription(
      "intertie_blocks_total", .counter, labels: chain, help: "Blocks executed and durable.")
    package static let entries = MetricDescription(
      "intertie_block_entries", .histogram(bounds: [0, 1, 4, 16, 64, 256, 1024, 4096, 8192]),
      labels: chain, help: "Entries of a block: readings, commands and deliveries of packets.")
    package static let bytes = MetricDescription(
      "intertie_block_bytes_total", .counter, labels: chain, help: "Bytes of block bodies.")
    package static let readings = MetricDescription(
      "intertie_readings_total", .counter, labels: chain,
      help: "Meter readings in blocks, rejected ones included.")
    package static let commands = MetricDescription(
      "intertie_commands_total", .counter, labels: chain,
      help: "Members' commands in blocks, rejected ones included.")
    package static let orders = MetricDescription(
      "intertie_orders_total", .counter, labels: chain,
      help: "Orders that members placed, of the commands that were applied.")
    package static let deliveries = MetricDescription(
      "intertie_deliveries_total", .counter, labels: chain,
      help: "Deliveries of packets, and what else proves itself, in blocks, rejected ones included."
    )
    package static let trades = MetricDescription(
      "intertie_trades_total", .counter, labels: chain, help: "Trades, those of auctions included.")
    package static let rejections = MetricDescription(
      "intertie_rejections_total", .counter, labels: ["chain", "stage", "reason"],
      help:
        "Entries refused by reason: at admission, before any block, or in the block that has them.")

    static let rows = [
      blocks, entries, bytes, readings, commands, orders, deliveries, trades, rejections,
    ]
  }

  /// How long things take.
  package enum Times {
    /// 0.1 ms to 30 s, in ns.
    private static let bounds: [Int64] = [
      100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000,
      50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000,
      5_000_000_000, 10_000_000_000, 30_000_000_000,
    ]

    private static func row(_ name: String, _ help: String) -> MetricDescription {
      MetricDescription(
        name, .histogram(bounds: bounds), labels: chain, scale: .nanoseconds, help: help)
    }

    package static let submit = row(
      "intertie_submit_seconds",
      "From a client's call to its results, final and durable: checks, waiting, agreement, commit.")
    package static let finality = row(
      "intertie_finality_seconds",
      "From a block's own time to its being final and durable here, by this machine's clock.")
    package static let step = row(
      "intertie_step_seconds",
      "One step of the chain with something to store: agreement, execution, commit, publication.")
    package static let commit = row(
      "intertie_commit_seconds", "One commit to the database, its fdatasync included.")
    package static let sync = row(
      "intertie_sync_seconds",
      "Of a commit, the write of SQLite's log and its fdatasync, now and then a checkpoint.")
    package static let admission = MetricDescription(
      "intertie_admission_seconds", .histogram(bounds: bounds), labels: ["chain", "outcome"],
      scale: .nanoseconds,
      help:
        "From a client's call to its places in the inbox, or to its refusal, by outcome."
    )
    package static let verify = row(
      "intertie_verify_seconds",
      "The check of the signatures of a client's call, waiting for a thread included.")
    package static let close = row(
      "intertie_close_seconds",
      "Agreement and execution of a step that closed an interval or a coupling round.")

    static let rows = [submit, admission, verify, finality, step, commit, sync, close]
  }

  /// Where the chain stands, and who keeps it.
  package enum Agreement {
    private static func gauge(_ name: String, _ help: String) -> MetricDescription {
      MetricDescription(name, .gauge, labels: chain, help: help)
    }

    package static let height = gauge("intertie_height", "Height of the newest executed block.")
    package static let view = gauge("intertie_view", "View that consensus is in.")
    package static let epoch = gauge("intertie_epoch", "Epoch of the validators.")
    package static let nullified = MetricDescription(
      "intertie_views_nullified_total", .counter, labels: chain,
      help: "Views that a quorum has skipped.")
    package static let validators = gauge("intertie_validators", "Validators of the epoch.")
    package static let reachable = gauge(
      "intertie_validators_reachable",
      "Validators that this node has a link to, itself included if it is one.")
    package static let quorum = gauge(
      "intertie_quorum", "Validators that make a certificate.")
    package static let evidence = MetricDescription(
      "intertie_evidence_total", .counter, labels: chain,
      help: "Proofs that a validator has signed what excludes each other, since genesis.")
    package static let ready = gauge(
      "intertie_ready", "1 when the chain serves clients as it should, as /readyz says, else 0.")
    package static let halted = gauge(
      "intertie_halted",
      "1 when the chain has halted on this node, else 0; a node whose grid's chain halts ends.")

    static let rows = [
      height, view, epoch, nullified, validators, reachable, quorum, evidence, ready, halted,
    ]
  }

  /// What waits, and what found no room.
  package enum Queues {
    package static let inbox = MetricDescription(
      "intertie_inbox_entries", .gauge, labels: chain,
      help: "Clients' entries that wait for a block or are in one that is not final.")
    package static let capacity = MetricDescription(
      "intertie_inbox_capacity_entries", .gauge, labels: chain,
      help: "Entries that the inbox holds at present, beside each kind's own places.")
    package static let refused = MetricDescription(
      "intertie_inbox_refused_total", .counter, labels: chain,
      help: "Calls and batches of readings that were refused because the inbox stayed full.")
    package static let line = MetricDescription(
      "intertie_inbox_waiting_readings", .gauge, labels: chain,
      help: "Readings that wait for room in the inbox.")
    package static let pool = MetricDescription(
      "intertie_pool_entries", .gauge, labels: chain,
      help: "Entries here that are not on the chain, those of other nodes' clients included.")

    static let rows = [inbox, capacity, line, refused, pool]
  }

  /// Links to the other nodes of a chain.
  package enum Links {
    private static let traffic = ["chain", "class", "direction"]
    private static let kinds = ["chain", "class"]

    private static func counter(_ name: String, _ labels: [String], _ help: String)
      -> MetricDescription
    { MetricDescription(name, .counter, labels: labels, help: help) }

    package static let peers = MetricDescription(
      "intertie_peers", .gauge, labels: kinds,
      help: "Nodes in the peers file, by class: validator or follower.")
    package static let connected = MetricDescription(
      "intertie_peers_connected", .gauge, labels: kinds,
      help: "Of these, those with a link to them.")
    package static let bytes = counter(
      "intertie_peer_bytes_total", traffic,
      "Bytes of messages with peers, without framing; direction is sent or received.")
    package static let messages = counter(
      "intertie_peer_messages_total", traffic, "Messages with peers.")
    package static let dropped = counter(
      "intertie_peer_dropped_total", kinds, "Messages that gave way in a peer's full outbox.")
    package static let sieved = counter(
      "intertie_peer_sieved_total", kinds,
      "Messages from peers that were of no more use, dropped unverified.")
    package static let held = counter(
      "intertie_peer_held_total", kinds, "How often a peer was held because it sent too fast.")
    package static let offences = counter(
      "intertie_peer_offences_total", kinds,
      "How often a link was cut because of what the peer sent.")

    static let rows = [peers, connected, bytes, messages, dropped, sieved, held, offences]
  }
}
