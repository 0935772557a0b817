#include "apps/sampler_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <type_traits>

#include "base/quote.h"

namespace issun::apps {

namespace {

using engine::SamplingStep;

// Thrown for wrong use, as the parser itself does.
template <class T>
T taken(Result<T> result) {
  if (!result) throw CLI::ValidationError(result.error().message);
  return std::move(*result);
}

struct Letter {
  char letter;
  SamplingStep step;
};
constexpr Letter kLetters[] = {{'e', SamplingStep::Penalties},  {'d', SamplingStep::Dry},
                               {'s', SamplingStep::TopNSigma},  {'k', SamplingStep::TopK},
                               {'y', SamplingStep::TypicalP},   {'p', SamplingStep::TopP},
                               {'m', SamplingStep::MinP},       {'x', SamplingStep::Xtc},
                               {'t', SamplingStep::Temperature}};

// "edskypmxt" as "penalties;dry;...".
std::string steps_of(const std::string& letters) {
  std::string steps;
  for (const char letter : letters) {
    const auto* const known =
        std::find_if(std::begin(kLetters), std::end(kLetters),
                     [letter](const Letter& l) { return l.letter == letter; });
    if (known == std::end(kLetters)) {
      throw CLI::ValidationError(fmt::format(
          "--sampler-seq: expected letters of edskypmxt, found '{}'", visible({&letter, 1})));
    }
    steps += std::string(engine::name(known->step)) + ";";
  }
  return steps;
}

// What Mirostat takes the place of.
bool cuts(SamplingStep step) {
  return step != SamplingStep::Penalties && step != SamplingStep::Dry &&
         step != SamplingStep::Temperature;
}

}  // namespace

// Flags that do something only as a part of a step, which settle() asks for.
class SamplerFlags::Adder {
 public:
  Adder(SamplerFlags* flags, CLI::App* command) : flags_(*flags), command_(*command) {}
  template <class T>
  CLI::Option* operator()(SamplingStep step, const char* names, T& value, const char* help) const {
    CLI::Option* flag = command_.add_option(names, value, help);
    if constexpr (std::is_arithmetic_v<T>) flag->capture_default_str();
    flags_.parts_.push_back({step, flag});
    return flag;
  }

 private:
  SamplerFlags& flags_;
  CLI::App& command_;
};

void SamplerFlags::add(CLI::App& command) {
  samplers_ = command.add_option("--samplers", steps_, "the steps in their order, divided by ;");
  sequence_ = command.add_option("--sampler-seq,--sampling-seq", letters_,
                                 "the same as letters of edskypmxt");
  sequence_->excludes(samplers_);
  steps_ = engine::to_string(options_.steps);
  samplers_->capture_default_str();
  command.add_option("-s,--seed", seed_, "of the random choices; -1: another each time")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 62))
      ->capture_default_str();
  add_cuts(command);
  add_penalties(command);
  add_dry(command);
  add_mirostat(command);
  command
      .add_option(
          "-l,--logit-bias", biases_,
          "TOKEN+BIAS or TOKEN-BIAS, added to a token's logit; TOKEN-inf: never; may be given "
          "again")
      ->allow_extra_args(false);
}

void SamplerFlags::add_cuts(CLI::App& command) {
  auto& o = options_;
  const Adder add(this, &command);
  add(SamplingStep::Temperature, "--temp,--temperature", o.temperature,
      "0: always the likeliest token");
  auto* range = add(SamplingStep::Temperature, "--dynatemp-range", o.dynatemp_range,
                    "the temperature moves so far to both sides with the entropy; 0: not");
  add(SamplingStep::Temperature, "--dynatemp-exp", o.dynatemp_exponent,
      "how it follows the entropy")
      ->needs(range);
  add(SamplingStep::TopK, "--top-k", o.top_k, "choose among the k likeliest; 0 or -1: all");
  add(SamplingStep::TopP, "--top-p", o.top_p,
      "choose among the likeliest that reach p together; 1: all");
  add(SamplingStep::MinP, "--min-p", o.min_p,
      "choose among those at least this share as likely as the first");
  add(SamplingStep::TypicalP, "--typical,--typical-p", o.typical_p,
      "choose among the most typical that pass p together; 1: all");
  add(SamplingStep::TopNSigma, "--top-nsigma,--top-n-sigma", o.top_n_sigma,
      "choose among those within so many standard deviations of the best logit; -1: all");
  auto* xtc = add(SamplingStep::Xtc, "--xtc-probability", o.xtc_probability,
                  "how often the top choices are left out but the last of them; 0: never");
  add(SamplingStep::Xtc, "--xtc-threshold", o.xtc_threshold,
      "how likely a top choice is; over 0.5: off")
      ->needs(xtc);
}

void SamplerFlags::add_penalties(CLI::App& command) {
  auto& o = options_;
  const Adder add(this, &command);
  add(SamplingStep::Penalties, "--repeat-penalty", o.repeat_penalty,
      "make recent tokens less likely; 1: off");
  add(SamplingStep::Penalties, "--presence-penalty", o.presence_penalty,
      "taken off the logit of a recent token");
  add(SamplingStep::Penalties, "--frequency-penalty", o.frequency_penalty,
      "taken off once for each time it occurred");
  add(SamplingStep::Penalties, "--repeat-last-n", o.repeat_last_n,
      "how many tokens are recent; -1: all");
}

void SamplerFlags::add_dry(CLI::App& command) {
  auto& o = options_;
  const Adder add(this, &command);
  auto* multiplier = add(SamplingStep::Dry, "--dry-multiplier", o.dry_multiplier,
                         "makes it less likely to go on with a sequence that was there; 0: off");
  add(SamplingStep::Dry, "--dry-base", o.dry_base, "how fast it grows with the sequence")
      ->needs(multiplier);
  add(SamplingStep::Dry, "--dry-allowed-length", o.dry_allowed_length,
      "of sequences that may come again")
      ->needs(multiplier);
  add(SamplingStep::Dry, "--dry-penalty-last-n", o.dry_penalty_last_n,
      "how many tokens it looks at; -1: all")
      ->needs(multiplier);
  add(SamplingStep::Dry, "--dry-sequence-breaker", breakers_,
      "no sequence reaches over this text; may be given again; none: no text; else \\n : \" *")
      ->needs(multiplier)
      ->allow_extra_args(false);
}

void SamplerFlags::add_mirostat(CLI::App& command) {
  auto& o = options_;
  auto* mirostat =
      command.add_option("--mirostat", o.mirostat,
                         "1 or 2: keep the surprise at a level, in place of all that cuts; 0: off");
  mirostat->capture_default_str();
  command.add_option("--mirostat-ent", o.mirostat_tau, "the level of surprise")
      ->needs(mirostat)
      ->capture_default_str();
  command.add_option("--mirostat-lr", o.mirostat_eta, "how fast it is followed")
      ->needs(mirostat)
      ->capture_default_str();
}

void SamplerFlags::read_texts() {
  if (!letters_.empty()) steps_ = steps_of(letters_);
  options_.steps = taken(engine::parse_steps(steps_));
  for (const std::string& bias : biases_)
    options_.logit_bias.push_back(taken(engine::parse_logit_bias(bias)));
  if (breakers_.empty()) return;
  options_.dry_sequence_breakers = breakers_;
  std::erase(options_.dry_sequence_breakers, "none");
  for (std::string& breaker : options_.dry_sequence_breakers) {
    if (breaker == "\\n") breaker = "\n";
  }
}

void SamplerFlags::settle() {
  options_.top_k = std::max(0, options_.top_k);
  options_.seed = seed_ < 0 ? std::random_device()() : static_cast<uint64_t>(seed_);
  read_texts();
  if (const auto sound = engine::check(options_); !sound)
    throw CLI::ValidationError(sound.error().message);
  check_effects();
}

void SamplerFlags::check_effects() const {
  const auto& steps = options_.steps;
  const auto refuse = [](const CLI::Option* flag, const std::string& why) {
    throw CLI::ValidationError(fmt::format("{}: {}", flag->get_name(), why));
  };
  const bool mirostat = options_.mirostat != 0;
  for (const Part& part : parts_) {
    if (part.flag->count() == 0) continue;
    if (std::find(steps.begin(), steps.end(), part.step) == steps.end())
      refuse(part.flag, fmt::format("'{}' is not among the samplers", engine::name(part.step)));
    if (mirostat && cuts(part.step)) refuse(part.flag, "--mirostat cuts in place of it");
  }
  if (!mirostat) return;
  for (const CLI::Option* order : {samplers_, sequence_}) {
    const auto idle = std::find_if(steps.begin(), steps.end(), cuts);
    if (order->count() > 0 && idle != steps.end())
      refuse(order, fmt::format("--mirostat cuts in place of '{}'", engine::name(*idle)));
  }
  const bool tempers =
      std::find(steps.begin(), steps.end(), SamplingStep::Temperature) != steps.end();
  if (tempers && options_.temperature == 0 && options_.dynatemp_range == 0)
    throw CLI::ValidationError("--mirostat: expected a temperature above 0, which leaves a choice");
}

}  // namespace issun::apps
