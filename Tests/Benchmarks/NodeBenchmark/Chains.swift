import Domain
import Foundation
import Logging
import Node
import ProcessSupport
import Wire

/// A chain of one node in this process, and a member who sends commands.
struct BenchmarkChain {
  let grid: Microgrid
  let genesis: Genesis
  let member: SigningKey
  let validator: SigningKey
  let folder: String

  static func genesis(
    validator: SigningKey, lead: SigningKey, accounts: [GenesisAccount], meters: [GenesisMeter] = []
  ) -> Genesis {
    let wall = Int64(Date().timeIntervalSince1970)
    // The open interval ends a second after the start, and closes a minute later.
    let origin = wall / 900 * 900 + 899
    let id = lead.publicKey
    return Genesis(
      name: "benchmark", calendar: Calendar(origin: origin, wallOrigin: wall),
      parameters: Parameters(),
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [validator.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: accounts, meters: meters)
  }

  static func open(folder: String, genesis: Genesis, validator: SigningKey, member: SigningKey)
    async throws -> BenchmarkChain
  {
    let grid = try await Microgrid.open(
      NodeConfiguration(
        genesis: genesis, directory: folder, validatorKey: validator,
        log: Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() }))
    return BenchmarkChain(
      grid: grid, genesis: genesis, member: member, validator: validator, folder: folder)
  }

  /// Runs the chain while `body` does.
  func running<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
    let grid = self.grid
    return try await withThrowingTaskGroup(of: T?.self) { group in
      group.addTask {
        try await grid.run()
        return nil
      }
      group.addTask {
        defer { grid.stop() }
        return try await body()
      }
      var result: T?
      while let next = try await group.next() { if let next { result = next } }
      guard let result else { throw NodeFailure.stopped("the benchmark gave no result") }
      return result
    }
  }

  /// Signed transfers of one µ¤ to another account.
  func transfers(_ count: Int, from sequence: UInt64) -> [SignedBytes?] {
    let to = SystemAccount.networkFund.id
    return (0..<count).map { offset in
      let command = Command(
        chain: genesis.chainID, signer: member.publicKey, sequence: sequence + UInt64(offset),
        expires: Timestamp(seconds: 1 << 40), body: .transfer(to: to, asset: .money, amount: 1))
      let payload = WireCommand.payload(of: command)
      return SignedBytes(payload: payload, signature: member.sign(payload, for: .command))
    }
  }
}

/// What a block costs against the number of its commands.
enum BlockBenchmark {
  static func run(rounds: Int) async throws {
    let (validator, member) = (SigningKey.generate(), SigningKey.generate())
    let genesis = BenchmarkChain.genesis(
      validator: validator, lead: member,
      accounts: [GenesisAccount(id: member.publicKey, money: Money(1_000_000_000_000))])
    try await withFolder { folder in
      let chain = try await BenchmarkChain.open(
        folder: folder, genesis: genesis, validator: validator, member: member)
      try await chain.running {
        var sequence: UInt64 = 1
        for size in [1, 16, 64, 256] {
          var times: [Double] = []
          var processor = 0.0
          for _ in 0..<rounds {
            let commands = chain.transfers(size, from: sequence)
            sequence += UInt64(size)
            let (start, startCPU) = (now(), Yardstick.cpuSeconds())
            let results = try await chain.grid.submit(commands: commands)
            times.append(now() - start)
            processor += Yardstick.cpuSeconds() - startCPU
            precondition(results.allSatisfy { $0.receipt.rejection == nil })
          }
          times.sort()
          print(
            "block of \(size) transfers: p50 \(format(times[rounds / 2] * 1e6, 0)) µs, p99 "
              + "\(format(times[rounds * 99 / 100] * 1e6, 0)) µs from submit to durable receipt; "
              + "\(format(processor / Double(rounds * size) * 1e6)) µs of CPU a command")
        }
      }
    }
  }
}

/// Memory and first proof of a chain with many accounts.
enum AccountBenchmark {
  static func run(accounts: Int) async throws {
    let (validator, member) = (SigningKey.generate(), SigningKey.generate())
    let lines = (0..<accounts).map { number in
      GenesisAccount(
        id: AccountID(Digest.sha256(Array("account \(number)".utf8)).bytes), money: Money(1_000_000)
      )
    }
    let genesis = BenchmarkChain.genesis(validator: validator, lead: member, accounts: lines)
    try await withFolder { folder in
      let before = Yardstick.residentBytes()
      let start = now()
      let chain = try await BenchmarkChain.open(
        folder: folder, genesis: genesis, validator: validator, member: member)
      let opened = now() - start
      let bytes = Yardstick.residentBytes() - before
      let proof = try await chain.running {
        let start = now()
        _ = try await chain.grid.prove(AccountIndex(accounts / 2))
        return now() - start
      }
      print(
        "\(accounts) accounts: opened in \(format(opened * 1000, 0)) ms, "
          + "\(bytes / accounts) bytes an account resident, a proof in "
          + "\(format(proof * 1000)) ms")
    }
  }
}

/// Start-up time against the chain's length.
enum StartBenchmark {
  static func run(lengths: [Int]) async throws {
    for length in lengths {
      let (validator, member) = (SigningKey.generate(), SigningKey.generate())
      let genesis = BenchmarkChain.genesis(
        validator: validator, lead: member,
        accounts: [GenesisAccount(id: member.publicKey, money: Money(1_000_000_000_000))])
      try await withFolder { folder in
        do {
          let chain = try await BenchmarkChain.open(
            folder: folder, genesis: genesis, validator: validator, member: member)
          try await chain.running {
            for block in 0..<length {
              _ = try await chain.grid.submit(
                commands: chain.transfers(4, from: UInt64(block * 4 + 1)))
            }
          }
          try chain.grid.store.close()
        }
        let start = now()
        let chain = try await BenchmarkChain.open(
          folder: folder, genesis: genesis, validator: validator, member: member)
        print(
          "start with \(chain.grid.view.tip.height) blocks of 4 commands: "
            + "\(format((now() - start) * 1000, 0)) ms")
      }
    }
  }
}
