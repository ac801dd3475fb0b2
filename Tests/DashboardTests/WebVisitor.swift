import Foundation

/// A plain TCP connection to a server on this machine, which can be as rude as it likes.
final class WebVisitor {
  private let socket: Int32

  struct Refused: Error {}

  /// Waits a minute at most for anything.
  init(port: Int) throws {
    let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var patience = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(
      socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      close(socket)
      throw Refused()
    }
    self.socket = socket
  }

  deinit { close(socket) }

  func say(_ text: String) {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }

  /// All that comes until the server ends the connection; nil when it does not in time.
  func listen() -> String? {
    var heard: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(socket, &piece, piece.count, 0)
      if count > 0 {
        heard += piece[..<count]
      } else if count == 0 || errno == ECONNRESET {
        return String(decoding: heard, as: UTF8.self)
      } else {
        return nil
      }
    }
  }

  /// The place of the first whose connection the server ends; nil when it ends none in time.
  static func firstEnd(of visitors: [WebVisitor]) -> Int? {
    var waits = visitors.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
    guard poll(&waits, nfds_t(waits.count), 60_000) > 0 else { return nil }
    return waits.firstIndex { $0.revents != 0 }
  }

  static func ask(_ port: Int, _ request: String) throws -> String? {
    let visitor = try WebVisitor(port: port)
    visitor.say(request)
    return visitor.listen()
  }
}
