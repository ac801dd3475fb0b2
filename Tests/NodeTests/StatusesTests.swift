import Domain
import GRPCCore
import GRPCProtobuf
import Node
import Testing

/// What a client sees of a node's failures.
@Suite struct StatusesTests {
  private static func hint(_ error: RPCError) -> Int64? {
    error.metadata[stringValues: "grpc-retry-pushback-ms"].first { _ in true }.flatMap { Int64($0) }
  }

  @Test func aBusyNodeSaysWhenToComeAgainInBothWays() throws {
    let error = RPCError(NodeFailure.busy("full", again: 3210))
    #expect(error.code == .resourceExhausted && error.message == "full")
    #expect(Self.hint(error) == 3210)
    let status = try #require(try error.unpackGoogleRPCStatus())
    #expect(status.details.first?.retryInfo?.delay == .milliseconds(3210))
    let other = try #require(Self.hint(RPCError(NodeFailure.busy("too many proofs"))))
    #expect(Limits.briefRetryMilliseconds.contains(other))
  }

  @Test func otherFailuresHaveNoHint() {
    let codes: [(NodeFailure, RPCError.Code)] = [
      (.stopped("s"), .unavailable), (.invalid("i"), .invalidArgument),
      (.notFound("n"), .notFound), (.storage("d"), .internalError),
      (.invariant("b"), .internalError),
    ]
    for (failure, code) in codes {
      let error = RPCError(failure)
      #expect(error.code == code && Self.hint(error) == nil)
    }
  }
}
