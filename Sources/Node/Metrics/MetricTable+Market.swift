import Domain

extension MetricTable {
  /// The market and its energy. Amounts are those of final intervals.
  package enum Trading {
    package static let intervals = MetricDescription(
      "intertie_intervals_total", .counter, labels: chain, help: "Intervals that became final.")
    package static let lag = MetricDescription(
      "intertie_close_lag_seconds", .gauge, labels: chain, scale: .microseconds,
      help: "Since when the next close is overdue, in seconds of this machine's clock; else 0.")
    package static let price = MetricDescription(
      "intertie_price_per_kwh", .gauge, labels: ["kind"], scale: .microUnits,
      help: "Newest prices, in units of money per kWh: of a trade, and of final intervals.")
    package static let energy = MetricDescription(
      "intertie_energy_joules_total", .counter, labels: ["flow"], scale: .milliwattHours,
      help: "Energy of final intervals by where it came from or went; 3,600,000 J are one kWh.")
    package static let traded = MetricDescription(
      "intertie_traded_joules_total", .counter, scale: .milliwattHours,
      help: "Energy traded among the members in final intervals.")
    package static let stored = MetricDescription(
      "intertie_stored_joules", .gauge, scale: .milliwattHours,
      help: "Energy held by all accounts after the last final interval.")
    package static let accounts = MetricDescription(
      "intertie_accounts", .gauge, help: "Accounts of the grid.")
    package static let meters = MetricDescription(
      "intertie_meters", .gauge, help: "Meters that were ever registered.")
    package static let orders = MetricDescription(
      "intertie_orders_resting", .gauge, help: "Orders that rest in the book.")

    static let rows = [
      intervals, lag, price, energy, traded, stored, accounts, meters, orders,
    ]
  }

  /// What goes between the grid and the backbone; `chain` is where it comes from, or happens.
  package enum Crossing {
    package static let rounds = MetricDescription(
      "intertie_coupling_rounds_total", .counter, labels: chain,
      help: "Coupling rounds: closed on the backbone, or with a result for this grid.")
    package static let sent = MetricDescription(
      "intertie_packets_sent_total", .counter, labels: chain,
      help: "Packets that the chain has sent since genesis, the backbone to all grids.")
    package static let executed = MetricDescription(
      "intertie_packets_executed_total", .counter, labels: chain,
      help: "Packets that the chain has executed since genesis, the backbone those of all grids.")
    package static let arrived = MetricDescription(
      "intertie_packets_arrived_total", .counter, labels: chain,
      help: "Of the packets between this grid and the backbone, those executed at the other end.")
    package static let waiting = MetricDescription(
      "intertie_packets_waiting", .gauge, labels: chain,
      help: "Packets between this grid and the backbone, sent by the chain and not yet executed.")
    package static let retries = MetricDescription(
      "intertie_courier_retries_total", .counter, labels: chain,
      help: "How often packets of the chain could not be handed in, and were tried again.")
    package static let grids = MetricDescription(
      "intertie_grids", .gauge, help: "Grids that the backbone knows.")
    package static let frozen = MetricDescription(
      "intertie_grids_frozen", .gauge,
      help: "Grids whose lane is frozen because they have signed two histories.")

    static let rows = [rounds, sent, executed, arrived, waiting, retries, grids, frozen]
  }

  /// The process and what it takes of the machine; names that begin with `process_` are those that
  /// Prometheus' own clients use.
  package enum Machine {
    package static let build = MetricDescription(
      "intertie_build_info", .gauge, labels: ["version"], help: "1; the version is its label.")
    package static let uptime = MetricDescription(
      "intertie_uptime_seconds", .gauge, help: "Since the chain was opened.")
    package static let database = MetricDescription(
      "intertie_database_bytes", .gauge, labels: ["chain", "file"],
      help: "Size of the database and of its write-ahead log.")
    package static let memory = MetricDescription(
      "process_resident_memory_bytes", .gauge, help: "Resident memory.")
    package static let memoryLimit = MetricDescription(
      "intertie_memory_limit_bytes", .gauge,
      help: "Memory that the node may take: its control group's limit, or what the machine has.")
    package static let processor = MetricDescription(
      "process_cpu_seconds_total", .counter, scale: .microseconds,
      help: "Time on processors, user and system.")
    package static let files = MetricDescription(
      "process_open_fds", .gauge, help: "Open file descriptors.")
    package static let fileLimit = MetricDescription(
      "process_max_fds", .gauge, help: "File descriptors that may be open.")

    static let rows = [build, uptime, database, memoryLimit, memory, processor, files, fileLimit]
  }
}
