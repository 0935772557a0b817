// Where the time of passes goes: every moment belongs to one step, the innermost that was entered.
#pragma once

#include <array>
#include <cstddef>

namespace issun::model {

enum class Step {
  Embedding,            // rows of the tokens
  Norms,                // of whole rows
  Rounding,             // of what products read, to 8 bits or bf16
  MixerMatrices,        // queries, keys, values, output, and their like in recurrent layers
  Rotation,             // norms of heads, rope
  CacheRows,            // keys and values into the cache
  Attention,            // over the cache
  Mixing,               // what else attention and recurrent layers do
  Router,               // which experts
  FeedForwardMatrices,  // experts included
  Feeding,              // what else feed-forward parts do: activations, experts' sums
  Waiting,              // for experts or layers from the disk, and the choice of what is read ahead
  Residual,             // sums
  OutputMatrix,         // logits
  Other,
};
constexpr size_t kSteps = static_cast<size_t>(Step::Other) + 1;
const char* name(Step step);  // "attention"
// Whether it is weights times rows, what all the rest should be little beside.
bool is_product(Step step);
// The step of products within a step: FeedForwardMatrices within Feeding.
Step product_within(Step step);

class Profile {
 public:
  Step now() const { return now_; }
  // Time belongs to `step` from now on. Returns whose it was.
  Step enter(Step step);
  // Passes begin and end with these; time between them belongs to nobody.
  void begin();
  void end();
  void clear() { *this = {}; }

  double seconds(Step step) const { return seconds_[static_cast<size_t>(step)]; }
  double seconds() const;  // of all
  int passes() const { return passes_; }

 private:
  std::array<double, kSteps> seconds_{};
  Step now_ = Step::Other;
  double since_ = 0;
  int passes_ = 0;
};

class ProfiledPass {
 public:
  explicit ProfiledPass(Profile* profile) : profile_(profile) {
    if (profile_ != nullptr) profile_->begin();
  }
  ~ProfiledPass() {
    if (profile_ != nullptr) profile_->end();
  }
  ProfiledPass(const ProfiledPass&) = delete;
  ProfiledPass& operator=(const ProfiledPass&) = delete;

 private:
  Profile* const profile_;
};

// Until the end of the scope; nothing where nobody profiles.
class Timed {
 public:
  Timed(Profile* profile, Step step) : profile_(profile) {
    if (profile_ != nullptr) before_ = profile_->enter(step);
  }
  ~Timed() {
    if (profile_ != nullptr) profile_->enter(before_);
  }
  // What follows is weights times rows.
  static Timed product(Profile* profile) {
    return {profile, profile != nullptr ? product_within(profile->now()) : Step::Other};
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Profile* const profile_;
  Step before_ = Step::Other;
};

}  // namespace issun::model
