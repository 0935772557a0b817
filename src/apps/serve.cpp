#include <algorithm>
#include <filesystem>

#include "apps/commands.h"
#include "apps/config_file.h"
#include "apps/default_model.h"
#include "apps/sampler_flags.h"
#include "apps/speculation_flags.h"
#include "apps/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/other_process.h"
#include "chat/known_templates.h"
#include "engine/fingerprint.h"
#include "import/open.h"
#include "serve/page.h"
#include "serve/router.h"
#include "serve/running.h"

namespace issun::apps {

namespace {

struct ServeFlags {
  ModelFlags model;
  SamplerFlags sampler;
  SpeculationFlags speculation;
  serve::HttpOptions http;
  serve::RouterOptions router;
  std::string alias, chat_template, chat_template_file, api_key_file, embedding_model, cache_folder;
  int parallel = 4, most_waiting = 64, predict = -1;
  double gap_ms = 200, patience = 30, body_mib = 64, cache_folder_gib = 8, cache_mib = 0;
  bool no_page = false;
};

// One key a line; lines that begin with # say something to people.
Result<std::vector<std::string>> read_keys(const std::string& path) {
  const std::string text = TRY(read_text(path));
  std::vector<std::string> keys;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.push_back(std::move(line));
    at = end + 1;
  }
  if (keys.empty()) return fail("{}: expected at least one key", path);
  return keys;
}

std::string name_of(const std::string& path) { return std::filesystem::path(path).stem().string(); }

// All that is served, in the order in which it may go away.
struct House {
  serve::Api api;
  std::unique_ptr<engine::Runtime> runtime;
  std::unique_ptr<serve::ServedModel> model;
  serve::ServedEmbedder embedder;
  std::unique_ptr<serve::Router> router;
  std::unique_ptr<serve::HttpServer> http;
  std::unique_ptr<serve::Service> service;  // goes first: it speaks to the others
};

Result<std::optional<std::string>> chat_template_of(const ServeFlags& flags) {
  if (!flags.chat_template.empty()) return TRY(chat::template_named(flags.chat_template));
  if (!flags.chat_template_file.empty()) return TRY(read_text(flags.chat_template_file));
  return std::optional<std::string>();
}

Result<void> serve_embeddings(House& house, std::unique_ptr<model::Model> opened, std::string id,
                              const ServeFlags& flags) {
  for (const auto& [flag, given] : {std::pair("--cache-dir", !flags.cache_folder.empty()),
                                    std::pair("--cache-ram", flags.cache_mib > 0)}) {
    if (given && house.api.model == nullptr)
      return fail("{}: counts for models that write; one that embeds keeps nothing", flag);
  }
  if (!TRY(flags.model.all_adapters()).empty() && house.api.model == nullptr)
    return fail("--lora, --lora-scaled: count for models that write, and this one makes vectors");
  if (!flags.model.memory.memory.empty() || flags.model.memory.expert_flags())
    return fail("--memory: counts for models that write; one that embeds is mapped");
  engine::EmbedderOptions options;
  options.threads = std::max(0, flags.model.options.threads);
  options.exact = flags.model.options.exact;
  house.embedder.embedder = TRY(engine::Embedder::create(std::move(opened), options));
  house.embedder.queue = TRY(serve::WorkQueue::start(static_cast<size_t>(flags.most_waiting)));
  house.embedder.id = std::move(id);
  house.api.embedder = &house.embedder;
  return {};
}

engine::ShelfOptions shelf_options(engine::Runtime& runtime, const ServeFlags& flags) {
  return {.folder = flags.cache_folder,
          .budget_bytes = static_cast<int64_t>(flags.cache_folder_gib * (1 << 30)),
          .model = engine::fingerprint_of(runtime),
          .warn = [](const std::string& text) { say("warning: " + text); }};
}

Result<void> serve_text(House& house, std::unique_ptr<model::Model> opened, std::string id,
                        const ServeFlags& flags, double began) {
  engine::RuntimeOptions options = TRY(flags.model.runtime_options());
  std::vector<serve::ServedAdapter> adapters;
  for (const ModelFlags::Adapter& adapter : TRY(flags.model.all_adapters()))
    adapters.push_back({std::filesystem::path(adapter.file).filename(), adapter.scale});
  options.max_sequences = flags.parallel;
  options.kept_bytes = static_cast<int64_t>(flags.cache_mib * (1 << 20));
  flags.speculation.plan(flags.parallel, options);
  house.runtime = TRY(engine::Runtime::start(std::move(opened), options, seconds_now() - began));
  engine::Runtime& runtime = *house.runtime;
  tell_forecast(runtime);
  house.model =
      TRY(serve::ServedModel::create(runtime, {.id = std::move(id),
                                               .chat_template = TRY(chat_template_of(flags)),
                                               .adapters = std::move(adapters)}));
  if (house.model->template_is_a_guess())
    say("warning: this model has no chat template; talks are put to it as ChatML");
  serve::ServiceOptions service;
  service.engine.context = runtime.options().context;
  service.engine.prompt_rows = runtime.options().max_rows;
  service.engine.most_gap_seconds = flags.gap_ms / 1000;
  service.engine.speculation = TRY(flags.speculation.open(runtime));
  service.most_running = flags.parallel;
  service.most_waiting = flags.most_waiting;
  if (!flags.cache_folder.empty()) service.shelf = shelf_options(runtime, flags);
  house.service = TRY(serve::Service::start(runtime.forward(), runtime.model().tokenizer,
                                            TRY(runtime.new_cache()), service));
  house.api.model = house.model.get();
  house.api.service = house.service.get();
  return {};
}

Result<void> open_models(House& house, const ServeFlags& flags) {
  const double began = seconds_now();
  auto opened = TRY(flags.model.open_model());
  flags.model.warn(*opened);
  std::string id = flags.alias;
  if (id.empty()) id = flags.model.path.empty() ? "issun-27m" : name_of(flags.model.path);
  if (opened->config.causal) {
    TRY(serve_text(house, std::move(opened), std::move(id), flags, began));
  } else {
    if (flags.speculation.on())
      return fail("--speculate, --draft: count for models that write, and this one makes vectors");
    TRY(serve_embeddings(house, std::move(opened), std::move(id), flags));
  }
  if (flags.embedding_model.empty()) return {};
  if (house.api.embedder != nullptr)
    return fail("--embedding-model: the model that is served makes vectors already");
  auto second =
      TRY(import::open_model(flags.embedding_model, [](const std::string& note) { say(note); }));
  return serve_embeddings(house, std::move(second), name_of(flags.embedding_model), flags);
}

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

void welcome(const House& house, const ServeFlags& flags) {
  const bool six = flags.http.host.find(':') != std::string::npos;
  say(fmt::format("serving {} at http://{}{}{}:{}",
                  house.api.model != nullptr ? house.model->id() : house.embedder.id,
                  six ? "[" : "", flags.http.host, six ? "]" : "", house.http->port()));
  if (!flags.router.local && flags.router.api_keys.empty())
    say("warning: reachable from other machines, and no API key is asked for: --api-key");
}

// For `issun ps`. Where it cannot be written the server runs all the same.
std::unique_ptr<serve::RunningRecord> record_of(const House& house, const ServeFlags& flags) {
  const auto write = [&]() -> Result<std::unique_ptr<serve::RunningRecord>> {
    const int own = own_process_id();
    return serve::RunningRecord::write(
        TRY(serve::folder_of_running()),
        {.process_id = own,
         .beginning = process_beginning(own),
         .host = flags.http.host,
         .port = house.http->port(),
         .model = house.api.model != nullptr ? house.model->id() : house.embedder.id,
         .started = unix_seconds()});
  };
  auto record = write();
  if (record) return std::move(*record);
  say(fmt::format("warning: `issun ps` will not show this server: {}", record.error().message));
  return nullptr;
}

Result<int> serve_all(ServeFlags flags) {
  if (!flags.api_key_file.empty()) {
    for (std::string& key : TRY(read_keys(flags.api_key_file)))
      flags.router.api_keys.push_back(std::move(key));
  }
  flags.router.local = is_loopback(flags.http.host);
  flags.http.most_body_bytes = static_cast<int64_t>(flags.body_mib * (1 << 20));
  House house;
  house.api.version = std::string("issun ") + kVersion;
  house.api.start_seconds = seconds_now();
  house.api.defaults.sampling = flags.sampler.options();
  house.api.defaults.max_tokens = flags.predict;
  // The port first: that it is taken should not be learnt after a minute of loading.
  house.http = TRY(serve::HttpServer::listen(
      flags.http,
      [&house](serve::HttpRequest request, std::shared_ptr<serve::Reply> reply) {
        house.router->handle(std::move(request), std::move(reply));
      },
      [&house](const serve::HttpRequest& head) { return house.router->refusal_of(head); }));
  TRY(open_models(house, flags));
  house.router = std::make_unique<serve::Router>(
      house.api, flags.router,
      flags.no_page ? std::span<const serve::Asset>() : serve::page_assets());
  const auto record = record_of(house, flags);
  welcome(house, flags);
  const bool in_peace = house.http->run(flags.patience, [&house] {
    if (house.service) house.service->refuse_more();
    say("finishing the answers under way; again to stop at once");
  });
  if (house.service && !in_peace) house.service->save_nothing();
  house.service.reset();
  house.embedder.queue.reset();
  return kDone;
}

void add_http_flags(CLI::App& command, ServeFlags& flags) {
  command.add_option("--host", flags.http.host, "address to listen at; 0.0.0.0: all of IPv4")
      ->check(expect_text)
      ->capture_default_str();
  command.add_option("--port", flags.http.port, "0: any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command
      .add_option("--api-key", flags.router.api_keys,
                  "requests must give it, or one of several: Authorization: Bearer KEY")
      ->check(expect_text)
      ->allow_extra_args(false);
  command.add_option("--api-key-file", flags.api_key_file, "a file of keys, one a line")
      ->check(expect_text);
  command
      .add_option("--cors-origin", flags.router.cors_origins,
                  "pages of this origin may ask, besides those of this machine; *: all; may be "
                  "repeated")
      ->check(expect_text)
      ->allow_extra_args(false);
  command.add_option("--max-body", flags.body_mib, "longest request, in MiB")
      ->check(CLI::Range(0.001, 4096.0))
      ->capture_default_str();
  command
      .add_option("--max-connections", flags.http.most_connections,
                  "at once; further ones are told to come again")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--timeout", flags.http.write_seconds,
                  "seconds in which a client must take what waits for it")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command
      .add_option("--read-timeout", flags.http.read_seconds,
                  "seconds in which a request must arrive")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command
      .add_option("--sse-ping-interval", flags.http.idle_seconds,
                  "seconds between signs of life while nothing is written")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command
      .add_option("--shutdown-timeout", flags.patience,
                  "seconds that answers under way have when it is told to stop")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command.add_flag("--no-webui", flags.no_page, "no page at /");
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "serve", "answer over HTTP: the OpenAI API and others, and a page for a browser");
  auto flags = std::make_shared<ServeFlags>();
  flags->model.add(*command, true);
  flags->model.scale_adapters_later = true;
  command->add_option("-a,--alias", flags->alias, "what clients call the model")
      ->check(expect_text);
  command
      ->add_option("--parallel", flags->parallel,
                   "answers written at once, each with the whole context; also -np")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--max-queue", flags->most_waiting,
                   "requests that may wait beside them; further ones are refused")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--max-gap", flags->gap_ms,
                   "milliseconds that reading a prompt may keep other answers waiting at a time; "
                   "0: no limit")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command
      ->add_option("-n,--predict,--n-predict", flags->predict,
                   "tokens of an answer where a request does not say; -1: no limit but the context")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
  command
      ->add_option("--embedding-model", flags->embedding_model,
                   "a second model, for /v1/embeddings and /v1/rerank")
      ->check(expect_text);
  command
      ->add_option("--cache-ram", flags->cache_mib,
                   "MiB of the cache for what ended answers leave, beside the room that those "
                   "which are written may need; also -cram")
      ->check(CLI::Range(0.0, 1e8))
      ->capture_default_str();
  auto* folder =
      command
          ->add_option("--cache-dir", flags->cache_folder,
                       "a folder for what answers leave in the cache, so that it is found after "
                       "the next start")
          ->check(expect_text);
  command
      ->add_option("--cache-dir-size", flags->cache_folder_gib,
                   "GiB that the folder may take; the oldest files go first")
      ->check(CLI::Range(0.001, 1e6))
      ->needs(folder)
      ->capture_default_str();
  auto* named = command->add_option(
      "--chat-template", flags->chat_template,
      "in place of the model's own: Jinja, or a name: " + chat::known_template_names());
  named->check(expect_text);
  command->add_option("--chat-template-file", flags->chat_template_file, "read it from a file")
      ->check(expect_text)
      ->excludes(named);
  add_http_flags(*command, *flags);
  flags->sampler.add(*command);
  flags->speculation.add(*command);
  // Called once all flags are read, and before it is seen which of them need or exclude others.
  command
      ->add_option_function<std::string>(
          "--config", [command](const std::string& path) { apply_config(*command, path); },
          "a file in which the long flags stand, name = value; those given here win")
      ->check(expect_text)
      ->configurable(false);
  command->callback([flags, &action] {
    flags->sampler.settle();
    flags->speculation.settle();
    action = [flags] { return serve_all(*flags); };
  });
}

}  // namespace issun::apps
