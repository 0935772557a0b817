# Flags every target of the project shares.
add_library(issun_flags INTERFACE)
target_compile_options(issun_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -ffp-contract=off -fno-omit-frame-pointer)
target_include_directories(issun_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(ISSUN_SANITIZE)
  target_compile_options(issun_flags INTERFACE -fsanitize=${ISSUN_SANITIZE} -fno-sanitize-recover=all)
  if(ISSUN_SANITIZE MATCHES undefined)
    # A null pointer ends in the other sanitizer all the same; what `function` needs, Clang 14 cannot put before coroutines.
    target_compile_options(issun_flags INTERFACE -fno-sanitize=null,object-size
      $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
  endif()
  target_link_options(issun_flags INTERFACE -fsanitize=${ISSUN_SANITIZE})
endif()
