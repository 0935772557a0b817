#include "model/profile.h"

#include <numeric>

#include "base/clock.h"

namespace issun::model {

const char* name(Step step) {
  switch (step) {
    case Step::Embedding:
      return "embedding";
    case Step::Norms:
      return "norms";
    case Step::Rounding:
      return "rounding";
    case Step::MixerMatrices:
      return "mixer matrices";
    case Step::Rotation:
      return "rotation";
    case Step::CacheRows:
      return "cache rows";
    case Step::Attention:
      return "attention";
    case Step::Mixing:
      return "mixing";
    case Step::Router:
      return "router";
    case Step::FeedForwardMatrices:
      return "feed-forward matrices";
    case Step::Feeding:
      return "feeding";
    case Step::Waiting:
      return "waiting";
    case Step::Residual:
      return "residual";
    case Step::OutputMatrix:
      return "output matrix";
    case Step::Other:
      return "other";
  }
  return "";
}

bool is_product(Step step) {
  return step == Step::MixerMatrices || step == Step::FeedForwardMatrices ||
         step == Step::OutputMatrix;
}

Step product_within(Step step) {
  switch (step) {
    case Step::Mixing:
      return Step::MixerMatrices;
    case Step::Feeding:
      return Step::FeedForwardMatrices;
    default:
      return step;
  }
}

Step Profile::enter(Step step) {
  const double now = seconds_now();
  seconds_[static_cast<size_t>(now_)] += now - since_;
  since_ = now;
  const Step before = now_;
  now_ = step;
  return before;
}

void Profile::begin() {
  since_ = seconds_now();
  now_ = Step::Other;
}

void Profile::end() {
  enter(Step::Other);
  ++passes_;
}

double Profile::seconds() const { return std::accumulate(seconds_.begin(), seconds_.end(), 0.0); }

}  // namespace issun::model
