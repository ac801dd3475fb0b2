import Domain
import Node
import Testing

@Suite struct PeerFileTests {
  private static let keys = (1...3).map {
    SigningKey(seed: [UInt8](repeating: UInt8($0), count: 32))!.publicKey
  }
  private static let own = SigningKey(seed: [UInt8](repeating: 9, count: 32))!.publicKey

  private static func name(_ index: Int) -> String { keys[index].text(as: .node) }

  private func parse(_ text: String) throws(NodeFailure) -> PeersFile {
    try PeersFile(Array(text.utf8), name: "peers", own: Self.own)
  }

  @Test func aFileWithCommentsAndAllKindsOfAddresses() throws {
    let file = try parse(
      "# peers of the street\n\n\(Self.name(0)) 127.0.0.1:7001\r\n"
        + "  \(Self.name(1))\tnode-2.example_net:65535  # the school\n\(Self.name(2)) [::1]:1")
    #expect(file.entries.map(\.key) == Self.keys)
    #expect(
      file.entries.map(\.address) == [
        PeerAddress(host: "127.0.0.1", port: 7001),
        PeerAddress(host: "node-2.example_net", port: 65_535), PeerAddress(host: "::1", port: 1),
      ])
    #expect(file.entries.map(\.address.description).last == "[::1]:1")
    #expect(try parse("").entries.isEmpty)
    #expect(try parse("#").entries.isEmpty)
  }

  static let faultyFiles: [(text: String, error: String)] = [
    ("\n\(name(0))", "peers line 2: expected 'tienode1… HOST:PORT', found 1 words"),
    ("\(name(0)) a:1 b", "peers line 1: expected 'tienode1… HOST:PORT', found 3 words"),
    ("nobody a:1", "peers line 1: 'nobody' is not a node's key (tienode1…)"),
    (
      "\(keys[0].text(as: .account)) a:1",
      "peers line 1: '\(keys[0].text(as: .account))' is not a node's key (tienode1…)"
    ),
    (
      "#\n\n\(own.text(as: .node)) a:1",
      "peers line 3: this is the node's own key"
    ),
    (
      "\(name(0)) a:1\n#\n\(name(0)) a:2",
      "peers line 3: the key stands in line 1 already"
    ),
    (
      "\(name(0)) a:1\n\(name(1)) a:1",
      "peers line 2: the address stands in line 1 already"
    ),
  ]

  @Test(arguments: faultyFiles.indices) func faults(index: Int) {
    let (text, expected) = Self.faultyFiles[index]
    do throws(NodeFailure) {
      _ = try parse(text)
      Issue.record("taken: \(text)")
    } catch {
      #expect(error.description == expected)
    }
  }

  @Test(arguments: [
    "a", "a:", ":1", "a:0", "a:65536", "a:99999999999999999999", "a:+1", "a:-1", "a:1x", "a: 1",
    "::1:7", "[::1]", "[a]:1", "a/b:1", "é:1", "a@b:1",
  ])
  func badAddresses(text: String) {
    #expect(PeerAddress(text) == nil)
  }

  @Test func aKeyOfSmallOrderIsNone() {
    let key = PublicKey(Bytes32(1 << 56, 0, 0, 0)).text(as: .node)
    #expect(throws: NodeFailure.self) { try parse("\(key) a:1") }
  }

  @Test func sizesAreBounded() {
    let long = String(repeating: "#", count: PeerLimits.peersFileBytes + 1)
    #expect(throws: NodeFailure.self) { try parse(long) }
    #expect(throws: NodeFailure.self) {
      try PeersFile([0xff, 0xfe], name: "peers", own: Self.own)
    }
    let many = (0...PeerLimits.peers).map { index in
      "\(SigningKey.generate().publicKey.text(as: .node)) a:\(index + 1)\n"
    }
    #expect(throws: NodeFailure.self) { try parse(many.joined()) }
    #expect(throws: Never.self) { try parse(many.dropLast().joined()) }
  }

  @Test func aMissingFileIsNamed() {
    #expect(throws: NodeFailure.self) { try PeersFile.read("/nowhere/peers", own: Self.own) }
  }
}
