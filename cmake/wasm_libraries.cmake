# The libraries of layers 0-4 as WebAssembly has them: of fmt the headers, of threads none; and those of the tests without what is
# not there, exceptions above all. What WASI emulates is for tests: signals that never come, and the time of the process.
add_library(Threads::Threads INTERFACE IMPORTED)
add_library(fmt::fmt INTERFACE IMPORTED)
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
add_compile_definitions(DOCTEST_CONFIG_NO_EXCEPTIONS_BUT_WITH_ALL_ASSERTS DOCTEST_CONFIG_NO_MULTITHREADING
  DOCTEST_CONFIG_NO_POSIX_SIGNALS JSON_NOEXCEPTION _WASI_EMULATED_SIGNAL _WASI_EMULATED_PROCESS_CLOCKS)
link_libraries(-lwasi-emulated-process-clocks)
