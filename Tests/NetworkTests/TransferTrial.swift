import Domain
import Foundation
import ProcessSupport
import Wire

/// A transfer of a grid's saver to a key that the other grid has never seen, which so has exactly
/// what came.
struct TransferTrial: Sendable {
  /// Who receives; one for each grid to which something is sent, by the amount.
  static let receivers = (0..<8).map { SigningKey.guest($0) }
  static let guests = receivers.map(\.publicKey)

  private let from: Int
  private let to: Int
  private let amount: Int64
  private let receiver: PublicKey
  /// Of the grid that sent it.
  private let packet: UInt64

  /// Hands it in; it is under way when this returns.
  static func send(
    _ stage: UnionStage, from: Int, to: Int, amount: Int64, deadline: UInt64 = 1 << 40
  ) async throws -> TransferTrial {
    let grid = stage.union.grids[from]
    let receiver = guests[Int(amount / 1_000_000)]
    let destination = stage.union.grids[to].chain
    let packet = try await stage.at(from) { services in
      let sequence = try await services.next(of: grid.saver.publicKey)
      let result = try await services.submit(
        grid.command(
          .transferAbroad(
            grid: destination, to: receiver, asset: .money, amount: amount, deadline: deadline),
          by: grid.saver, sequence: sequence))
      try demand(result.rejection == .none && result.packet > 0, "not under way: \(result)")
      return result.packet
    }
    return TransferTrial(from: from, to: to, amount: amount, receiver: receiver, packet: packet)
  }

  /// Waits for the credit, which comes once.
  func isCredited(_ stage: UnionStage) async throws {
    try await wait(30, every: 50, for: "\(amount) µ¤ from grid \(from) in grid \(to)") {
      try await stage.money(of: receiver, in: to) == amount
    }
    let lines = try await stage.at(to) { try await $0.history(of: receiver).lines }
    try demand(
      lines.count == 1 && lines[0].kind == .receivedFromAbroad && lines[0].money == amount,
      "credited by \(lines)")
  }

  /// Waits for the refund, which comes once, and there is no credit.
  func isRefunded(_ stage: UnionStage) async throws {
    let saver = stage.union.grids[from].saver.publicKey
    try await wait(30, every: 50, for: "\(amount) µ¤ back in grid \(from)") {
      try await stage.at(from) { try await $0.history(of: saver).lines }.contains {
        $0.kind == .refunded && $0.reference == packet
      }
    }
    let lines = try await stage.at(from) { try await $0.history(of: saver).lines }
      .filter { $0.reference == packet && [.refunded, .sentAbroad].contains($0.kind) }
    try demand(
      lines.map(\.money).sorted() == [-amount, amount], "refunded by \(lines)")
    let credited = try await stage.money(of: receiver, in: to)
    try demand(credited == 0, "\(credited) µ¤ were credited as well")
  }

  /// One that is credited and one that comes after its deadline.
  struct Pair: Sendable {
    fileprivate let good: TransferTrial
    fileprivate let late: TransferTrial

    func end(_ stage: UnionStage) async throws {
      try await good.isCredited(stage)
      try await late.isRefunded(stage)
    }
  }

  static func begin(_ stage: UnionStage) async throws -> Pair {
    Pair(
      good: try await send(stage, from: 0, to: 2, amount: 5_000_000),
      late: try await send(stage, from: 2, to: 1, amount: 6_000_000, deadline: 1))
  }
}

extension SigningKey {
  /// Keys that no grid has seen before something is sent to them.
  fileprivate static func guest(_ number: Int) -> SigningKey {
    // Any 32 bytes are a seed.
    SigningKey(seed: Array("guest of the union, number ".utf8) + Array(String(10000 + number).utf8))
      .unsafelyUnwrapped
  }
}
