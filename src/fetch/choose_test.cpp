#include "fetch/choose.h"

#include <doctest/doctest.h>

namespace issun::fetch {

namespace {

std::vector<HubModel> models_of(const std::vector<std::string>& paths) {
  std::vector<HubFile> files;
  for (const std::string& path : paths) files.push_back({.path = path, .bytes = 10});
  const auto models = models_among(files);
  REQUIRE(models);
  return *models;
}

Result<HubModel> chosen(const std::vector<HubModel>& models, const char* address) {
  return choose_model(models, *parse_address(address));
}

}  // namespace

TEST_CASE("parts are one model, companions are none") {
  const auto models = models_of({"x-Q8_0-00002-of-00002.gguf", "x-Q8_0-00001-of-00002.gguf",
                                 "mmproj-x-f16.gguf", "x-Q4_K_M.gguf", "x.imatrix.gguf"});
  REQUIRE(models.size() == 2);
  CHECK(models[0].type == "Q4_K_M");
  CHECK(models[1].files.size() == 2);
  CHECK(models[1].path() == "x-Q8_0-00001-of-00002.gguf");
  for (const auto& paths :
       {std::vector<std::string>{"x-00001-of-00003.gguf", "x-00003-of-00003.gguf"},
        std::vector<std::string>{"x-00002-of-00002.gguf"},
        std::vector<std::string>{"x-00001-of-00002.gguf"}}) {
    std::vector<HubFile> files;
    for (const std::string& path : paths) files.push_back({.path = path});
    CHECK(!models_among(files));
  }
}

TEST_CASE("without a type the best of four bits is taken, or the only model") {
  CHECK(chosen(models_of({"x-F16.gguf", "x-Q4_K_M.gguf", "x-Q8_0.gguf"}), "hf:a/b")->type ==
        "Q4_K_M");
  CHECK(chosen(models_of({"x-F16.gguf", "x-Q8_0.gguf", "x-Q2_K.gguf"}), "hf:a/b")->type == "Q8_0");
  CHECK(chosen(models_of({"strange.gguf"}), "hf:a/b")->path() == "strange.gguf");
}

TEST_CASE("what is not there, or is several, is answered with what there is") {
  const auto models = models_of({"x-Q4_0.gguf", "old/x-Q4_0.gguf", "x-Q8_0.gguf"});
  CHECK(chosen(models, "hf:a/b:q8_0")->path() == "x-Q8_0.gguf");
  CHECK(chosen(models, "hf:a/b/old/x-Q4_0.gguf")->path() == "old/x-Q4_0.gguf");
  for (const char* address : {"hf:a/b:Q4_0", "hf:a/b:Q5_K_M", "hf:a/b/no.gguf", "hf:a/b"}) {
    CAPTURE(address);
    const auto none = chosen(models, address);
    REQUIRE(!none);
    CHECK(none.error().message.find("old/x-Q4_0.gguf") != std::string::npos);
  }
  CHECK(!chosen({}, "hf:a/b"));
  CHECK(name_of(models, models[1], "a/b") == "a/b/x-Q4_0.gguf");
  CHECK(name_of(models, models[2], "a/b") == "a/b:Q8_0");
}

TEST_CASE("the list of a hub is read, and refused when it would lead astray") {
  const std::string sum(64, '0');
  const auto files = read_file_list(
      R"([{"type":"directory","path":"d"},{"type":"file","path":"README.md","size":1},
          {"type":"file","path":"x.gguf","size":100,"lfs":{"oid":")" +
      sum + R"(","size":200}},{"type":"file","path":"small.gguf","size":5}])");
  REQUIRE(files);
  REQUIRE(files->size() == 2);
  CHECK((*files)[0].bytes == 200);
  CHECK((*files)[0].sha256 == sum);
  CHECK((*files)[1].sha256.empty());
  for (const char* json :
       {"", "{}", "<html>", R"([{"type":"file","path":"../x.gguf","size":1}])",
        R"([{"type":"file","path":"/x.gguf","size":1}])",
        R"([{"type":"file","path":"a\u0000.gguf","size":1}])",
        R"([{"type":"file","path":"a\u001b.gguf","size":1}])",
        R"([{"type":"file","path":"x.gguf","size":-1}])", R"([{"type":"file","path":"x.gguf"}])",
        R"([{"type":"file","path":"x.gguf","size":1,"lfs":{"oid":"abc","size":1}}])"}) {
    CAPTURE(json);
    CHECK(!read_file_list(json));
  }
  CHECK(next_page(R"(<https://h/a?cursor=1>; rel="next")") == "https://h/a?cursor=1");
  CHECK(next_page(R"(<https://h/p>; rel="prev", <https://h/n>; rel="next")") == "https://h/n");
  CHECK(next_page("").empty());
}

TEST_CASE("a token does not go over the net in the open") {
  CHECK(make_hub("http://127.0.0.1:80/x/", "t")->endpoint == "http://127.0.0.1:80/x");
  CHECK(make_hub("https://mirror.example", "t"));
  CHECK(make_hub("http://mirror.example", ""));
  CHECK(!make_hub("http://mirror.example", "t"));
  CHECK(!make_hub("http://127.0.0.1.mirror.example", "t"));
  CHECK(!make_hub("http://localhost.mirror.example", "t"));
  CHECK(!make_hub("mirror.example", ""));
  CHECK(!make_hub("https://mirror.example", "two words"));
}

}  // namespace issun::fetch
