import Crypto
import Domain
import TestSupport
import Testing

@Suite struct SmallOrderTests {
  /// R and S of zero satisfy the verification equation under the key zero for a share of messages.
  @Test func aKeyOfSmallOrderVerifiesNothing() {
    #expect(PublicKey(.zero).hasSmallOrder)
    #expect(PublicKey(Bytes32(1 << 56, 0, 0, 0x80)).hasSmallOrder)
    #expect(!SigningKey.generate().publicKey.hasSmallOrder)
    for byte in 0...63 as ClosedRange<UInt8> {
      #expect(!PublicKey(.zero).verifies(.zero, of: [byte], for: .command))
    }
  }
}

@Suite struct Bech32mTests {
  /// Prefix, text, bytes: the valid strings of BIP-350 whose data are whole bytes.
  @Test(arguments: [
    ("a", "A1LQFN3A", ""), ("a", "a1lqfn3a", ""), ("?", "?1v759aa", ""),
    (
      "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber1",
      "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
      ""
    ),
    (
      "abcdef", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
      "ffbbcdeb38bdab49ca307b9ac5a928398a418820"
    ),
    (
      "split", "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
      "c5f38b70305f519bf66d85fb6cf03058f3dde463ecd7918f2dc743918f2d"
    ),
  ])
  func publishedVectors(_ row: (String, String, String)) {
    #expect(Bech32m.decode(prefix: row.0, row.1).map { Hex.encode($0) } == row.2)
    #expect(Bech32m.encode(prefix: row.0, Hex.decode(row.2)!) == row.1.lowercased())
  }

  /// Prefix and text: invalid by BIP-350, by BIP-173's checksum, or not whole bytes.
  @Test(arguments: [
    ("a", "qyrz8wqd2c9m"), ("y", "y1b0jsk6g"), ("lt", "lt1igcx5c0"),
    ("in", "in1muywd"), ("mm", "mm1crxm3i"), ("au", "au1s5cgom"), ("m", "M1VUXWEZ"),
    ("a", "A12UEL5L"), ("a", "a1Lqfn3a"), ("b", "a1lqfn3a"),
    ("a", ""), ("a", "a"), ("a", "a1"), ("a", "a1lqfn3"), ("ab", "a1lqfn3a"),
    (
      "1",
      "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8"
    ),
    ("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"), ("a", "a1lqfn3ä"),
  ])
  func invalidText(_ row: (String, String)) {
    #expect(Bech32m.decode(prefix: row.0, row.1) == nil)
  }

  @Test(arguments: 0..<200 as Range<UInt64>)
  func roundTrip(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let bytes = random.bytes(random.below(48))
    for prefix in ["tie", "tiemeter", "x1y"] {
      let text = Bech32m.encode(prefix: prefix, bytes)
      #expect(Bech32m.decode(prefix: prefix, text) == bytes, "seed \(seed)")
      #expect(Bech32m.decode(prefix: prefix, text.uppercased()) == bytes, "seed \(seed)")
    }
  }

  @Test func everyChangedCharacterIsFound() {
    let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l")
    let text = Array(PublicKey(Bytes32(1, 2, 3, .max)).text(as: .account))
    #expect(text.starts(with: "tie1"))
    var changed = 0
    for place in text.indices {
      for character in alphabet where character != text[place] {
        var other = text
        other[place] = character
        #expect(PublicKey(text: String(other), as: .account) == nil)
        changed += 1
      }
      var shorter = text
      shorter.remove(at: place)
      #expect(PublicKey(text: String(shorter), as: .account) == nil)
    }
    // The i of the prefix and the separator are not in the alphabet.
    #expect(changed == text.count * 31 + 2)
  }

  @Test func kindsAreKeptApart() {
    let key = PublicKey(Bytes32(5, 6, 7, 8))
    for kind in [PublicKey.Kind.account, .meter, .node] {
      for other in [PublicKey.Kind.account, .meter, .node] {
        #expect(PublicKey(text: key.text(as: kind), as: other) == (kind == other ? key : nil))
      }
    }
    // A good checksum over 31 and 33 bytes is not a key.
    for count in [31, 33] {
      let text = Bech32m.encode(prefix: "tie", Array(repeating: 1, count: count))
      #expect(PublicKey(text: text, as: .account) == nil)
    }
  }
}

/// RFC 8032, section 7.1, tests 1 to 3.
struct Ed25519Vector: Sendable {
  var seed: String
  var key: String
  var message: String
  var signature: String

  static let all = [
    Ed25519Vector(
      seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
      signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    Ed25519Vector(
      seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", message: "72",
      signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    Ed25519Vector(
      seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", message: "af82",
      signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
  ]
}

@Suite struct SigningTests {
  @Test(arguments: Ed25519Vector.all)
  func publishedVectors(_ vector: Ed25519Vector) throws {
    let signing = try #require(SigningKey(seed: Hex.decode(vector.seed)!))
    #expect(Hex.encode(signing.publicKey.array) == vector.key)
    #expect(Hex.encode(signing.seed) == vector.seed)
    let signature = try #require(Signature(Hex.decode(vector.signature)!))
    let message = Hex.decode(vector.message)!
    // The library that the keys rest on, without our prefix.
    let raw = try Curve25519.Signing.PublicKey(rawRepresentation: signing.publicKey.array)
    #expect(raw.isValidSignature(signature.array, for: message))
    // With the prefix it is another message.
    #expect(!signing.publicKey.verifies(signature, of: message, for: .reading))
    let own = signing.sign(message, for: .reading)
    #expect(signing.publicKey.verifies(own, of: message, for: .reading))
    #expect(raw.isValidSignature(own.array, for: Array("intertie/reading/v1".utf8) + message))
    #expect(!raw.isValidSignature(own.array, for: message))
  }

  @Test func kindsOfSignaturesAreKeptApart() throws {
    let key = try #require(SigningKey(seed: Array(repeating: 7, count: 32)))
    let domains = [SigningDomain.reading, .command, .consensus]
    for domain in domains {
      let signature = key.sign([1, 2, 3], for: domain)
      for other in domains {
        #expect(key.publicKey.verifies(signature, of: [1, 2, 3], for: other) == (domain == other))
      }
    }
  }

  @Test func everyChangedBitIsFound() throws {
    let key = try #require(SigningKey(seed: Array(0..<32)))
    let payload: [UInt8] = [0xca, 0xfe]
    let signature = key.sign(payload, for: .command)
    for bit in 0..<512 {
      var bytes = signature.array
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!key.publicKey.verifies(Signature(bytes)!, of: payload, for: .command))
    }
    for bit in 0..<16 {
      var bytes = payload
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!key.publicKey.verifies(signature, of: bytes, for: .command))
    }
    for bit in 0..<256 {
      var bytes = key.publicKey.array
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!PublicKey(bytes)!.verifies(signature, of: payload, for: .command))
    }
    #expect(!key.publicKey.verifies(.zero, of: payload, for: .command))
  }

  @Test func keysHaveThirtyTwoBytesAndKeepTheirSeed() throws {
    #expect(SigningKey(seed: Array(repeating: 0, count: 31)) == nil)
    #expect(SigningKey(seed: Array(repeating: 0, count: 33)) == nil)
    #expect(SigningKey.generate().seed != SigningKey.generate().seed)
    let key = try #require(SigningKey(seed: Array(repeating: 9, count: 32)))
    #expect(key.description == "SigningKey(of: \(key.publicKey.text(as: .account)))")
    #expect(!key.description.contains(Hex.encode(key.seed)))
  }
}

@Suite struct BytesTests {
  @Test func orderIsThatOfTheByteStrings() {
    var random = SplitMix64(seed: 1)
    for _ in 0..<300 {
      var a = random.bytes(32)
      let b = random.below(2) == 0 ? random.bytes(32) : a
      a[random.below(32)] ^= UInt8(random.below(2))
      #expect((Bytes32(a)! < Bytes32(b)!) == a.lexicographicallyPrecedes(b))
      #expect((Bytes32(a)! == Bytes32(b)!) == (a == b))
      #expect(Bytes32(a)!.array == a)
      #expect(Signature(a + b)!.array == a + b)
      #expect(Hex.decode(Bytes32(a)!.hex)! == a)
    }
  }

  @Test func wrongLengthsAreNil() {
    for count in [0, 31, 33, 64] {
      let bytes = Array(repeating: UInt8(1), count: count)
      #expect(Bytes32(bytes) == nil && Digest(bytes) == nil && PublicKey(bytes) == nil)
      #expect((Signature(bytes) == nil) == (count != 64))
    }
    #expect(Hex.decode("abc") == nil && Hex.decode("0g") == nil)
    #expect(Hex.decode("00fFAb")! == [0, 255, 171])
  }

  /// FIPS 180-2, appendix B.1, and the empty message.
  @Test func sha256() {
    #expect(
      Digest.sha256(Array("abc".utf8)).description
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      Digest.sha256([]).description
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }
}
