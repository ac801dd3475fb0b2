#if canImport(Glibc)
  import Glibc
#endif

/// Gives the calling thread less of the cores than the process's first one has, by so many steps as
/// nice(2) counts. Linux lowers the one thread; elsewhere nothing happens, since it would be the
/// process.
func lowerThread(by steps: Int32) {
  #if os(Linux)
    let process = __priority_which_t(PRIO_PROCESS.rawValue)
    let own = getpriority(process, id_t(getpid()))
    _ = setpriority(process, 0, min(own + steps, 19))
  #endif
}
