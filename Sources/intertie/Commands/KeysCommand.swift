import ArgumentParser
import Domain
import Foundation

struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Makes and keeps Ed25519 keys, in files encrypted with scrypt and AES-GCM.",
    subcommands: [Make.self, Import.self, Export.self, Show.self])

  struct Protection: ParsableArguments {
    @Option(help: "File with the passphrase. Else $INTERTIE_PASSPHRASE, else the terminal.")
    var passphraseFile: String?

    func passphrase(confirming: Bool = false) throws -> String {
      try Passphrase.read(file: passphraseFile, confirming: confirming)
    }
  }

  struct Make: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes a fresh key.")
    @Argument(help: "The key file to create.") var path: String
    @OptionGroup var protection: Protection
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let file = try KeyFile(
        encrypting: .generate(), passphrase: try protection.passphrase(confirming: true))
      try file.save(path)
      try KeyTexts(file.publicKey).print(json: json)
    }
  }

  struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a key file from a 32-byte seed in hexadecimal, read from standard input.")
    @Argument(help: "The key file to create.") var path: String
    @OptionGroup var protection: Protection
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let text = (readLine() ?? "").trimmingCharacters(in: .whitespaces)
      guard let seed = Hex.decode(text), let key = SigningKey(seed: seed) else {
        throw CommandFailure("standard input is not a seed of 64 hexadecimal digits")
      }
      let file = try KeyFile(
        encrypting: key, passphrase: try protection.passphrase(confirming: true))
      try file.save(path)
      try KeyTexts(file.publicKey).print(json: json)
    }
  }

  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the seed in hexadecimal. Whoever reads it owns the account.")
    @Argument(help: "The key file.") var path: String
    @OptionGroup var protection: Protection

    func run() async throws {
      let key = try KeyFile.load(path).decrypt(passphrase: try protection.passphrase())
      print(Hex.encode(key.seed))
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the public key of a key file; no passphrase needed.")
    @Argument(help: "The key file.") var path: String
    @Flag(help: "Print JSON.") var json = false

    func run() async throws { try KeyTexts(try KeyFile.load(path).publicKey).print(json: json) }
  }
}

/// One public key in the three forms in which it is used.
struct KeyTexts: Encodable {
  var account: String
  var meter: String
  var node: String

  init(_ key: PublicKey) {
    account = key.text(as: .account)
    meter = key.text(as: .meter)
    node = key.text(as: .node)
  }

  func print(json: Bool) throws {
    if json {
      Swift.print(String(decoding: try Files.json(self), as: UTF8.self), terminator: "")
    } else {
      Swift.print("account  \(account)\nmeter    \(meter)\nnode     \(node)")
    }
  }
}
