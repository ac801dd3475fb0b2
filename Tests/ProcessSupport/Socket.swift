import Foundation

/// TCP sockets of 127.0.0.1 that never block, by their descriptors.
package enum Socket {
  package enum Reading {
    case bytes([UInt8])
    case later
    /// The other side has no more to say.
    case end
    case failed
  }

  /// What one call reads at most.
  private static let readBytes = 64 << 10

  /// Several sockets may be bound to one port of ours, so that a port can be kept while no one
  /// listens there.
  package static func open() throws -> Int32 {
    let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { throw Fault("no socket: \(String(cString: strerror(errno)))") }
    prepare(socket)
    for (level, option) in [
      (SOL_SOCKET, SO_REUSEADDR), (SOL_SOCKET, SO_REUSEPORT),
      (Int32(IPPROTO_TCP), Int32(TCP_NODELAY)),
    ] {
      var on: Int32 = 1
      setsockopt(socket, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    return socket
  }

  /// Binds to `port`, 0 letting the system choose; the port.
  package static func bind(_ socket: Int32, to port: Int) throws -> Int {
    var address = loopback(port)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        Foundation.bind(socket, pointer, size) == 0 && getsockname(socket, pointer, &size) == 0
      }
    }
    guard result else { throw Fault("port \(port): \(String(cString: strerror(errno)))") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  /// Never to block, and not for processes that the tests start.
  package static func prepare(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  package static func listen(at port: Int) throws -> Int32 {
    let socket = try open()
    _ = try bind(socket, to: port)
    guard Foundation.listen(socket, 64) == 0 else { throw Fault("cannot listen at \(port)") }
    return socket
  }

  /// Nil when no one waits.
  package static func accept(_ socket: Int32) -> Int32? {
    let accepted = Foundation.accept(socket, nil, nil)
    guard accepted >= 0 else { return nil }
    prepare(accepted)
    return accepted
  }

  /// A connection that stands or is under way; nil when it was refused at once.
  package static func connect(to port: Int) -> Int32? {
    guard let socket = try? open() else { return nil }
    var address = loopback(port)
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Foundation.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0 || errno == EINPROGRESS { return socket }
    close(socket)
    return nil
  }

  private static func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr = in_addr(s_addr: in_addr_t(0x7f00_0001).bigEndian)
    return address
  }

  package static func read(_ socket: Int32) -> Reading {
    var bytes = [UInt8](repeating: 0, count: readBytes)
    let count = recv(socket, &bytes, readBytes, 0)
    if count > 0 { return .bytes(Array(bytes[..<count])) }
    if count == 0 { return .end }
    return errno == EAGAIN || errno == EINTR ? .later : .failed
  }

  /// Whether the other side, of which no more than a byte is awaited, has not ended the connection.
  package static func isOpen(_ socket: Int32) -> Bool {
    var byte: UInt8 = 0
    let count = recv(socket, &byte, 1, 0)
    return count > 0 || (count < 0 && errno == EAGAIN)
  }

  /// How many of the bytes were taken; nil when the connection is gone.
  package static func write(_ socket: Int32, _ bytes: ArraySlice<UInt8>) -> Int? {
    let count = bytes.withUnsafeBytes {
      send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? 0 : nil
  }

  /// Closes a connection so that its other side hears of it at once, with a reset.
  package static func reset(_ socket: Int32) {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close(socket)
  }
}
