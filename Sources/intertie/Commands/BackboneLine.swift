import ArgumentParser
import Domain
import Wire

extension BackboneCommand {
  struct Line: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Operator: enters an interconnector, or gives one new figures.",
      discussion: """
        It carries so much power in each direction, 0 for none. Its owner, an account on the \
        backbone that comes into being, gets the wheeling fee, and the congestion rent when it is \
        full. Of a line that exists everything stays that is not given.
        """)
    @Argument(help: "The line's number.") var number: UInt64
    @Argument(help: "The grid at its one end.") var from: String
    @Argument(help: "The grid at its other end.") var to: String
    @Option(help: "Power from the one to the other, kW; needed for a new line.")
    var forth: String?
    @Option(help: "Power back, kW. Default of a new line: as --forth.") var back: String?
    @Option(help: "Wheeling fee either way, ¤/kWh. Default of a new line: 0.") var fee: String?
    @Option(help: "Key of the owner. Default of a new line: the signer.") var owner: String?
    @OptionGroup var submission: Submission

    func run() async throws {
      let (overview, status) = try await submission.address.connect {
        (try await $0.overview(), try await $0.currentStatus())
      }
      let directory = GridDirectory(overview)
      let ends = (try directory.grid(from), try directory.grid(to))
      guard ends.0 != ends.1 else {
        throw ValidationError("a line is between two grids, and both ends are \(ends.0)")
      }
      let known = overview.lines.first { $0.line == number }
      let line = try known.map { try changed($0, ends, directory) } ?? entered(ends)
      do { try line.validate(intervalSeconds: status.intervalS) } catch {
        throw ValidationError(
          "a line carries 0 kW or more, at most 1 TWh in a round; its fee is 0 to "
            + "\(Amounts.text(micro: Limits.price, decimals: 0)) ¤/kWh, its owner somebody's key")
      }
      if let known, !submission.json {
        for change in Self.changes(from: known, to: line) { print("line \(number): \(change)") }
      }
      try await submission.submit(.putLine(line))
    }

    private func entered(_ ends: (ChainID, ChainID)) throws -> Interconnector {
      guard let forth else {
        throw ValidationError("there is no line \(number): give --forth to enter it")
      }
      let signer = try KeyFile.load(submission.signer.key).publicKey
      return Interconnector(
        id: number, from: ends.0, to: ends.1,
        forth: Power(try Amounts.argument(forth, "--forth")),
        back: Power(try Amounts.argument(back ?? forth, "--back")),
        fee: Price(try Amounts.argument(fee ?? "0", "--fee")),
        owner: try owner.map { try PublicKey(argument: $0, "--owner") } ?? signer)
    }

    private func changed(
      _ line: Intertie_V1_BackboneLine, _ ends: (ChainID, ChainID), _ directory: GridDirectory
    ) throws -> Interconnector {
      guard line.from == ends.0.data, line.to == ends.1.data else {
        throw ValidationError(
          "line \(number) goes from \(directory.label(line.from)) to \(directory.label(line.to)): "
            + "name its ends in this order")
      }
      guard let present = PublicKey(line.owner) else {
        throw CommandFailure("the node gives an owner's key that is none")
      }
      return Interconnector(
        id: number, from: ends.0, to: ends.1,
        forth: Power(try forth.map { try Amounts.argument($0, "--forth") } ?? line.forthMw),
        back: Power(try back.map { try Amounts.argument($0, "--back") } ?? line.backMw),
        fee: Price(try fee.map { try Amounts.argument($0, "--fee") } ?? line.fee),
        owner: try owner.map { try PublicKey(argument: $0, "--owner") } ?? present)
    }

    private static func changes(
      from old: Intertie_V1_BackboneLine, to new: Interconnector
    ) -> [String] {
      func change(_ name: String, _ before: Int64, _ after: Int64, _ unit: String) -> String? {
        before == after
          ? nil
          : "\(name) \(Amounts.text(micro: before)) -> \(Amounts.text(micro: after)) \(unit)"
      }
      var changes = [
        change("forth", old.forthMw, new.forth.raw, "kW"),
        change("back", old.backMw, new.back.raw, "kW"),
        change("fee", old.fee, new.fee.raw, "¤/kWh"),
      ].compactMap { $0 }
      if let owner = PublicKey(old.owner), owner != new.owner {
        changes.append("owner \(owner.text(as: .account)) -> \(new.owner.text(as: .account))")
      }
      return changes.isEmpty ? ["nothing changes"] : changes
    }
  }
}
