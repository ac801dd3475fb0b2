import Consensus
import Domain
import Node
import Testing

@Suite struct PeerOutboxTests {
  private let chain = PeerChain(4)

  private func vote(_ view: UInt64) -> EncodedMessage {
    EncodedMessage(
      .consensus(
        .vote(
          Vote(subject: .nullify(epoch: 1, view: view), signer: 0, signature: .zero))))
  }

  private func certificate(_ view: UInt64) -> EncodedMessage {
    EncodedMessage(
      .consensus(.certificate(chain.certificate(.nullify(epoch: 1, view: view)))))
  }

  private func fetch(_ from: UInt64) -> EncodedMessage { EncodedMessage(chain.fetch(from)) }

  private func proposal(_ view: UInt64, bytes: Int) -> EncodedMessage {
    EncodedMessage(chain.proposal(view: view, bytes: bytes, by: 0))
  }

  private func answer(_ view: UInt64, bytes: Int) -> EncodedMessage {
    let block = chain.block(view: view, bytes: bytes)
    return EncodedMessage(.consensus(.answer(Answer(certificates: [], blocks: [block]))))
  }

  private func entries(_ mark: UInt8, count: Int) -> EncodedMessage {
    let signed = SignedBytes(payload: [UInt8](repeating: mark, count: 256), signature: .zero)
    return EncodedMessage(
      .entries([(EntryKind, SignedBytes)](repeating: (.reading, signed), count: count)))
  }

  /// Takes until nothing is left, the wire taking all at once; the messages in order of completion.
  private func drain(_ outbox: PeerOutbox) async throws -> [PeerMessage] {
    let link = outbox.begin()
    var assembler = MessageAssembler()
    var messages: [PeerMessage] = []
    while !outbox.isEmpty {
      let pieces = try #require(await outbox.take())
      #expect(pieces.reduce(0) { $0 + $1.bytes.count } <= PeerLimits.writeBytes)
      for piece in pieces {
        outbox.wrote(piece.wireSize, link: link)
        guard let bytes = try assembler.add(piece.bytes, isLast: piece.isLast, to: piece.lane)
        else { continue }
        messages.append(try PeerMessage(decoding: bytes))
      }
      #expect(outbox.inFlight == 0)
    }
    return messages
  }

  private func views(_ messages: [PeerMessage]) -> [String] {
    messages.map { message in
      switch message {
      case .consensus(.vote(let vote)): "v\(vote.subject.view)"
      case .consensus(.certificate(let certificate)): "c\(certificate.subject.view)"
      case .consensus(.fetch(let fetch)): "f\(fetch.from)"
      case .consensus(.proposal(let block, _)): "p\(block.header.view)"
      case .consensus(.answer(let answer)): "a\(answer.blocks[0].header.view)"
      case .entries(let entries): "e\(entries[0].1.payload[0])"
      default: "?"
      }
    }
  }

  @Test func smallMessagesArePackedInOrder() async throws {
    let outbox = PeerOutbox()
    for view in 1...20 as ClosedRange<UInt64> { outbox.post(vote(view)) }
    let pieces = try #require(await outbox.take())
    #expect(pieces.count == 20)
    #expect(pieces.allSatisfy { $0.isLast && $0.lane == .urgent })
    #expect(outbox.taken == 20)
  }

  @Test func aWriteIsBounded() async throws {
    let outbox = PeerOutbox()
    for view in 1...1000 as ClosedRange<UInt64> { outbox.post(vote(view)) }
    var count = 0
    while count < 1000 {
      let pieces = try #require(await outbox.take())
      #expect(pieces.reduce(0) { $0 + $1.bytes.count } <= PeerLimits.writeBytes)
      count += pieces.count
    }
    #expect(count == 1000)
  }

  @Test func theStalestVotesGiveWay() async throws {
    let outbox = PeerOutbox()
    outbox.post(certificate(1))
    let room = UInt64(PeerLimits.queuedUrgent) - 1
    // From newest to oldest, so that age in the queue and view differ.
    for view in (1...room).reversed() { outbox.post(vote(view)) }
    #expect(outbox.dropped == 0)
    for view in 2001...2003 as ClosedRange<UInt64> { outbox.post(vote(view)) }
    outbox.post(vote(2))
    #expect(outbox.dropped == 4)
    let left = views(try await drain(outbox))
    #expect(left.first == "c1")
    #expect(left.contains("v2003") && left.contains("v5") && left.contains("v\(room)"))
    for gone in ["v1", "v2", "v3"] { #expect(!left.contains(gone), "\(gone)") }
  }

  @Test func withoutVotesTheOldestGivesWay() async throws {
    let outbox = PeerOutbox()
    for view in 1...UInt64(PeerLimits.queuedUrgent) + 2 { outbox.post(certificate(view)) }
    #expect(outbox.dropped == 2)
    #expect(views(try await drain(outbox)).first == "c3")
  }

  @Test func aNewerFetchReplacesTheOneThatWaits() async throws {
    let outbox = PeerOutbox()
    outbox.post(fetch(1))
    outbox.post(vote(1))
    outbox.post(fetch(2))
    #expect(outbox.dropped == 1)
    let pieces = try #require(await outbox.take())
    let messages = try pieces.map { try PeerMessage(decoding: Array($0.bytes)) }
    #expect(views(messages) == ["v1", "f2"])
  }

  @Test func theNewestTwoProposalsAndAnswersAreKept() async throws {
    let outbox = PeerOutbox()
    for view in 1...5 as ClosedRange<UInt64> {
      outbox.post(proposal(view, bytes: 1000))
      outbox.post(answer(view, bytes: 1000))
    }
    #expect(outbox.dropped == 6)
    #expect(Set(views(try await drain(outbox))) == ["p4", "p5", "a4", "a5"])
  }

  @Test func theOldestEntriesGiveWay() async throws {
    let outbox = PeerOutbox()
    let message = entries(0, count: 800)
    let most = PeerLimits.queuedEntriesBytes / message.bytes.count
    for mark in 0..<UInt8(most + 3) { outbox.post(entries(mark, count: 800)) }
    #expect(outbox.dropped == 3)
    let left = views(try await drain(outbox))
    #expect(left == (3..<most + 3).map { "e\($0)" })
  }

  @Test func aProposalOvertakesEntriesAndVotesOvertakeAll() async throws {
    let outbox = PeerOutbox()
    outbox.post(entries(1, count: 700))
    outbox.post(entries(2, count: 300))
    let link = outbox.begin()
    // The first entries are begun.
    let begun = try #require(await outbox.take())
    #expect(begun.map(\.lane) == [.blocks])
    outbox.post(proposal(9, bytes: 10))
    outbox.post(vote(9))
    let next = try #require(await outbox.take())
    #expect(next.map(\.lane) == [.urgent, .blocks])
    for piece in begun + next { outbox.wrote(piece.wireSize, link: link) }
    let rest = try await drain(outbox)
    // A new link sends what was begun from its beginning.
    #expect(views(rest) == ["e1", "p9", "e2"])
  }

  @Test func piecesOfBlocksWaitForTheWireAndVotesDoNot() async throws {
    let outbox = PeerOutbox()
    let link = outbox.begin()
    outbox.post(proposal(1, bytes: 4 << 20))
    var sent = 0
    while outbox.inFlight < PeerLimits.inFlightBytes {
      sent += try #require(await outbox.take()).reduce(0) { $0 + $1.wireSize }
    }
    #expect(outbox.inFlight == sent)
    #expect(sent <= PeerLimits.inFlightBytes + PeerLimits.writeBytes)
    outbox.post(vote(1))
    let pieces = try #require(await outbox.take())
    #expect(pieces.map(\.lane) == [.urgent])
    // Somebody waits; the wire moves on.
    async let next = outbox.take()
    outbox.wrote(sent, link: link)
    #expect(await next?.map(\.lane) == [.blocks])
    // What an older link reports counts no more.
    _ = outbox.begin()
    outbox.wrote(1000, link: link)
    #expect(outbox.inFlight == 0)
  }

  @Test func answersGetTheirTurn() async throws {
    let outbox = PeerOutbox()
    let link = outbox.begin()
    outbox.post(proposal(1, bytes: 2 << 20))
    outbox.post(answer(1, bytes: 2 << 20))
    var lanes: [PeerLane] = []
    for _ in 0..<16 {
      for piece in try #require(await outbox.take()) {
        lanes.append(piece.lane)
        outbox.wrote(piece.wireSize, link: link)
      }
    }
    #expect(lanes.count { $0 == .answers } == 16 / PeerLimits.answerTurn)
  }

  @Test func whoWaitsIsWokenByAPostAndByCancellation() async throws {
    let outbox = PeerOutbox()
    async let pieces = outbox.take()
    await Task.yield()
    outbox.post(vote(4))
    #expect(await pieces?.count == 1)
    let waiting = Task { await outbox.take() }
    await Task.yield()
    waiting.cancel()
    #expect(await waiting.value == nil)
  }

  @Test func wireSizesAreThoseOfTheFrames() {
    for (lane, count, isLast) in [
      (PeerLane.urgent, 1, true), (.urgent, 127, false), (.blocks, 128, true),
      (.blocks, 16_383, false), (.answers, 16_384, true), (.answers, 65_536, false),
    ] {
      let bytes = [UInt8](repeating: 1, count: count)
      let piece = OutboxPiece(lane: lane, isLast: isLast, bytes: bytes[...])
      #expect(piece.wireSize == 5 + frameSize(lane, isLast, bytes))
    }
  }
}
