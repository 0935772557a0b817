# WebAssembly of 32 bits under WASI, by clang 19 and the libraries that Debian has for it, and Node to run what they made.
# scripts/install_wasm.sh makes the root. Neither has threads, signals, exceptions or mapped files: layers 0-4 do without.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
set(CMAKE_AR llvm-ar-19)
set(CMAKE_RANLIB llvm-ranlib-19)
set(CMAKE_NM llvm-nm-19)
get_filename_component(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/wasm-root ABSOLUTE)
list(APPEND CMAKE_FIND_ROOT_PATH ${CMAKE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_CXX_FLAGS_INIT "-stdlib=libc++ -fno-exceptions -D_WASI_EMULATED_GETPID")
# The stack is that of a thread on Linux. Memory that is not touched costs nothing; from little that grows by hundreds of
# megabytes Node 20 dies when the module ends. Not optimised again at link: Debian's wasm-opt, which is then called where it is
# installed, spoils relaxed products.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-z,stack-size=8388608,--initial-memory=536870912 -lwasi-emulated-getpid")
set(ISSUN_NODE node CACHE STRING "the Node that runs what is built")
set(CMAKE_CROSSCOMPILING_EMULATOR ${ISSUN_NODE} ${CMAKE_CURRENT_LIST_DIR}/run_wasm.mjs)
