// Every step against its definition in double precision over a full sort.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "engine/sampling/mirostat.h"
#include "engine/sampling/penalties.h"
#include "engine/sampling/temperature.h"
#include "engine/sampling/truncation.h"

using namespace issun::engine;

namespace {

using Tokens = std::set<int32_t>;

// All tokens with their probabilities, best first.
struct Ranked {
  explicit Ranked(const std::vector<float>& logits) {
    for (size_t t = 0; t < logits.size(); ++t) list.push_back({logits[t], static_cast<int32_t>(t)});
    std::sort(list.begin(), list.end(), is_better);
    double total = 0;
    for (const Candidate& c : list) total += std::exp(double{c.logit} - list[0].logit);
    for (const Candidate& c : list) p.push_back(std::exp(double{c.logit} - list[0].logit) / total);
  }
  Tokens first(size_t count) const {
    Tokens tokens;
    for (size_t i = 0; i < std::min(count, list.size()); ++i) tokens.insert(list[i].token);
    return tokens;
  }
  std::vector<Candidate> list;
  std::vector<double> p;
};

Tokens kept(Candidates& candidates) {
  Tokens tokens;
  for (const Candidate& candidate : candidates.all()) tokens.insert(candidate.token);
  CHECK(tokens.size() == candidates.all().size());
  return tokens;
}

// Random logits of several sizes and spreads; the step runs on all tokens, and behind another step.
template <class Check>
void on_random_logits(Check check) {
  std::mt19937 random(20261124);
  for (const int size : {1, 2, 29, 700, 5000}) {
    for (const float spread : {0.5f, 3.0f}) {
      std::normal_distribution<float> normal(0, spread);
      std::vector<float> logits(static_cast<size_t>(size));
      for (float& logit : logits) logit = normal(random);
      CAPTURE(size);
      CAPTURE(spread);
      check(logits, Ranked(logits));
    }
  }
}

// Candidates look at the logits where they lie, so those live until the end.
Candidates of(std::vector<float> logits) {
  static std::deque<std::vector<float>> alive;
  alive.push_back(std::move(logits));
  Candidates candidates(static_cast<int>(alive.back().size()));
  candidates.start(alive.back());
  return candidates;
}

}  // namespace

TEST_CASE("top_k keeps the k best, first of equals first, from all tokens and from a list") {
  on_random_logits([](const std::vector<float>& logits, const Ranked& ranked) {
    for (const int k : {1, 2, 40, 3000}) {
      Candidates all = of(logits);
      top_k(all, k);
      CHECK(kept(all) == ranked.first(static_cast<size_t>(k)));
      Candidates listed = of(logits);
      listed.all();
      top_k(listed, k);
      CHECK(kept(listed) == ranked.first(static_cast<size_t>(k)));
    }
    Candidates off = of(logits);
    top_k(off, 0);
    CHECK(off.all().size() == logits.size());
  });
  const std::vector<float> equal(1000, 0.5f);
  Candidates first = of(equal);
  top_k(first, 3);
  CHECK(kept(first) == Tokens{0, 1, 2});
}

TEST_CASE("top_p keeps the fewest best that reach p, and min_keep of them at least") {
  on_random_logits([](const std::vector<float>& logits, const Ranked& ranked) {
    for (const float p : {0.0f, 0.3f, 0.95f, 0.9999f}) {
      for (const int min_keep : {0, 5}) {
        size_t count = 0;
        double reached = 0;
        while (count < ranked.p.size()) {
          reached += ranked.p[count++];
          if (reached >= p && count >= static_cast<size_t>(min_keep)) break;
        }
        Candidates candidates = of(logits);
        top_p(candidates, p, min_keep);
        CHECK(kept(candidates) == ranked.first(count));
      }
    }
  });
}

TEST_CASE("min_p keeps those at least that share as likely as the best") {
  on_random_logits([](const std::vector<float>& logits, const Ranked& ranked) {
    for (const float share : {0.01f, 0.05f, 0.5f, 1.0f}) {
      for (const int min_keep : {0, 5}) {
        for (const bool listed : {false, true}) {
          size_t count = 0;
          while (count < ranked.p.size() && ranked.p[count] >= share * ranked.p[0] * (1 - 1e-6))
            ++count;
          Candidates candidates = of(logits);
          if (listed) candidates.best(17);
          min_p(candidates, share, min_keep);
          CHECK(kept(candidates) == ranked.first(std::max(count, static_cast<size_t>(min_keep))));
        }
      }
    }
  });
}

TEST_CASE("typical_p keeps those of the most expected surprise until they pass p") {
  on_random_logits([](const std::vector<float>& logits, const Ranked& ranked) {
    double entropy = 0;
    for (const double p : ranked.p) entropy -= p * std::log(p);
    std::vector<size_t> order(ranked.p.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto distance = [&](size_t i) { return std::abs(-std::log(ranked.p[i]) - entropy); };
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return distance(a) < distance(b); });
    for (const float p : {0.1f, 0.7f}) {
      double reached = 0;
      Tokens expected;
      for (const size_t i : order) {
        expected.insert(ranked.list[i].token);
        reached += ranked.p[i];
        if (reached > p) break;
      }
      Candidates candidates = of(logits);
      TruncationScratch scratch(static_cast<int>(logits.size()));
      typical_p(candidates, p, 0, scratch);
      // Scores that differ in the last bits only may change places at the border.
      const Tokens found = kept(candidates);
      Tokens both;
      std::set_intersection(found.begin(), found.end(), expected.begin(), expected.end(),
                            std::inserter(both, both.begin()));
      CHECK(both.size() + 2 >= expected.size());
      CHECK(both.size() + 2 >= found.size());
    }
  });
  // p = 0.5, 0.25, 0.25: the entropy is 1.5 bits, half a bit from either, so the best comes first.
  Candidates three = of({std::log(2.0f), 0, 0});
  TruncationScratch scratch(3);
  typical_p(three, 0.4f, 0, scratch);
  CHECK(kept(three) == Tokens{0});
}

TEST_CASE("top_n_sigma keeps those within n standard deviations of the best") {
  on_random_logits([](const std::vector<float>& logits, const Ranked& ranked) {
    double sum = 0, squares = 0;
    for (const float logit : logits) sum += logit;
    const double mean = sum / static_cast<double>(logits.size());
    for (const float logit : logits) squares += (logit - mean) * (logit - mean);
    const double sigma = std::sqrt(squares / static_cast<double>(logits.size()));
    for (const float n : {0.5f, 1.0f, 3.0f}) {
      size_t count = 0;
      while (count < logits.size() &&
             ranked.list[count].logit >= ranked.list[0].logit - n * sigma - 1e-6)
        ++count;
      Candidates candidates = of(logits);
      top_n_sigma(candidates, n);
      CHECK(kept(candidates) == ranked.first(count));
    }
    Candidates off = of(logits);
    top_n_sigma(off, -1);
    CHECK(off.all().size() == logits.size());
  });
}

TEST_CASE("xtc leaves out all that reach the threshold but the least likely of them") {
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f),
                                     std::log(0.1f)};
  const auto left = [&](float threshold, int min_keep) {
    Candidates candidates = of(logits);
    exclude_top_choices(candidates, threshold, min_keep);
    return kept(candidates);
  };
  CHECK(left(0.15f, 0) == Tokens{2, 3});
  CHECK(left(0.25f, 0) == Tokens{1, 2, 3});
  CHECK(left(0.35f, 0) == Tokens{0, 1, 2, 3});  // one alone is no choice to leave out
  CHECK(left(0.6f, 0) == Tokens{0, 1, 2, 3});
  CHECK(left(0.15f, 3) == Tokens{0, 1, 2, 3});  // too few would stay
  CHECK(left(0, 0) == Tokens{3});
}

TEST_CASE("Temperature divides the distances of logits, and follows the entropy where it may") {
  Candidates halved = of({1, 3, 2});
  temper(halved, 0.5f);
  CHECK(halved.best(3)[0].logit - halved.best(3)[2].logit == doctest::Approx(4));
  Candidates coldest = of({1, 3, 2});
  temper(coldest, 1e-45f);  // the smallest there is
  CHECK(kept(coldest) == Tokens{1});
  Candidates equal = of({1, 1, 1, 1});
  CHECK(dynamic_temperature(equal, 1, 0.5f, 1) == doctest::Approx(1.5));
  Candidates certain = of({1000, 0, 0});
  CHECK(dynamic_temperature(certain, 1, 0.5f, 1) == doctest::Approx(0.5));
  // p = 0.5, 0.25, 0.25: 1.5 bits of log2(3)
  Candidates three = of({std::log(2.0f), 0, 0});
  const double share = 1.5 / std::log2(3.0);
  CHECK(dynamic_temperature(three, 1, 0.5f, 2) == doctest::Approx(0.5 + share * share));
  CHECK(dynamic_temperature(three, 0.8f, 0, 1) == 0.8f);
}

TEST_CASE("Penalties count what was said, on all tokens and on a list, and leave no marks") {
  SamplerOptions options;
  options.repeat_penalty = 2;
  options.presence_penalty = 0.25f;
  options.frequency_penalty = 0.5f;
  options.repeat_last_n = 4;
  const std::vector<int32_t> history = {3, 0, 1, 0, 2};  // the 3 is too long ago
  for (const bool listed : {false, true}) {
    Candidates candidates = of({4, -1, 2, 1});
    if (listed) candidates.best(2);
    std::vector<int32_t> marks(4);
    penalise(candidates, options, history, marks);
    CHECK(marks == std::vector<int32_t>(4));
    std::map<int32_t, float> logit;
    for (const Candidate& c : candidates.all()) logit[c.token] = c.logit;
    CHECK(logit[0] == doctest::Approx(4 / 2.0 - 0.25 - 2 * 0.5));
    CHECK(logit[1] == doctest::Approx(-1 * 2.0 - 0.25 - 0.5));
    CHECK(logit[2] == doctest::Approx(2 / 2.0 - 0.25 - 0.5));
    CHECK(logit[3] == 1);
  }
}

TEST_CASE("Mirostat cuts at its estimate and learns from the surprise") {
  SamplerOptions options;
  options.mirostat = 2;
  options.mirostat_tau = 1;  // mu begins at 2 bits
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f),
                                     std::log(0.1f)};
  Mirostat second(options, 4);
  Candidates two = of(logits);
  second.cut(two);
  CHECK(kept(two) == Tokens{0, 1});  // 1.3 and 1.7 bits; 2.3 is too many
  second.learn(0.125);
  CHECK(second.mu() == doctest::Approx(2 - 0.1 * (3 - 1)));

  // Under Zipf's law with exponent 2 the estimate is exact, and k follows from mu by the formula.
  options.mirostat = 1;
  constexpr int kSize = 1000;
  std::vector<float> zipf;
  for (int rank = 1; rank <= kSize; ++rank) zipf.push_back(-2 * std::log(static_cast<float>(rank)));
  const Mirostat first(options, kSize);
  Candidates some = of(zipf);
  first.cut(some);
  const double k = std::pow(std::pow(2, 2) / (1 - std::pow(kSize, -1.0)), 0.5);
  CHECK(some.all().size() == static_cast<size_t>(k));
}

TEST_CASE("Candidates without a number are none") {
  const float nan = std::nanf("");
  Candidates candidates = of({nan, kNever, 1, nan});
  CHECK(candidates.highest() == 1);
  CHECK(kept(candidates) == Tokens{2});
  Candidates none = of({nan, kNever});
  CHECK(none.all().empty());
  CHECK(none.highest() == kNever);
}

TEST_CASE("A step that is off lists no token: of a quarter of a million most are never looked at") {
  const std::vector<float> logits = {1, 3, 2};
  Candidates candidates(3);
  candidates.start(logits);
  TruncationScratch scratch(3);
  top_n_sigma(candidates, 0);
  top_k(candidates, 0);
  typical_p(candidates, 1, 0, scratch);
  top_p(candidates, 1, 0);
  min_p(candidates, 0, 0);
  exclude_top_choices(candidates, 0.6f, 0);
  CHECK_FALSE(candidates.listed());
  top_k(candidates, 2);
  CHECK(candidates.listed());
}
