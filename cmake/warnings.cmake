# Flags every target of the project shares.
add_library(issun_flags INTERFACE)
target_compile_options(issun_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -ffp-contract=off -fno-omit-frame-pointer)
target_include_directories(issun_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(ISSUN_SANITIZE)
  target_compile_options(issun_flags INTERFACE -fsanitize=${ISSUN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(issun_flags INTERFACE -fsanitize=${ISSUN_SANITIZE})
endif()
