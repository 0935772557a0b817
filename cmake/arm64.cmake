# Debian's cross compiler for ARM64, and qemu-user to run what it made. Libraries for ARM64 are those that Debian has
# installed beside the host's own (libfmt-dev:arm64 ...), or what scripts/install_arm64.sh unpacked into build/arm64-root.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# The processor that is emulated: cortex-a72 has no dot products, neoverse-n1 has them, neoverse-v1 and max have I8MM too.
set(ISSUN_EMULATED_CPU max CACHE STRING "what qemu-user pretends to be")
set(ISSUN_EMULATED_ISAS "scalar neon neondot neoni8mm" CACHE STRING "what that processor can run, by the names of ISSUN_ISA")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu ${ISSUN_EMULATED_CPU})
get_filename_component(unpacked ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-root/usr ABSOLUTE)
if(EXISTS ${unpacked})
  list(PREPEND CMAKE_PREFIX_PATH ${unpacked})
  # Of libraries that are looked up when they are needed, only these headers are different for each machine.
  set(CMAKE_CXX_FLAGS_INIT "-isystem ${unpacked}/include/aarch64-linux-gnu")
endif()
