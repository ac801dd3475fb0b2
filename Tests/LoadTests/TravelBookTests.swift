import Domain
import Load
import Testing
import Wire

/// Transfers between two grids, as the histories of their accounts tell them.
@Suite struct TravelBookTests {
  private let near = Digest.sha256([1])
  private let far = Digest.sha256([2])
  private let sender = SigningKey(seed: .init(repeating: 1, count: 32))!.publicKey
  private let receivers = (2...3).map {
    SigningKey(seed: .init(repeating: $0, count: 32))!.publicKey
  }
  private var book = TravelBook()

  private mutating func note(
    _ kind: Intertie_V1_HistoryKind, _ packet: UInt64, money: Int64, of account: PublicKey,
    on grid: ChainID, other: (ChainID, PublicKey)? = nil
  ) {
    let line = Intertie_V1_HistoryEntry.with {
      $0.kind = kind
      $0.reference = packet
      $0.money = money
      if let other {
        $0.otherGrid = other.0.data
        $0.otherAccount = other.1.data
      }
    }
    book.note(line, of: account, on: grid)
  }

  /// Sends that amount in a packet of that number.
  private mutating func send(_ packet: UInt64, _ amount: Int64, to receiver: Int = 0) {
    note(
      .sentAbroad, packet, money: -amount, of: sender, on: near, other: (far, receivers[receiver]))
  }

  /// The other end has packets of its own.
  private mutating func receive(_ amount: Int64, by receiver: Int = 0) {
    note(
      .receivedFromAbroad, 77, money: amount, of: receivers[receiver], on: far,
      other: (near, sender))
  }

  private mutating func refund(_ packet: UInt64, _ amount: Int64) {
    note(.refunded, packet, money: amount, of: sender, on: near)
  }

  private func expect(_ texts: [String], acknowledged: Int, perhaps: Int = 0) {
    let findings = book.judge(acknowledged: acknowledged, perhaps: perhaps)
    #expect(findings.texts.count == texts.count, "\(findings.texts)")
    for (found, text) in zip(findings.texts, texts) { #expect(found.contains(text)) }
    #expect(findings.verdict == (texts.isEmpty ? .passed : .failed))
  }

  @Test mutating func whatArrivedOrCameBackIsSettled() {
    send(1, 10)
    send(2, 10)
    send(3, 30, to: 1)
    #expect(!book.isSettled(acknowledged: 3))
    receive(10)
    receive(30, by: 1)
    refund(2, 10)
    #expect(book.isSettled(acknowledged: 3) && !book.isSettled(acknowledged: 4))
    expect([], acknowledged: 3)
    let findings = book.judge(acknowledged: 3, perhaps: 0)
    #expect([findings.departed, findings.arrived, findings.refunded] == [3, 2, 1])
  }

  /// As many arrived as left, but not the same.
  @Test(arguments: [(30, 0), (10, 1)]) mutating func oneTwiceDoesNotHideOneLost(
    amount: Int64, receiver: Int
  ) {
    send(1, 10)
    send(2, 20)
    receive(20)
    receive(amount, by: receiver)
    #expect(!book.isSettled(acknowledged: 2))
    expect(
      ["1 transfers to other grids neither", "1 transfers to other grids arrived"], acknowledged: 2)
  }

  @Test mutating func whatEndsTwiceIsAFault() {
    send(1, 10)
    receive(10)
    refund(1, 10)
    expect(["1 transfers to other grids arrived or came back"], acknowledged: 1)
    refund(1, 10)
    expect(["2 transfers to other grids arrived or came back"], acknowledged: 1)
    refund(5, 10)
    expect(["3 transfers to other grids arrived or came back"], acknowledged: 1)
  }

  @Test mutating func whatWasInDoubtMayHaveLeftOrNot() {
    expect([], acknowledged: 0, perhaps: 1)
    send(1, 10)
    receive(10)
    expect([], acknowledged: 0, perhaps: 1)
    expect([], acknowledged: 1, perhaps: 1)
    expect(["1 transfers to other grids left though"], acknowledged: 0)
    expect(["1 transfers to other grids were acknowledged"], acknowledged: 2)
    send(1, 10)
    expect(["1 transfers to other grids left a second time"], acknowledged: 1)
  }

  @Test mutating func aNodeWithoutThePacketsTellsNothing() {
    note(.receivedFromAbroad, 1, money: 10, of: receivers[0], on: far)
    #expect(book.judge(acknowledged: 1, perhaps: 0).verdict == .notChecked)
  }
}
