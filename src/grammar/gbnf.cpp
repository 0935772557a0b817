#include "grammar/gbnf.h"

#include <map>

#include "base/quote.h"
#include "base/utf8.h"
#include "grammar/gbnf_syntax.h"
#include "grammar/schema_compiler.h"

namespace issun::grammar {

namespace {

using NodeKind = GbnfNode::Kind;

// The byte sequences of the characters first..last: each a list of ranges of bytes.
using ByteRanges = std::vector<std::pair<uint8_t, uint8_t>>;
void add_utf8(char32_t first, char32_t last, std::vector<ByteRanges>& out) {
  if (first > last) return;
  for (const char32_t border :
       {char32_t{0x80}, char32_t{0x800}, kFirstSurrogate, kAfterSurrogates, char32_t{0x10000}}) {
    if (first < border && last >= border) {
      add_utf8(first, border - 1, out);
      add_utf8(border, last, out);
      return;
    }
  }
  if (first >= kFirstSurrogate && last < kAfterSurrogates) return;
  // Whole blocks of continuation bytes; what sticks out at either side goes by itself.
  for (int bits = 6; bits < 21; bits += 6) {
    const char32_t mask = (char32_t{1} << bits) - 1;
    if ((first & ~mask) == (last & ~mask)) break;
    if ((first & mask) != 0) {
      add_utf8(first, first | mask, out);
      add_utf8((first | mask) + 1, last, out);
      return;
    }
    if ((last & mask) != mask) {
      add_utf8(first, (last & ~mask) - 1, out);
      add_utf8(last & ~mask, last, out);
      return;
    }
  }
  std::string low, high;
  append_utf8(first, low);
  append_utf8(last, high);
  ByteRanges& sequence = out.emplace_back();
  for (size_t i = 0; i < low.size(); ++i) {
    sequence.emplace_back(static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i]));
  }
}

// Builds backwards: each part knows the state that follows it.
class RuleBuilder {
 public:
  RuleBuilder(std::string_view text, const tokenizer::Tokenizer* tokens)
      : text_(text), tokens_(tokens) {}

  void name_value(std::string name, RuleId value) { values_.emplace(std::move(name), value); }

  Result<RuleNetwork> network(const std::vector<GbnfRule>& rules) {
    network_.names = {"root"};
    numbers_["root"] = 0;
    for (const GbnfRule& rule : rules) {
      const auto next = static_cast<uint32_t>(network_.names.size());
      if (numbers_.try_emplace(rule.name, next).second) network_.names.push_back(rule.name);
    }
    network_.starts.assign(network_.names.size(), kNone);
    for (const GbnfRule& rule : rules) {
      uint32_t& start = network_.starts[numbers_[rule.name]];
      if (start != kNone) {
        return fail("grammar: {}: the rule '{}' stands there twice", place_in(text_, rule.body.at),
                    printable(rule.name));
      }
      const uint32_t end = TRY(add({}));
      network_.states[end].final = true;
      start = TRY(build(rule.body, end));
    }
    if (network_.starts[0] == kNone) return fail("grammar: expected a rule named 'root'");
    return std::move(network_);
  }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  Result<uint32_t> add(std::vector<RuleEdge> edges) {
    if (network_.states.size() >= RuleMachine::kMaxStates) {
      return fail("grammar: too large: more than {} states", RuleMachine::kMaxStates);
    }
    network_.states.push_back({std::move(edges), false});
    return static_cast<uint32_t>(network_.states.size()) - 1;
  }
  static RuleEdge empty(uint32_t target) { return {.target = target}; }
  static RuleEdge bytes(std::pair<uint8_t, uint8_t> range, uint32_t target) {
    return {.kind = RuleEdge::Kind::Bytes,
            .first = range.first,
            .last = range.second,
            .target = target};
  }

  Result<uint32_t> build(const GbnfNode& node, uint32_t next) {
    switch (node.kind) {
      case NodeKind::Text:
        for (auto c = node.text.rbegin(); c != node.text.rend(); ++c) {
          const auto byte = static_cast<uint8_t>(*c);
          next = TRY(add({bytes({byte, byte}, next)}));
        }
        return next;
      case NodeKind::Set:
        return build_set(node, next);
      case NodeKind::Rule: {
        if (const auto value = values_.find(node.text); value != values_.end()) {
          return add({{.kind = RuleEdge::Kind::Value, .what = value->second, .target = next}});
        }
        const auto rule = numbers_.find(node.text);
        if (rule == numbers_.end()) {
          return fail("grammar: {}: there is no rule '{}'", place_in(text_, node.at),
                      printable(node.text));
        }
        return add({{.kind = RuleEdge::Kind::Call, .what = rule->second, .target = next}});
      }
      case NodeKind::Token:
        return build_token(node, next);
      case NodeKind::Sequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
          next = TRY(build(*child, next));
        }
        return next;
      case NodeKind::Choice: {
        std::vector<RuleEdge> edges;
        for (const GbnfNode& child : node.children) edges.push_back(empty(TRY(build(child, next))));
        return add(std::move(edges));
      }
      case NodeKind::Repeat:
        return build_repeat(node, next);
    }
    return next;
  }

  Result<uint32_t> build_set(const GbnfNode& node, uint32_t next) {
    std::vector<ByteRanges> sequences;
    for (const auto& [first, last] : node.set) add_utf8(first, last, sequences);
    std::vector<RuleEdge> edges;
    for (const ByteRanges& sequence : sequences) {
      uint32_t target = next;
      for (size_t i = sequence.size(); i-- > 1;) target = TRY(add({bytes(sequence[i], target)}));
      edges.push_back(bytes(sequence[0], target));
    }
    return add(std::move(edges));
  }

  Result<uint32_t> build_token(const GbnfNode& node, uint32_t next) {
    if (tokens_ == nullptr) {
      return fail("grammar: {}: tokens can be named only beside a model", place_in(text_, node.at));
    }
    const tokenizer::Token token =
        node.text.empty() ? static_cast<tokenizer::Token>(node.number) : tokens_->find(node.text);
    if (token < 0 || token >= tokens_->vocabulary_size() || tokens_->is_end(token)) {
      return fail("grammar: {}: expected a token of this vocabulary that is no end",
                  place_in(text_, node.at));
    }
    const auto what = static_cast<uint32_t>(token);
    return add({{.kind = RuleEdge::Kind::Whole, .what = what, .target = next}});
  }

  Result<uint32_t> build_repeat(const GbnfNode& node, uint32_t next) {
    const GbnfNode& child = node.children[0];
    if (node.most < 0) {
      const uint32_t loop = TRY(add({empty(next)}));
      const uint32_t body = TRY(build(child, loop));
      network_.states[loop].edges.push_back(empty(body));
      next = loop;
    }
    const uint32_t after = next;
    for (int i = node.least; i < node.most; ++i) {
      const uint32_t once = TRY(build(child, next));
      next = TRY(add({empty(once), empty(after)}));
    }
    for (int i = 0; i < node.least; ++i) next = TRY(build(child, next));
    return next;
  }

  std::string_view text_;
  const tokenizer::Tokenizer* tokens_;
  RuleNetwork network_;
  std::map<std::string, uint32_t> numbers_;
  std::map<std::string, RuleId> values_;
};

}  // namespace

Result<RuleMachine> compile_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens) {
  const std::vector<GbnfRule> rules = TRY(parse_gbnf(text));
  return RuleMachine::create(TRY(RuleBuilder(text, tokens).network(rules)));
}

Result<MixedMachine> compile_gbnf(std::string_view text, const tokenizer::Tokenizer* tokens,
                                  std::span<const NamedSchema> schemas) {
  const std::vector<GbnfRule> rules = TRY(parse_gbnf(text));
  RuleBuilder builder(text, tokens);
  JsonRules values;
  Work work;  // of all together: a request may have many
  for (const NamedSchema& schema : schemas) {
    auto compiled = compile_schema(schema.json, work);
    if (!compiled) return fail("{}: {}", schema.place, compiled.error().message);
    builder.name_value(schema.rule, append(values, std::move(*compiled)));
  }
  auto machine = TRY(RuleMachine::create(TRY(builder.network(rules))));
  return MixedMachine(std::move(machine), std::move(values));
}

}  // namespace issun::grammar
