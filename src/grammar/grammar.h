// What a model may write: a grammar or a JSON Schema, compiled once, and where in it a text stands.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "grammar/configurations.h"
#include "grammar/gbnf.h"
#include "grammar/text_mask.h"
#include "grammar/token_index.h"

namespace issun::grammar {

// Immutable; shared by all that follow it.
class Grammar {
 public:
  // GBNF, whose root rule is the text. `tokens`: for <name> and <[id]>; without it they are
  // refused. Error: with line and column.
  static Result<Grammar> from_gbnf(std::string_view text,
                                   const tokenizer::Tokenizer* tokens = nullptr);
  // The same with rules that are JSON values of schemas.
  static Result<Grammar> from_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens,
                                   std::span<const NamedSchema> schemas);
  // JSON text that satisfies a JSON Schema (schema_formula.h). Error: a keyword that is not
  // supported, by name and path: nothing is left out silently.
  static Result<Grammar> from_json_schema(std::string_view text);

  const Pushdown& automaton() const { return *automaton_; }

 private:
  explicit Grammar(std::unique_ptr<const Pushdown> automaton) : automaton_(std::move(automaton)) {}
  std::unique_ptr<const Pushdown> automaton_;
};

// One text that is being written. Belongs to one thread.
class GrammarState {
 public:
  GrammarState(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenIndex> tokens);
  GrammarState(GrammarState&&) = default;
  // Another text that goes on from here, with all that is known already.
  GrammarState clone() const { return *this; }

  // Bit t: token t may come next; the tokens that end a text are among them when it is complete.
  // Never empty, but where the text is complete and the vocabulary has no such token, or where to
  // know it is too_costly(). Valid until the next call. Allocates nothing where the text stood
  // before in this way.
  std::span<const uint64_t> allowed();
  // false: the token is not allowed; nothing has changed.
  bool accept(Token token);
  // The same for text.
  bool accept_text(std::string_view text);
  // What the grammar asks for takes more than kMostWork at a token, or kWorkPerToken at each of
  // very many: nothing is certain from then on. A unit is a look at a token or its like, some 5 ns.
  static constexpr int64_t kMostWork = 40'000'000, kWorkPerToken = 2'000'000;
  bool too_costly() const { return too_costly_; }
  // Of the lists that what was read is kept in: bounded, since all else is forgotten now and then.
  size_t kept_words() const { return configurations_.memory_words(); }
  bool can_end() const { return configurations_.complete(at_); }

 private:
  GrammarState(const GrammarState&) = default;
  static constexpr size_t kMaxConfigurations = 20'000;  // some 20 MB
  static constexpr size_t kMaxMemoryWords = 1'000'000;
  static constexpr size_t kMaxMasks = 256;  // 4 MB for 128k tokens
  void compute_mask(std::span<uint64_t> mask);
  void walk(Configuration from, std::span<uint64_t> mask);
  void move_to(Configuration next);
  template <class Compute>
  void with_work(Compute compute);

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenIndex> tokens_;
  Configurations configurations_;
  Configuration at_ = Configurations::kFirst;
  int64_t work_ = kMostWork;  // that is left
  bool too_costly_ = false;
  std::unordered_map<Configuration, size_t> mask_numbers_;
  std::vector<uint64_t> masks_;      // (mask, words)
  std::vector<Configuration> path_;  // of a walk: by depth
  std::vector<Configurations::Text> texts_;
  TextMask text_mask_;
  std::vector<Token> whole_;
};

}  // namespace issun::grammar
