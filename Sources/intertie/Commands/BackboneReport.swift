import ArgumentParser
import Domain
import Foundation
import Node
import Wire

extension BackboneCommand {
  struct Report: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows the backbone that a grid has two histories.",
      discussion: """
        ONE and TWO are proofs in files, of a balance (wallet proof --out) or a receipt (wallet \
        receipt --proof), that hold different final blocks of the grid at one height: in their \
        headers, or between these and the ones that were finalized. The two need not be of one \
        member. Whoever validates the grid has signed both, so the grid's lane is frozen for ever, \
        with both blocks' hashes in the backbone's state and their proofs in one of its blocks. \
        Nobody has to sign the report.

        Exit status: 0 frozen, 1 the files show nothing of the kind, 2 rejected.
        """)
    @Argument(help: "A proof of one history.", completion: .file()) var one: String
    @Argument(help: "A proof of the other.", completion: .file()) var two: String
    @OptionGroup var address: NodeAddress
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let files = try [one, two].map { path in
        let bytes = Array(try Files.read(path, what: "proof"))
        do { return try ProofFile(decoding: bytes) } catch {
          throw CommandFailure("\(path): \(error)")
        }
      }
      let chain = files[0].validators.chain
      let result = try await address.connect { connection in
        let grids = try await connection.overview().grids
        guard let grid = grids.first(where: { ChainID($0.grid) == chain }) else {
          throw CommandFailure("chain \(chain) is not entered on the backbone")
        }
        let report: HistoryReport
        do throws(NodeFailure) {
          report = try HistoryReport(files[0], files[1], known: grid.epoch)
        } catch { throw CommandFailure("\(error)") }
        return try await connection.backbone.report(
          .with { $0.report = Data(report.encoded) }, options: NodeConnection.options
        ).result
      }
      if json {
        print(try result.jsonString())
      } else if result.rejection == .none {
        print("grid \(chain) is frozen (block \(result.height) of the backbone)")
      } else {
        print("rejected: \(Self.words(result.rejection.domain))")
      }
      if result.rejection != .none { throw ExitCodes.rejected }
    }

    private static func words(_ reason: Rejection?) -> String {
      switch reason {
      case .duplicate: "the grid is frozen already"
      case .staleVersion: "a block is of an epoch that is over: its keys prove nothing any more"
      case .unknownObject: "the validators of a block's epoch are not proven"
      case .badSignature: "a quorum of the validators that the backbone knows has not signed it"
      default: reason.map { "\($0)" } ?? "for an unknown reason"
      }
    }
  }
}
