// What ended answers left in the cache, saved to a file, taken from one or forgotten, as
// llama.cpp's server has it for its slots. Here slot 0 is the answer that ended last, 1 the one
// before it.
#include <atomic>
#include <charconv>
#include <memory>

#include "base/clock.h"
#include "serve/api.h"
#include "serve/request_fields.h"

namespace issun::serve {

namespace {

// "action=save" of a query; empty: it is not there.
std::string_view of_query(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    if (part.starts_with(name) && part.substr(name.size()).starts_with('='))
      return part.substr(name.size() + 1);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

int slot_of(const HttpRequest& request) {
  const std::string_view text = std::string_view(request.path).substr(request.path.rfind('/') + 1);
  int slot = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), slot);
  const bool begins = !text.empty() && text[0] >= '0' && text[0] <= '9';  // no "-0"
  if (!begins || error != std::errc() || end != text.data() + text.size())
    throw bad_request("", "{}: expected the number of a slot, 0 for the latest answer",
                      request.path);
  return slot;
}

struct SlotAction {
  enum class What { Save, Restore, Erase } what;
  int slot = 0;
  std::string file;
  Headers headers;  // of the answer
};

SlotAction read_slot_action(const HttpRequest& request) {
  using What = SlotAction::What;
  const std::string_view name = of_query(request.query, "action");
  SlotAction action{What::Save, slot_of(request), {}, {}};
  if (name != "save" && name != "restore" && name != "erase")
    throw bad_request("action", "expected save, restore or erase, found '{}'", name);
  if (name == "restore") action.what = What::Restore;
  if (name == "erase") action.what = What::Erase;
  if (action.what == What::Restore && action.slot != 0)
    throw bad_request("", "{}: expected slot 0: what is restored is the latest", request.path);
  const bool nothing = action.what == What::Erase && request.body.empty();
  const Json body = nothing ? Json::object() : parse_body(request.body);
  Fields fields(body);
  if (action.what != What::Erase) {
    action.file = fields.required_text("filename");
    if (!engine::is_plain_name(action.file))
      throw bad_request(
          "filename", "expected a plain name: letters, digits, '.', '_' and '-', no '.' in front");
  }
  action.headers = headers_of(fields, "application/json; charset=utf-8");
  return action;
}

ApiError failure_of(const Error& error) {
  const bool disk = engine::is_disk_failure(error);
  return {.status = disk ? 500 : 400,
          .message = error.message,
          .param = error.message.starts_with("filename:") ? "filename" : ""};
}

// On the engine's thread.
void carry_out(engine::Engine& engine, const SlotAction& action,
               const std::shared_ptr<Reply>& reply) {
  using What = SlotAction::What;
  const double start = seconds_now();
  const auto done = action.what == What::Save      ? engine.save_kept(action.slot, action.file)
                    : action.what == What::Restore ? engine.restore_kept(action.file)
                                                   : engine.forget_kept(action.slot);
  if (!done) return send_error(reply, failure_of(done.error()));
  const double ms = (seconds_now() - start) * 1000;
  Json answer = {{"id_slot", action.slot}};
  switch (action.what) {
    case What::Save:
      answer.update({{"filename", action.file},
                     {"n_saved", done->tokens},
                     {"n_written", done->bytes},
                     {"timings", {{"save_ms", ms}}}});
      break;
    case What::Restore:
      answer.update({{"filename", action.file},
                     {"n_restored", done->tokens},
                     {"n_read", done->bytes},
                     {"timings", {{"restore_ms", ms}}}});
      break;
    case What::Erase:
      answer["n_erased"] = done->tokens;
      break;
  }
  send_json(reply, answer, action.headers);
}

void slot(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  api.writing_model();
  const SlotAction action = read_slot_action(request);
  if (action.what != SlotAction::What::Erase && !api.service->options().shelf)
    throw ApiError{.status = 501,
                   .message = "snapshots: the server was started without --cache-dir",
                   .code = "not_supported"};
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto taken = api.service->ask(
      [action, reply](engine::Engine& engine) { carry_out(engine, action, reply); }, gone);
  if (!taken) throw to_api_error(taken.error());
  reply->on_gone([gone] { *gone = true; });
}

}  // namespace

void add_slots(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/slots/", slot, false, true});
}

}  // namespace issun::serve
