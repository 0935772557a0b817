#include "model/residency.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/pages.h"
#include "experts/replay.h"
#include "model/each_tensor.h"
#include "model/residency_layout.h"

namespace issun::model {

namespace {

// Batches that use no more than so many times what one token does count as generation. Shares are
// divided anew after so many of them; a use counts half after so many further ones of its layer.
constexpr int kFewUses = 2, kDivideEvery = 256;
constexpr double kCurveHalfLife = 4096;

Result<AlignedBuffer> read_all(experts::Source& source, const experts::ReaderOptions& options,
                               const experts::Placement& placement) {
  auto memory = TRY(AlignedBuffer::create(placement.bytes));
  const auto reader = TRY(experts::Reader::create(source, options));
  experts::Load load;
  load.extents = placement.extents;
  load.memory = memory.data();
  reader->submit(load, experts::Urgency::Needed);
  experts::Load* const only = &load;
  reader->wait_for_one({&only, 1});
  TRY(reader->result(load));
  return memory;
}

Result<std::unique_ptr<experts::FileSource>> open_source(const gguf::GgufFile& file) {
  std::vector<std::string> paths;
  for (const MappedFile& part : file.parts()) paths.push_back(part.path());
  auto source = TRY(experts::FileSource::open(paths));
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!source->files()[i].same_file(file.parts()[i].file())) {
      return fail("{}: the file was replaced while it was being opened", paths[i]);
    }
  }
  return source;
}
}  // namespace

const char* name(Missing missing) {
  switch (missing) {
    case Missing::Exact:
      return "exact";
    case Missing::Twin:
      return "twin";
    case Missing::Bias:
      return "bias";
    case Missing::Skip:
      return "skip";
  }
  return "";
}

std::optional<Missing> missing_from_name(std::string_view text) {
  for (const Missing missing : {Missing::Exact, Missing::Twin, Missing::Bias, Missing::Skip}) {
    if (text == name(missing)) return missing;
  }
  return std::nullopt;
}

Result<ResidencyPlan> Residency::plan(const Weights& weights, const gguf::GgufFile& file,
                                      const ResidencyOptions& options) {
  Weights& seen = const_cast<Weights&>(weights);  // only looked at
  return make_plan(TRY(lay_out(seen, file, options)), weights, options);
}

Result<std::unique_ptr<Residency>> Residency::create(Weights& weights, const gguf::GgufFile& file,
                                                     const ResidencyOptions& options) {
  std::unique_ptr<experts::Source> source = TRY(open_source(file));
  return create(weights, file, options, std::move(source));
}

Result<std::unique_ptr<Residency>> Residency::create(Weights& weights, const gguf::GgufFile& file,
                                                     const ResidencyOptions& options,
                                                     std::unique_ptr<experts::Source> source) {
  std::unique_ptr<Residency> made(new Residency(weights, file, options));
  ResidencyLayout layout = TRY(lay_out(weights, file, options));
  made->plan_ = TRY(make_plan(layout, weights, options));
  made->group_of_ = layout.group_of;
  made->layer_of_ = layout.layer_of;
  for (size_t g = 0; g < layout.groups.size(); ++g) {
    auto& units = made->units_.emplace_back();
    for (size_t u = 0; u < layout.groups[g].units.size(); ++u) {
      Unit& unit = units.emplace_back();
      const experts::Placement& placement = layout.groups[g].units[u];
      for (size_t i = 0; i < placement.offsets.size(); ++i) {
        Tensor* const tensor = layout.tensors[g][u][i];
        unit.push_back({tensor, *tensor, placement.offsets[i], {}});
      }
    }
  }
  made->source_ = std::move(source);
  made->layout_ = std::make_unique<ResidencyLayout>(std::move(layout));
  if (options.mapped_cache_bytes == 0) TRY(made->begin());
  return made;
}

Result<void> Residency::make_way(int64_t cache_bytes) {
  if (begun() || cache_bytes <= options_.mapped_cache_bytes) return {};
  // What was mapped goes before the same is read to where it stays.
  for (const MappedFile& part : file_.parts()) forget_pages(part.bytes());
  return begin();
}

Result<void> Residency::begin() {
  experts::StoreOptions options;
  options.budget_bytes = plan_.budget_bytes;
  options.passing_bytes = plan_.passing_bytes;
  options.keep = options_.keep;
  options.policy = options_.policy;
  options.reader = options_.reader;
  auto store = TRY(experts::Store::create(*source_, layout_->groups, options));
  // Views change last, once nothing can fail any more.
  if (options_.missing == Missing::Twin) TRY(read_twin(layout_->twin));
  TRY(read_pinned(layout_->pinned, *source_));
  store_ = std::move(store);
  layout_ = nullptr;
  for (int g = 0; g < store_->groups(); ++g) {
    curves_.emplace_back(static_cast<int>(store_->group(g).units.size()), kCurveHalfLife);
  }
  // In whole experts, evenly.
  if (plan_.mixture) {
    divide(std::vector<std::vector<double>>(static_cast<size_t>(plan_.groups)));
  } else {
    // Layers come in a circle, where keeping the latest would never find one: the first stay.
    int64_t left = plan_.budget_bytes - plan_.passing_bytes;
    for (int g = 0; g < store_->groups(); ++g) {
      const int64_t bytes = store_->group(g).units[0].bytes;
      const bool stays = bytes <= left;
      store_->set_share(g, stays ? bytes : 0);
      left -= stays ? bytes : 0;
    }
  }
  return {};
}

Residency::Residency(Weights& weights, const gguf::GgufFile& file, const ResidencyOptions& options)
    : weights_(weights), file_(file), options_(options) {}

Residency::~Residency() {
  point_to_file();
  for (const View& view : pinned_views_) view.tensor->data = view.in_file.data;
}

// The twin's experts, beside those whose place they take.
Result<void> Residency::read_twin(const TwinLayout& layout) {
  const auto source = TRY(open_source(*options_.twin.file));
  twin_ = TRY(read_all(*source, options_.reader, layout.placement));
  std::vector<Tensor> tensors = layout.tensors;
  for (size_t i = 0; i < layout.order.size(); ++i) {
    tensors[layout.order[i]].data = twin_.data() + layout.placement.offsets[i];
  }
  size_t next = 0;
  for (std::vector<Unit>& group : units_) {
    for (Unit& unit : group) {
      for (View& view : unit) view.twin = tensors[next++];
    }
  }
  return {};
}

Result<void> Residency::read_pinned(const PinnedLayout& pinned, experts::Source& source) {
  if (pinned.tensors.empty()) return {};
  pinned_ = TRY(read_all(source, options_.reader, pinned.placement));
  std::map<const std::byte*, size_t> by_place;
  for (size_t i = 0; i < pinned.tensors.size(); ++i) by_place[pinned.tensors[i].data] = i;
  each_tensor(weights_, [&](Tensor& tensor) {
    auto it = by_place.upper_bound(tensor.data);
    if (it == by_place.begin()) return;
    const Tensor& whole = pinned.tensors[(--it)->second];
    if (tensor.data >= whole.data + whole.bytes()) return;
    pinned_views_.push_back({&tensor, tensor, 0, {}});
    tensor.data =
        pinned_.data() + pinned.placement.offsets[it->second] + (tensor.data - whole.data);
  });
  return {};
}

int Residency::next_streaming(int layer) const {
  for (size_t l = static_cast<size_t>(layer) + 1; l < group_of_.size(); ++l) {
    if (group_of_[l] >= 0) return static_cast<int>(l);
  }
  return -1;
}

bool Residency::in_memory(int layer, int unit) const {
  return store_->resident(group_of_[static_cast<size_t>(layer)], unit);
}

void Residency::favour(int layer, std::span<float> bias) const {
  for (size_t e = 0; e < bias.size(); ++e) {
    if (in_memory(layer, static_cast<int>(e))) bias[e] += static_cast<float>(options_.bias);
  }
}

void Residency::leave_out(int layer, std::span<int32_t> chosen, std::span<float> shares) const {
  float all = 0, left = 0;
  for (const float share : shares) all += share;
  const auto stays = [&](size_t k) {
    return k == 0 || shares[k] >= options_.least_share * all || in_memory(layer, chosen[k]);
  };
  for (size_t k = 0; k < chosen.size(); ++k) left += stays(k) ? shares[k] : 0;
  if (left == all || !(left > 0)) return;
  for (size_t k = chosen.size(); k-- > 0;) {
    if (stays(k)) {
      shares[k] *= all / left;
    } else {
      chosen[k] = chosen[0];
      shares[k] = 0;
    }
  }
}

void Residency::point_to_file() {
  for (const int u : given_) {
    for (const View& view : unit(u)) *view.tensor = view.in_file;
  }
  given_.clear();
}

// What a slot more would have gained in each layer, by the uses so far.
void Residency::note_uses(std::span<const experts::Use> uses) {
  if (!plan_.mixture || !options_.keep) return;
  together_.clear();
  for (const experts::Use& use : uses) together_.push_back(use.unit);
  // A prompt's batches visit nearly all; what they visit says little of what a token will.
  const bool few = static_cast<int>(uses.size()) <= kFewUses * plan_.used;
  curves_[static_cast<size_t>(group_)].use_together(together_, few);
  if (!few || group_ + 1 != plan_.groups || ++noted_ % kDivideEvery != 0) return;
  std::vector<std::vector<double>> gains;
  for (size_t g = 0; g < curves_.size(); ++g) {
    gains.push_back(curves_[g].curve());
    const double bytes = static_cast<double>(store_->group(static_cast<int>(g)).units[0].bytes);
    for (double& gain : gains.back()) gain *= curves_[g].uses() * bytes;
  }
  divide(gains);
}

void Residency::divide(const std::vector<std::vector<double>>& curves) {
  std::vector<int64_t> bytes;
  std::vector<int> least, most;
  for (int g = 0; g < plan_.groups; ++g) {
    int64_t all = 0;
    for (const experts::Placement& unit : store_->group(g).units) all += unit.bytes;
    const int units = static_cast<int>(store_->group(g).units.size());
    bytes.push_back(all / units);
    most.push_back(units);
    least.push_back(1);
  }
  const std::vector<int> slots =
      experts::divide_slots({.curves = curves,
                             .layer_bytes = bytes,
                             .budget_bytes = plan_.budget_bytes - plan_.passing_bytes,
                             .least = least,
                             .most = most});
  // Those that get less first, so that there is room for the others.
  for (const bool more : {false, true}) {
    for (int g = 0; g < plan_.groups; ++g) {
      const int64_t share = slots[static_cast<size_t>(g)] * bytes[static_cast<size_t>(g)];
      if ((share > store_->share(g)) == more) store_->set_share(g, share);
    }
  }
}

Result<void> Residency::divide_by(const experts::Trace& trace) {
  if (!plan_.mixture) return fail("trace: counts only for mixtures of experts");
  const std::vector<int>& units = trace.header.experts;
  bool alike = trace.header.layers == layer_of_;
  for (size_t g = 0; alike && g < units.size(); ++g) {
    alike = units[g] == static_cast<int>(store_->group(static_cast<int>(g)).units.size());
  }
  if (!alike) {
    return fail("trace: expected one of this model, found one of {} with other layers or experts",
                trace.header.model);
  }
  divide(experts::gain_curves(experts::Visits::of(trace), experts::count_generated(trace)));
  return {};
}

void Residency::need(int layer, std::span<const experts::Use> uses) {
  group_ = group_of_[static_cast<size_t>(layer)];
  CHECK_THAT(group_ >= 0);
  if (!failure_) return;
  note_uses(uses);
  if (options_.missing != Missing::Twin) return store_->need(group_, uses);
  uses_.clear();
  expected_.clear();
  for (const experts::Use& use : uses) {
    if (store_->resident(group_, use.unit)) {
      uses_.push_back(use);
    } else {
      twins_.push_back(use.unit);
      expected_.push_back({group_, use.unit});
    }
  }
  store_->need(group_, uses_);
  // Read for another time, when nothing is waited for.
  store_->expect(expected_);
}

std::span<const int> Residency::next() {
  point_to_file();
  if (!failure_) return {};
  const auto given = store_->next();
  if (!given) {
    failure_ = tl::unexpected<Error>(given.error());
    twins_.clear();
    return {};
  }
  for (const int u : *given) {
    const std::byte* const memory = store_->memory(group_, u);
    for (const View& view : unit(u)) view.tensor->data = memory + view.offset;
  }
  for (const int u : twins_) {
    for (const View& view : unit(u)) *view.tensor = view.twin;
  }
  given_.assign(given->begin(), given->end());
  given_.insert(given_.end(), twins_.begin(), twins_.end());
  twins_.clear();
  std::sort(given_.begin(), given_.end());
  return given_;
}

void Residency::expect(std::span<const Guess> guesses) {
  expected_.clear();
  for (const Guess& guess : guesses) {
    expected_.push_back({group_of_[static_cast<size_t>(guess.layer)], guess.unit});
  }
  store_->expect(expected_);
}

Result<void> Residency::failure() { return std::exchange(failure_, Result<void>()); }

void Residency::enter(int layer) {
  if (!streams(layer)) return;
  const experts::Use use{0, 1};
  need(layer, {&use, 1});
  next();
  // Behind the last comes the first again, of the next token.
  Guess guesses[2];
  int count = 0, from = layer;
  for (size_t step = 0; step < group_of_.size() && count < 2; ++step) {
    from = (from + 1) % static_cast<int>(group_of_.size());
    if (streams(from) && !in_memory(from, 0)) guesses[count++] = {from, 0};
  }
  if (failure_) expect({guesses, static_cast<size_t>(count)});
}

void Residency::leave(int layer) {
  if (streams(layer)) next();
}

}  // namespace issun::model
