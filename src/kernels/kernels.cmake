# The kernels: every file of isa/ is the same loops compiled for one instruction set, with its own flags.
file(GLOB_RECURSE isa_sources ${CMAKE_SOURCE_DIR}/src/kernels/isa/*.cpp)
set(isa_names scalar)
set(isa_machine)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(isa_machine ISSUN_X86)
  list(APPEND isa_names avx2 avx2vnni avx512 avx512bf16 amx)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(isa_machine ISSUN_ARM64)
  list(APPEND isa_names neon neondot)
endif()
set(isa_flags_avx2 -mavx2 -mfma -mf16c)
set(isa_flags_avx2vnni -mavx2 -mfma -mf16c -mavxvnni)
set(isa_flags_avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni)
set(isa_flags_avx512bf16 ${isa_flags_avx512} -mavx512bf16)
# Tiles are in assembly; of the loops in vectors the unit has only what tiles need.
set(isa_flags_amx ${isa_flags_avx512bf16} -Wno-unused-function)
set(isa_flags_neon -march=armv8-a)
set(isa_flags_neondot -march=armv8.2-a+dotprod)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC brings loads forward until registers run out, on ARM before it gives them out: a panel times three tokens, 64
  # columns, is 733 instructions with it and 460 without.
  list(APPEND isa_flags_neon -fno-schedule-insns)
  list(APPEND isa_flags_neondot -fno-schedule-insns)
endif()
# Sanitizers make every lane of every loop a branch, which takes very long to compile: the loops are checked for
# undefined behaviour where they are scalar, which are the same loops, and for addresses everywhere.
set(isa_optimisation -O3)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Two units of four rows jammed into one loop take more registers than there are: IQ4_NL 29 -> 54 tokens/s,
  # 1B, two threads, AVX-512; prompts and other types are the same within what runs differ.
  list(APPEND isa_optimisation -fno-loop-unroll-and-jam)
endif()
if(ISSUN_SANITIZE)
  set(isa_optimisation -O1)
  foreach(isa ${isa_names})
    if(NOT isa STREQUAL scalar)
      list(APPEND isa_flags_${isa} -fno-sanitize=undefined)
    endif()
  endforeach()
endif()
set(isa_objects)
foreach(source ${isa_sources})
  get_filename_component(isa ${source} NAME_WE)
  if(NOT isa IN_LIST isa_names)
    continue()
  endif()
  # Optimised in every build type, since nobody waits for a tenth of the speed while debugging the rest; full
  # debugging information would double the time to compile them.
  # GCC 12's AVX-512 headers raise false alarms about uninitialised values.
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
    "${isa_flags_${isa}};${isa_optimisation};-g1;-fno-exceptions;-fno-rtti;-fno-math-errno;-fno-trapping-math;-Wno-uninitialized;-Wno-maybe-uninitialized;-Wno-shadow")
  list(APPEND isa_objects ${source})
endforeach()

file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/*.cpp)
list(FILTER kernel_sources EXCLUDE REGEX "_(test|testing|fuzz)\\.cpp$")
add_library(issun_kernels STATIC ${kernel_sources} ${isa_objects})
target_link_libraries(issun_kernels PUBLIC issun_flags issun_tensor)
target_compile_options(issun_kernels PRIVATE -fno-exceptions)
target_compile_definitions(issun_kernels PRIVATE ${isa_machine})
issun_folder(kernels LINK issun_tensor)
if(ISSUN_TESTS)
  # Tiles in plain C++, for the tests of what uses tiles.
  add_library(issun_plain_tiles STATIC ${CMAKE_SOURCE_DIR}/src/kernels/tiles_testing.cpp)
  target_link_libraries(issun_plain_tiles PUBLIC issun_kernels)
  target_compile_options(issun_plain_tiles PRIVATE -O2 -Wno-unused-function -Wno-shadow)
  target_link_libraries(test_kernels PRIVATE issun_plain_tiles)
endif()

if(ISSUN_TESTS)
  add_test(NAME house.symbols COMMAND ${CMAKE_SOURCE_DIR}/scripts/check_symbols.sh $<TARGET_FILE:issun_kernels> ${CMAKE_NM})
endif()
if(ISSUN_BENCH)
  add_executable(bench_kernels ${CMAKE_SOURCE_DIR}/bench/kernels_bench.cpp)
  target_link_libraries(bench_kernels PRIVATE issun_kernels)
  add_executable(bench_gemm ${CMAKE_SOURCE_DIR}/bench/gemm_bench.cpp)
  target_link_libraries(bench_gemm PRIVATE issun_measure)
endif()
