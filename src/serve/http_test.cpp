#include <doctest/doctest.h>

#include "serve/http_message.h"

using namespace issun::serve;

TEST_CASE("Percent signs become bytes, and what is no escape stays") {
  CHECK(percent_decoded("/a%20b") == "/a b");
  CHECK(percent_decoded("%E4%b8%80") == "一");
  CHECK(percent_decoded("100%") == "100%");
  CHECK(percent_decoded("%zz%4") == "%zz%4");
}

TEST_CASE("The head of an answer says how its end is known") {
  CHECK(head_of(200, {{"Content-Type", "text/plain"}}, 5, true) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
        "Connection: keep-alive\r\n\r\n");
  CHECK(head_of(404, {}, -1, false) ==
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  CHECK(chunk_of("hello hello hello") == "11\r\nhello hello hello\r\n");
}
