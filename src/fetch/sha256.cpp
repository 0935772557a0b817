#include "fetch/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/shared_library.h"
#include "base/terminal.h"

namespace issun::fetch {

namespace {

struct Crypto {
  decltype(&EVP_MD_CTX_new) create;
  decltype(&EVP_MD_CTX_free) free;
  decltype(&EVP_sha256) sha256;
  decltype(&EVP_DigestInit_ex) init;
  decltype(&EVP_DigestUpdate) update;
  decltype(&EVP_DigestFinal_ex) final;

  static Result<Crypto> load() {
    const auto library = SharedLibrary::open({"libcrypto.so.3", "libcrypto.so.1.1"});
    if (!library) {
      return fail("checking needs libcrypto: expected it to be installed (Debian: libssl3): {}",
                  library.error().message);
    }
    Crypto crypto;
    TRY(library->find("EVP_MD_CTX_new", crypto.create));
    TRY(library->find("EVP_MD_CTX_free", crypto.free));
    TRY(library->find("EVP_sha256", crypto.sha256));
    TRY(library->find("EVP_DigestInit_ex", crypto.init));
    TRY(library->find("EVP_DigestUpdate", crypto.update));
    TRY(library->find("EVP_DigestFinal_ex", crypto.final));
    return crypto;
  }
};

}  // namespace

Result<std::string> sha256_of(const File& file, const std::function<void(int64_t)>& progress) {
  const Crypto crypto = TRY(Crypto::load());
  const std::unique_ptr<EVP_MD_CTX, decltype(crypto.free)> sum(crypto.create(), crypto.free);
  if (!sum || crypto.init(sum.get(), crypto.sha256(), nullptr) != 1) {
    return fail("libcrypto: expected it to know SHA-256");
  }
  const int64_t bytes = TRY(file.size());
  std::vector<std::byte> piece(1 << 20);
  for (int64_t at = 0; at < bytes;) {
    if (Interrupts::pending()) return fail("{}: interrupted", file.path());
    const auto length = std::min<int64_t>(bytes - at, static_cast<int64_t>(piece.size()));
    const auto part = std::span(piece).first(static_cast<size_t>(length));
    TRY(file.read_at(at, part));
    crypto.update(sum.get(), part.data(), part.size());
    at += length;
    progress(at);
  }
  std::array<unsigned char, 32> digest{};
  crypto.final(sum.get(), digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace issun::fetch
