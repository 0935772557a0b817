#include "fetch/address.h"

#include <doctest/doctest.h>

#include "fetch/file_name.h"

namespace issun::fetch {

TEST_CASE("a repository is named with a type or a file, or alone") {
  const auto alone = parse_address("hf:some-one/A_model.v2");
  REQUIRE(alone);
  CHECK(alone->kind == Address::Kind::Repository);
  CHECK(alone->repository == "some-one/A_model.v2");
  CHECK(alone->type.empty());
  const auto typed = parse_address("hf:a/b:UD-Q4_K_XL");
  REQUIRE(typed);
  CHECK(typed->type == "UD-Q4_K_XL");
  const auto file = parse_address("hf:a/b/sub folder/x.gguf");
  REQUIRE(file);
  CHECK(file->file == "sub folder/x.gguf");
  for (const char* text : {"hf:some-one/A_model.v2", "hf:a/b:UD-Q4_K_XL", "hf:a/b/sub/x.gguf"}) {
    CHECK(parse_address(text)->text() == text);
  }
}

TEST_CASE("what is no repository is refused with what was expected") {
  for (const char* text :
       {"hf:", "hf:a", "hf:a/", "hf:/b", "hf:../b", "hf:a/..", "hf:a/.b", "hf:-a/b",
        "hf:a/b:", "hf:a/b:x/y", "hf:a/b/x.bin", "hf:a/b/../x.gguf", "hf:a/b//x.gguf",
        "hf:a/b/.x.gguf", "hf:a/b?x", "hf:a b/c", "hf:a/b\n"}) {
    CAPTURE(text);
    CHECK(!parse_address(text));
  }
  CHECK(parse_address("hf:a").error().message.find("hf:OWNER/NAME:TYPE") != std::string::npos);
}

TEST_CASE("an address of the web has to lead to a GGUF file") {
  const auto url = parse_address("HTTPS://Host:1/a/b%20c.gguf?download=true#top");
  REQUIRE(url);
  CHECK(url->kind == Address::Kind::Url);
  CHECK(url->url == "HTTPS://Host:1/a/b%20c.gguf?download=true");
  CHECK(*file_of_url(url->url) == "b c.gguf");
  for (const char* text :
       {"http://", "https:///x.gguf", "http://host", "http://host/", "http://host/x.bin",
        "http://host/a%2f..%2fx.gguf", "http://host/%2e%2e.gguf", "http://host/a b.gguf",
        "http://host/%00.gguf", "url:file:///x.gguf", "url:x.gguf", "url:ftp://host/x.gguf"}) {
    CAPTURE(text);
    CHECK(!parse_address(text));
  }
}

TEST_CASE("anything else is a name") {
  for (const char* text : {"a/b:Q4_K_M", "model.gguf", "./x", "file:///x.gguf", ""}) {
    const auto address = parse_address(text);
    REQUIRE(address);
    CHECK(address->kind == Address::Kind::Name);
    CHECK(address->name == text);
  }
}

TEST_CASE("an origin is scheme, host and port, and what is shown has no secrets") {
  CHECK(origin_of("https://Host:443/x") == "https://host");
  CHECK(origin_of("http://user:secret@host:8080/x?y") == "http://host:8080");
  CHECK(origin_of("http://host") != origin_of("https://host"));
  CHECK(origin_of("ftp://host").empty());
  CHECK(shown_url("https://user:secret@host/a/x.gguf?signature=secret") == "https://host/a/x.gguf");
}

TEST_CASE("paths of strangers stay below their folder") {
  for (const char* path : {"x.gguf", "a/b/c.gguf", "モデル.gguf", "a b.gguf"}) {
    CAPTURE(path);
    CHECK(expect_safe_path(path));
  }
  for (const std::string& path :
       {std::string(), std::string("/x"), std::string("../x"), std::string("a/../x"),
        std::string("a/./x"), std::string("a//x"), std::string("a/"), std::string(".x"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\x1b[2J"), std::string("a\0b", 3),
        std::string("\xff"), std::string("\xc2\x9b"), std::string(300, 'x'),
        std::string(2000, '/')}) {
    CAPTURE(path);
    CHECK(!expect_safe_path(path));
  }
}

TEST_CASE("the type of a model is read from its name") {
  CHECK(type_label("Model-7B-Instruct-Q4_K_M.gguf") == "Q4_K_M");
  CHECK(type_label("model.q8_0.gguf") == "Q8_0");
  CHECK(type_label("a/model-IQ2_XXS-00001-of-00002.gguf") == "IQ2_XXS");
  CHECK(type_label("m-UD-Q4_K_XL.gguf") == "Q4_K_XL");
  CHECK(type_label("m-bf16.gguf") == "BF16");
  CHECK(type_label("gpt-MXFP4.gguf") == "MXFP4");
  CHECK(type_label("Q6_K/model-00001-of-00002.gguf") == "Q6_K");
  CHECK(type_label("Qwen3-0.6B.gguf") == "");
  CHECK(type_label("model.gguf") == "");
  CHECK(has_type("m-UD-Q4_K_XL.gguf", "ud-q4_k_xl"));
  CHECK(has_type("m-UD-Q4_K_XL.gguf", "Q4_K_XL"));
  CHECK(!has_type("m-Q4_K_M.gguf", "K_M"));
}

TEST_CASE("names of parts are read as they are written") {
  const auto part = part_name("a/x-00002-of-00003.gguf");
  REQUIRE(part);
  CHECK(part->prefix == "a/x");
  CHECK(part->number == 2);
  CHECK(part->count == 3);
  CHECK(stem("a/x-00002-of-00003.gguf") == "x");
  for (const char* name : {"x-00000-of-00003.gguf", "x-00004-of-00003.gguf", "x-1-of-3.gguf",
                           "x-0000a-of-00003.gguf", "-00001-of-00003.gguf", "x.gguf"}) {
    CAPTURE(name);
    CHECK(!part_name(name));
  }
}

}  // namespace issun::fetch
