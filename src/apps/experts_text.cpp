#include "apps/experts_text.h"

#include "base/file.h"

namespace issun::apps {

void ForcedText::add(CLI::App& command) {
  auto* given = command.add_option("-p,--prompt", text, "text to read");
  command.add_option("-f,--file", file, "file with the text; -: standard input")->excludes(given);
  command.add_option("--n-prompt", prompt, "tokens of it that are read at once, in batches")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  command
      .add_option("-n,--n-gen", tokens,
                  "tokens behind them that are read one by one, as if the model wrote them")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
}

Result<std::vector<int32_t>> ForcedText::read(const tokenizer::Tokenizer& tokenizer) const {
  if (text.empty() && file.empty()) return fail("expected a text: -p TEXT or -f FILE");
  const std::string content = file.empty() ? text : TRY(read_text(file));
  std::vector<int32_t> all = TRY(tokenizer.encode(content));
  const size_t wanted = static_cast<size_t>(prompt) + static_cast<size_t>(tokens);
  if (all.size() < wanted) {
    return fail("text: expected {} tokens (--n-prompt {} and -n {}), found {}", wanted, prompt,
                tokens, all.size());
  }
  all.resize(wanted);
  return all;
}

}  // namespace issun::apps
