import NIOCore
import Node
import TestSupport
import Testing

@Suite struct PeerQueueTests {
  private func source(_ address: String) throws -> PeerSource {
    PeerSource(try SocketAddress(ipAddress: address, port: 1))
  }

  @Test func anAddressIsOneSourceHoweverItIsWritten() throws {
    #expect(try source("10.0.0.1") == source("::ffff:10.0.0.1"))
    #expect(try source("10.0.0.1") != source("10.0.0.2"))
    #expect(try source("2001:db8::1") == source("2001:db8::ffff:1"))
    #expect(try source("2001:db8::1") != source("2001:db8:0:1::1"))
    #expect(try source("127.0.0.1") == PeerSource(PeerAddress(host: "localhost", port: 7)))
    #expect(PeerSource(PeerAddress(host: "node.example", port: 7)) == nil)
  }

  @Test func aNewcomerFindsRoomAndTheOldestThatSaidNothingGoes() throws {
    var queue = PeerQueue<Int>(limit: 4)
    let source = try source("127.0.0.1")
    for id in 0..<4 { #expect(queue.admit(id, from: source) == nil) }
    queue.spoke(0)
    #expect(queue.admit(4, from: source) == 1)
    #expect(queue.admit(5, from: source) == 2)
    #expect(queue.contains(0) && queue.contains(5) && queue.count == 4)
    for id in [3, 4, 5] { queue.spoke(id) }
    // The newest is the only one that is silent as yet: it has had no time to speak.
    #expect(queue.admit(6, from: source) == 0)
    #expect(queue.contains(6))
  }

  @Test func whoeverComesInCrowdsGivesWay() throws {
    var queue = PeerQueue<Int>(limit: 8)
    let (peer, crowd) = (try source("10.0.0.1"), try source("10.0.0.2"))
    #expect(queue.admit(-1, from: peer) == nil)
    for id in 0..<1000 { _ = queue.admit(id, from: crowd) }
    #expect(queue.contains(-1) && queue.contains(999) && !queue.contains(992))
    #expect(queue.admit(-2, from: peer) == 993)
    #expect(queue.remove(-1) && !queue.remove(-1) && queue.count == 7)
  }

  @Test func aPeersAddressKeepsItsPlacesWhenEveryStrangerHasOneOfItsOwn() throws {
    var queue = PeerQueue<Int>(limit: 8)
    queue.know([PeerAddress(host: "10.0.0.1", port: 7), PeerAddress(host: "a.example", port: 7)])
    #expect(queue.admit(-1, from: try source("10.0.0.1")) == nil)
    for id in 0..<250 {
      #expect(queue.admit(id, from: try source("10.0.1.\(id)")) == (id < 7 ? nil : id - 7))
    }
    #expect(queue.admit(-2, from: try source("10.0.0.1")) == 243)
    #expect(queue.contains(-1) && queue.contains(-2))
    // The file has it no longer.
    queue.know([])
    #expect(queue.admit(-3, from: try source("10.0.0.1")) == -1)
  }
}
