// /lora-adapters: which adapters the model has, and by what they count.
#include "serve/adapter_scales.h"
#include "serve/api.h"

namespace issun::serve {

std::vector<float> read_adapter_scales(const Json& list, const std::string& path, size_t adapters) {
  constexpr double kMostScale = 1000;
  if (!list.is_array())
    throw bad_request(path, "expected a list of an id and a scale each, found {}", kind_of(list));
  std::vector<float> scales(adapters, 0);
  for (size_t i = 0; i < list.size(); ++i) {
    Fields entry(list[i], fmt::format("{}[{}]", path, i));
    if (adapters == 0)
      throw bad_request(entry.path_of("id"), "the model that is served has no adapters: --lora");
    entry.required("id");
    entry.required("scale");
    const auto id = entry.integer("id", 0, static_cast<int64_t>(adapters) - 1);
    scales[static_cast<size_t>(*id)] =
        static_cast<float>(*entry.number("scale", -kMostScale, kMostScale));
  }
  return scales;
}

namespace {

void list_adapters(Api& api, const HttpRequest&, const std::shared_ptr<Reply>& reply) {
  Json list = Json::array();
  for (const ServedAdapter& adapter : api.writing_model().adapters())
    list.push_back({{"id", list.size()}, {"path", adapter.name}, {"scale", adapter.scale}});
  send_json(reply, list);
}

// Those that are not named count nothing from now on.
void scale_adapters(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  const Json list = parse_json(request.body);
  ServedModel& model = api.writing_model();
  model.scale_adapters(read_adapter_scales(list, "body", model.adapters().size()));
  send_json(reply, {{"success", true}});
}

}  // namespace

void add_adapters(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"GET", "/lora-adapters", list_adapters});
  endpoints.push_back({"POST", "/lora-adapters", scale_adapters});
}

}  // namespace issun::serve
