import Domain
import Foundation
import Logging
import Node
import Storage
import Synchronization
import Testing
import Wire

/// A clock that a test turns by hand, µs since the Unix epoch.
final class HandClock: Sendable {
  private let time: Mutex<Int64>

  init(seconds: Int64) { time = Mutex(seconds * 1_000_000) }

  var read: @Sendable () -> Int64 { { self.time.withLock { $0 } } }

  func set(seconds: Int64) { time.withLock { $0 = seconds * 1_000_000 } }
}

/// A small community: two homes with meters, a battery, all roles with one key.
struct TestGrid {
  static let origin: Int64 = 1_700_000_100

  let lead = SigningKey(seed: [UInt8](repeating: 1, count: 32))!
  let validator = SigningKey(seed: [UInt8](repeating: 2, count: 32))!
  let homes = (10..<12).map { SigningKey(seed: [UInt8](repeating: $0, count: 32))! }
  let meters = (20..<22).map { SigningKey(seed: [UInt8](repeating: $0, count: 32))! }
  let genesis: Genesis
  let folder: String
  let clock: HandClock

  /// `validators`: of the first epoch, the one that `open` runs with unless told.
  init(validators: [SigningKey]? = nil) throws {
    folder = NSTemporaryDirectory() + "intertie-node-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    clock = HandClock(seconds: Self.origin)
    let id = lead.publicKey
    genesis = Genesis(
      name: "test", calendar: Calendar(origin: Self.origin, wallOrigin: Self.origin),
      parameters: Parameters(),
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: (validators ?? [validator]).map(\.publicKey),
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: [GenesisAccount(id: id, money: Money(1_000_000_000))]
        + homes.map {
          GenesisAccount(
            id: $0.publicKey, money: Money(50_000_000), tsl: StorageTokens(5_000_000),
            isMember: true)
        },
      meters: zip(meters, homes).map {
        GenesisMeter(
          id: $0.publicKey, account: $1.publicKey, maximumPower: Power(20_000_000), isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: homes[0].publicKey, capacity: Energy(10_000_000), power: Power(5_000_000))
      ])
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }

  func open(validator key: SigningKey? = nil) async throws -> Microgrid {
    try await Microgrid.open(
      NodeConfiguration(
        genesis: genesis, directory: folder, validatorKey: key ?? validator,
        log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, wall: clock.read))
  }

  func command(_ body: CommandBody, by key: SigningKey, sequence: UInt64) -> SignedBytes {
    let payload = WireCommand.payload(
      of: Command(
        chain: genesis.chainID, signer: key.publicKey, sequence: sequence,
        expires: Timestamp(seconds: Self.origin + 10_000_000), body: body))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }

  func reading(
    _ meter: Int, interval: Interval, exported: Int64, imported: Int64, version: UInt16 = 1
  ) -> SignedBytes {
    let key = meters[meter]
    let payload = WireReading.payload(
      of: Reading(
        chain: genesis.chainID, meter: key.publicKey, interval: interval,
        exported: Energy(exported), imported: Energy(imported), version: version))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .reading))
  }

  /// A new genesis chain in a grid whose node runs while `body` does.
  static func running(_ body: @escaping @Sendable (TestGrid, Microgrid) async throws -> Void)
    async throws
  {
    let test = try TestGrid()
    defer { test.remove() }
    try await test.run(try await test.open()) { try await body(test, $0) }
  }

  /// Runs `grid` while `body` does, then closes its store.
  func run(_ grid: Microgrid, _ body: @escaping @Sendable (Microgrid) async throws -> Void)
    async throws
  {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await grid.run() }
      group.addTask {
        defer { grid.stop() }
        try await body(grid)
      }
      try await group.waitForAll()
    }
    try grid.close()
  }
}

/// Waits for `condition`, which another task makes true; records an issue after a minute.
func eventually(_ what: Comment, _ condition: () async throws -> Bool) async throws {
  for _ in 0..<12_000 {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(5))
  }
  Issue.record(what)
}
