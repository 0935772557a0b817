// `list` and `rm`: what is in the store, and out of it.
#include <ctime>

#include "apps/commands.h"
#include "apps/json.h"
#include "base/quote.h"
#include "base/streams.h"
#include "fetch/store.h"

namespace issun::apps {

namespace {

std::string day(long long seconds) {
  const std::time_t time = seconds;
  std::tm local{};
  ::localtime_r(&time, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return text;
}

std::string size_text(const fetch::StoredModel& model) {
  const double megabytes = static_cast<double>(model.bytes_here()) / 1e6;
  return megabytes < 1000 ? fmt::format("{:.1f} MB", megabytes)
                          : fmt::format("{:.2f} GB", megabytes / 1000);
}

Json as_json(const std::vector<fetch::StoredModel>& models) {
  Json list = Json::array();
  for (const fetch::StoredModel& model : models) {
    Json files = Json::array();
    for (const fetch::StoredFile& file : model.files) {
      files.push_back({{"file", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
    }
    list.push_back({{"name", model.name},
                    {"source", model.source},
                    {"type", model.type},
                    {"bytes", model.bytes()},
                    {"bytes_here", model.bytes_here()},
                    {"complete", model.complete},
                    {"changed", model.changed},
                    {"files", files}});
  }
  return list;
}

Result<int> list(bool json) {
  const fetch::Store store = TRY(fetch::Store::of_user());
  const std::vector<fetch::StoredModel> models = TRY(store.list());
  if (json) {
    write_out(dump(as_json(models), 2) + "\n");
    return kDone;
  }
  if (models.empty()) {
    say(fmt::format("no models in {}; `issun pull` fetches one", store.folder()));
    return kDone;
  }
  size_t widest = 4;
  for (const fetch::StoredModel& model : models) {
    widest = std::max(widest, visible(model.name).size());
  }
  write_out(fmt::format("{:<{}}  {:>10}  {:<8}  {}\n", "name", widest, "size", "type", "changed"));
  for (const fetch::StoredModel& model : models) {
    const std::string when = model.complete ? day(model.changed) : "not whole: pull it again";
    write_out(fmt::format("{:<{}}  {:>10}  {:<8}  {}\n", visible(model.name), widest,
                          size_text(model), visible(model.type), when));
  }
  return kDone;
}

Result<int> remove(const std::vector<std::string>& names) {
  const fetch::Store store = TRY(fetch::Store::of_user());
  std::vector<fetch::StoredModel> models;  // all are looked up before one goes
  for (const std::string& name : names) {
    const auto model = TRY(store.named(name));
    if (!model) return fail("'{}': expected a name that `issun list` prints", printable(name));
    models.push_back(*model);
  }
  for (const fetch::StoredModel& model : models) {
    const std::string freed = size_text(model);
    TRY(store.remove(model));
    say(fmt::format("removed {}: {}", model.name, freed));
  }
  return kDone;
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("list", "the models that were fetched, by name");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "as JSON");
  command->callback([json, &action] { action = [json] { return list(*json); }; });
}

void add_rm(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("rm", "remove models that were fetched, at once");
  auto names = std::make_shared<std::vector<std::string>>();
  command->add_option("name", *names, "as `list` prints it")->required()->check(expect_text);
  command->callback([names, &action] { action = [names] { return remove(*names); }; });
}

}  // namespace issun::apps
