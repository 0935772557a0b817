#include "fetch/curl.h"

#include "base/shared_library.h"

namespace issun::fetch {

Result<Curl> Curl::load() {
  const auto library = SharedLibrary::open({"libcurl.so.4", "libcurl-gnutls.so.4"});
  if (!library) {
    return fail("fetching needs libcurl: expected it to be installed (Debian: libcurl4): {}",
                library.error().message);
  }
  Curl curl;
  TRY(library->find("curl_global_init", curl.global_init));
  TRY(library->find("curl_easy_init", curl.easy_init));
  TRY(library->find("curl_easy_cleanup", curl.easy_cleanup));
  TRY(library->find("curl_easy_setopt", curl.easy_setopt));
  TRY(library->find("curl_easy_getinfo", curl.easy_getinfo));
  TRY(library->find("curl_easy_strerror", curl.easy_strerror));
  TRY(library->find("curl_multi_init", curl.multi_init));
  TRY(library->find("curl_multi_cleanup", curl.multi_cleanup));
  TRY(library->find("curl_multi_add_handle", curl.multi_add_handle));
  TRY(library->find("curl_multi_remove_handle", curl.multi_remove_handle));
  TRY(library->find("curl_multi_perform", curl.multi_perform));
  TRY(library->find("curl_multi_poll", curl.multi_poll));
  TRY(library->find("curl_multi_info_read", curl.multi_info_read));
  TRY(library->find("curl_slist_append", curl.slist_append));
  TRY(library->find("curl_slist_free_all", curl.slist_free_all));
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail("libcurl does not start");
  return curl;
}

}  // namespace issun::fetch
