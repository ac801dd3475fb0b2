import GRPCCore
import Logging
import Synchronization

/// What a call is known by in the log, here and at whoever made it: given by the client in the
/// metadata `x-request-id`, else made here. It is made when somebody wants to see it.
package struct RequestID: CustomStringConvertible, Sendable {
  /// Of the call that the running task serves; nil outside of one.
  @TaskLocal package static var current: RequestID?

  static let key = "x-request-id"
  /// Characters of an id that is taken from a client.
  private static let length = 64
  /// Of this process, so that ids of two runs differ.
  private static let run = UInt32.random(in: 0...(.max))
  private static let count = Atomic<UInt64>(0)

  private let given: String?
  private let number: UInt64

  /// Letters, digits, `-`, `_` and `.` only, so that a client writes nothing else into the log;
  /// what is not like that is passed over.
  package init(given: String?) {
    let isTaken =
      given.map {
        (1...Self.length).contains($0.utf8.count) && $0.utf8.allSatisfy(Self.isPlain)
      } ?? false
    self.given = isTaken ? given : nil
    number = isTaken ? 0 : Self.count.add(1, ordering: .relaxed).newValue
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    let character = Character(Unicode.Scalar(byte))
    return byte < 128 && (character.isLetter || character.isNumber || "-_.".contains(character))
  }

  /// The error with the id in what goes back to the client.
  func named(in error: any Error) -> any Error {
    guard var error = error as? RPCError else { return error }
    error.metadata.replaceOrAddString("\(self)", forKey: Self.key)
    return error
  }

  package var description: String {
    given ?? String(Self.run, radix: 16) + "-" + String(number, radix: 16)
  }
}

/// Gives every call its id, which goes back with the answer's metadata, and logs its beginning and
/// end.
struct RequestTracer: ServerInterceptor {
  let log: Logger

  func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>, context: ServerContext,
    next:
      @Sendable (StreamingServerRequest<Input>, ServerContext) async throws ->
      StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    let id = RequestID(given: request.metadata[stringValues: RequestID.key].first { _ in true })
    let method = context.descriptor
    return try await RequestID.$current.withValue(id) {
      log.debug(
        "call", metadata: ["method": "\(method)", "from": "\(context.remotePeer)"],
        source: "Requests")
      var response: StreamingServerResponse<Output>
      do { response = try await next(request, context) } catch {
        end(method, error)
        throw id.named(in: error)
      }
      switch response.accepted {
      case .failure(var error):
        end(method, error)
        error.metadata.replaceOrAddString("\(id)", forKey: RequestID.key)
        response.accepted = .failure(error)
      case .success(var contents):
        contents.metadata.replaceOrAddString("\(id)", forKey: RequestID.key)
        let produce = contents.producer
        // Of a stream this is the call itself, and runs when this function is over.
        contents.producer = { writer in
          try await RequestID.$current.withValue(id) {
            do {
              let metadata = try await produce(writer)
              end(method, nil)
              return metadata
            } catch {
              end(method, error)
              throw id.named(in: error)
            }
          }
        }
        response.accepted = .success(contents)
      }
      return response
    }
  }

  private func end(_ method: MethodDescriptor, _ error: (any Error)?) {
    log.debug(
      "answered",
      metadata: [
        "method": "\(method)",
        "status": "\((error as? RPCError)?.code.description ?? Self.other(error))",
      ], source: "Requests")
  }

  private static func other(_ error: (any Error)?) -> String {
    switch error {
    case nil: "ok"
    case is CancellationError: "cancelled"
    default: "unknown"
    }
  }
}
