#include "grammar/grammar.h"

#include <algorithm>

#include "grammar/json_machine.h"
#include "grammar/schema_compiler.h"
#include "grammar/token_mask.h"

namespace issun::grammar {

namespace {

Result<void> check_beginning(const Pushdown& machine) {
  if (!Configurations(machine).gave_up()) return {};
  return fail("grammar: expected a text to begin in fewer ways than this, which are too many");
}

}  // namespace

Result<Grammar> Grammar::from_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens) {
  auto machine = std::make_unique<const RuleMachine>(TRY(compile_gbnf(text, tokens)));
  TRY(check_beginning(*machine));
  return Grammar(std::move(machine));
}

Result<Grammar> Grammar::from_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens,
                                   std::span<const NamedSchema> schemas) {
  auto machine = std::make_unique<const MixedMachine>(TRY(compile_gbnf(text, tokens, schemas)));
  TRY(check_beginning(*machine));
  return Grammar(std::move(machine));
}

Result<Grammar> Grammar::from_json_schema(std::string_view text) {
  Work work;
  return Grammar(std::make_unique<const JsonMachine>(TRY(compile_schema(text, work))));
}

GrammarState::GrammarState(std::shared_ptr<const Grammar> grammar,
                           std::shared_ptr<const TokenIndex> tokens)
    : grammar_(std::move(grammar)),
      tokens_(std::move(tokens)),
      configurations_(grammar_->automaton()) {
  path_.resize(tokens_->longest_token() + 1);
  masks_.reserve(kMaxMasks * tokens_->mask_words());
}

// What is computed counts, and is worth nothing where it was too much.
template <class Compute>
void GrammarState::with_work(Compute compute) {
  configurations_.allow_work(work_);
  compute();
  too_costly_ = too_costly_ || configurations_.exhausted();
  work_ = std::max<int64_t>(0, configurations_.work_left());
  configurations_.allow_work(INT64_MAX);
}

std::span<const uint64_t> GrammarState::allowed() {
  const size_t words = tokens_->mask_words();
  const auto known = mask_numbers_.find(at_);
  if (known != mask_numbers_.end()) return std::span(masks_).subspan(known->second * words, words);
  if (mask_numbers_.size() >= kMaxMasks) {
    mask_numbers_.clear();
    masks_.clear();
  }
  const size_t number = mask_numbers_.size();
  masks_.resize((number + 1) * words);
  const auto mask = std::span(masks_).subspan(number * words, words);
  work_ = std::min(kMostWork, work_ + kWorkPerToken);
  with_work([&] { compute_mask(mask); });
  mask_numbers_.emplace(at_, number);
  return mask;
}

void GrammarState::compute_mask(std::span<uint64_t> mask) {
  texts_.clear();
  configurations_.texts(at_, texts_);
  for (const Configurations::Text& text : texts_) {
    text_mask_.add(tokens_->texts(), configurations_, text, mask);
  }
  configurations_.spend(static_cast<int64_t>(texts_.size()));
  const Configuration rest = texts_.empty() ? at_ : configurations_.without_texts(at_);
  if (rest != Configurations::kRefused) walk(rest, mask);
  whole_.clear();
  configurations_.tokens(at_, whole_);
  for (const Token token : whole_) allow(mask, token);
  if (!can_end()) return;
  for (const Token end : tokens_->ends()) allow(mask, end);
}

void GrammarState::walk(Configuration from, std::span<uint64_t> mask) {
  path_[0] = from;
  const auto nodes = tokens_->nodes();
  for (uint32_t i = 0; i < nodes.size();) {
    const TokenIndex::Node& node = nodes[i];
    const Configuration next = configurations_.step(path_[node.depth - 1u], node.byte);
    if (next == Configurations::kRefused) {
      i = node.after;
      continue;
    }
    if (configurations_.exhausted()) return;
    path_[node.depth] = next;
    for (Token token = node.token; token != tokenizer::kNoToken; token = tokens_->twin(token)) {
      allow(mask, token);
    }
    ++i;
  }
}

bool GrammarState::accept_text(std::string_view text) {
  Configuration next = at_;
  for (const char byte : text) next = configurations_.step(next, static_cast<uint8_t>(byte));
  if (next == Configurations::kRefused) return false;
  move_to(next);
  return true;
}

bool GrammarState::accept(Token token) {
  if (token < 0 || token >= tokens_->vocabulary_size()) return false;
  const auto ends = tokens_->ends();
  if (can_end() && std::find(ends.begin(), ends.end(), token) != ends.end()) return true;
  Configuration next = Configurations::kRefused;
  const std::string_view text = tokens_->bytes(token);
  if (!text.empty()) next = at_;
  with_work([&] {
    for (const char byte : text) next = configurations_.step(next, static_cast<uint8_t>(byte));
    const Configuration whole = configurations_.step_token(at_, token);
    if (whole != Configurations::kRefused) next = configurations_.merge(next, whole);
  });
  if (next == Configurations::kRefused) return false;
  move_to(next);
  return true;
}

void GrammarState::move_to(Configuration next) {
  at_ = next;
  if (configurations_.size() <= kMaxConfigurations &&
      configurations_.memory_words() <= kMaxMemoryWords) {
    return;
  }
  at_ = configurations_.restart_with(at_);
  text_mask_.forget();
  mask_numbers_.clear();
  masks_.clear();
}

}  // namespace issun::grammar
