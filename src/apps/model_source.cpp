#include "apps/model_source.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "apps/commands.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/terminal.h"
#include "fetch/store.h"

namespace issun::apps {

namespace {

constexpr SourceFlag kSourceFlags[] = {{"-hf", "hf:"},
                                       {"--hf", "hf:"},
                                       {"--hf-repo", "hf:"},
                                       {"-mu", "url:"},
                                       {"--model-url", "url:"}};

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string text_of(const CLI::App& command, const char* flag) {
  const CLI::Option* const option = command.get_option_no_throw(flag);
  return option == nullptr || option->count() == 0 ? "" : option->as<std::string>();
}

// The first line of a file; its text is never told, whatever is wrong with it.
Result<std::string> read_token(const std::string& path) {
  constexpr int64_t kLongest = 1 << 16;
  std::string text = TRY(read_text(path, kLongest));
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) return fail("{}: expected a token in the first line", path);
  return text;
}

// Bytes a second over the last seconds, and what is left at that rate.
class Rate {
 public:
  std::string describe(int64_t done, int64_t total) {
    const double now = seconds_now();
    if (began_ == 0 || done < from_) began_ = now, from_ = done;
    const double rate = static_cast<double>(done - from_) / std::max(0.1, now - began_);
    if (rate <= 0) return "";
    const double left = static_cast<double>(total - done) / rate;
    const std::string time = left < 90     ? fmt::format("{:.0f} s", left)
                             : left < 5400 ? fmt::format("{:.0f} min", left / 60)
                                           : fmt::format("{:.1f} h", left / 3600);
    // Older seconds count ever less.
    constexpr double kRemembered = 20;
    if (now - began_ > kRemembered) {
      began_ += (now - began_) / 2;
      from_ += (done - from_) / 2;
    }
    return fmt::format(", {:.1f} MB/s, {} left", rate / 1e6, time);
  }

 private:
  double began_ = 0;
  int64_t from_ = 0;
};

std::string of_bytes(int64_t done, int64_t total) {
  return fmt::format("{:3} %: {:.1f} of {:.1f} MB", total > 0 ? 100 * done / total : 100,
                     static_cast<double>(done) / 1e6, static_cast<double>(total) / 1e6);
}

Result<std::string> fetched(const fetch::Store& store, const fetch::Address& address,
                            const CLI::App& command) {
  if (is_offline(command)) {
    return fail("{}: expected it to be in {}, since nothing is fetched offline", address.text(),
                store.folder());
  }
  const Interrupts interrupts;
  const auto options = TRY(pull_options(command));
  const auto pulled = fetch::pull(store, address, options);
  hide_progress();
  if (!pulled) return tl::unexpected(pulled.error());
  return pulled->model.path();
}

Result<std::string> found(const std::string& text, const CLI::App& command) {
  if (text.empty() || is_file(text) || is_directory(text)) return text;
  const fetch::Address address = TRY(fetch::parse_address(text));
  const bool is_name = address.kind == fetch::Address::Kind::Name;
  const auto store = fetch::Store::of_user();
  if (!store) return is_name ? Result<std::string>(text) : tl::unexpected(store.error());
  const auto here = store->find(address);
  if (is_name) return here && *here ? (*here)->path() : text;
  if (!here) return tl::unexpected(here.error());
  return *here ? Result<std::string>((*here)->path()) : fetched(*store, address, command);
}

}  // namespace

const SourceFlag* source_flag(std::string_view argument) {
  for (const SourceFlag& known : kSourceFlags) {
    if (argument.substr(0, argument.find('=')) == known.flag) return &known;
  }
  return nullptr;
}

std::string with_word(const SourceFlag& flag, std::string_view value) {
  return value.starts_with(flag.before) ? std::string(value) : flag.before + std::string(value);
}

void add_source_flags(CLI::App& command) {
  command.add_flag("--offline")
      ->description("fetch nothing: models that are here alone; also ISSUN_OFFLINE=1");
  command
      .add_option("--endpoint",
                  "where the repositories of hf: are, a mirror; also the variable HF_ENDPOINT")
      ->type_name("URL")
      ->check(expect_text);
  command
      .add_option("--token-file", "a file with the token to show there; also the variable HF_TOKEN")
      ->type_name("FILE")
      ->check(expect_text);
}

bool is_offline(const CLI::App& command) {
  const CLI::Option* const option = command.get_option_no_throw("--offline");
  const std::string told = variable("ISSUN_OFFLINE");
  return (option != nullptr && option->count() > 0) || (!told.empty() && told != "0");
}

Result<fetch::PullOptions> pull_options(const CLI::App& command) {
  fetch::PullOptions options;
  options.endpoint = text_of(command, "--endpoint");
  if (options.endpoint.empty()) options.endpoint = variable("HF_ENDPOINT");
  const std::string token_file = text_of(command, "--token-file");
  options.token = token_file.empty() ? variable("HF_TOKEN") : TRY(read_token(token_file));
  options.certificates = variable("SSL_CERT_FILE");
  options.on_progress = [rate = std::make_shared<Rate>(), shown = 0.0](
                            const std::string& what, int64_t done, int64_t total) mutable {
    constexpr double kPause = 0.2;
    if (seconds_now() - shown < kPause && done < total) return;
    shown = seconds_now();
    show_progress(
        fmt::format("{}{}: {}", of_bytes(done, total), rate->describe(done, total), what));
  };
  options.on_check = [shown = int64_t{-1}](const std::string& what, int64_t done,
                                           int64_t total) mutable {
    if (100 * done / total == shown) return;
    shown = 100 * done / total;
    show_progress(fmt::format("{:3} % checked: {}", shown, what));
  };
  options.on_note = [](const std::string& note) { say(note); };
  return options;
}

Result<void> find_models(CLI::App& app) {
  for (CLI::App* const command : app.get_subcommands()) {
    TRY(find_models(*command));
    std::vector<CLI::Option*> seen;
    for (const char* const name : {"--model", "model", "models", "--embedding-model", "--base"}) {
      CLI::Option* const option = command->get_option_no_throw(name);
      if (option == nullptr || option->count() == 0) continue;
      if (std::find(seen.begin(), seen.end(), option) != seen.end()) continue;
      seen.push_back(option);
      std::vector<std::string> paths;
      for (const std::string& text : option->results()) {
        paths.push_back(TRY(found(text, *command)));
      }
      if (paths == option->results()) continue;
      option->clear();
      for (const std::string& path : paths) option->add_result(path);
      option->run_callback();
    }
  }
  return {};
}

}  // namespace issun::apps
