#include "chat/call_form.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/json_reader.h"
#include "chat/answer.h"
#include "chat/search.h"

namespace issun::chat {

namespace {

using jinja::Value;

constexpr int kProbeCalls = 3;
constexpr std::array<const char*, kProbeCalls> kProbeNames = {"probe_first", "probe_second",
                                                              "probe_third"};
constexpr std::array<const char*, kProbeCalls> kProbeIds = {"pRobe0001", "pRobe0002", "pRobe0003"};
constexpr const char* kProbeKey = "probe_key";

Value probe_call(int i) {
  const auto place = static_cast<size_t>(i);
  const Value function =
      Value::dict({{"name", kProbeNames[place]}, {"arguments", Value::dict({{kProbeKey, i}})}});
  return Value::dict({{"id", kProbeIds[place]}, {"type", "function"}, {"function", function}});
}

Value calling(int calls) {
  std::vector<Value> list;
  for (int i = 0; i < calls; ++i) list.push_back(probe_call(i));
  return Value::dict({{"role", "assistant"}, {"content", ""}, {"tool_calls", Value::list(list)}});
}

ChatInput short_talk(const ChatInput& like) {
  ChatInput input = like;
  input.messages = Value::list();
  input.add({.role = "user", .content = "u", .reasoning = ""});
  input.clock = 0;
  return input;
}

// The pieces around names and arguments, one more than twice the calls. Empty: not all are there.
std::vector<std::string> pieces_of(std::string_view text, int calls) {
  std::vector<std::string> pieces;
  for (int i = 0; i < calls; ++i) {
    const std::string_view name = kProbeNames[static_cast<size_t>(i)];
    const size_t at = text.find(name);
    if (at == npos) return {};
    pieces.emplace_back(text.substr(0, at));
    text.remove_prefix(at + name.size());
    const size_t brace = text.find('{');
    if (brace == npos) return {};
    pieces.emplace_back(text.substr(0, brace));
    text.remove_prefix(brace);
    JsonReader reader(text);
    if (!reader.skip() || !has(text.substr(0, reader.at()), kProbeKey)) return {};
    text.remove_prefix(reader.at());
  }
  pieces.emplace_back(text);
  for (std::string& piece : pieces) {
    if (has(piece, "probe_")) return {};
    for (const std::string_view id : kProbeIds) {
      for (size_t found = piece.find(id); found != npos; found = piece.find(id))
        piece.replace(found, id.size(), 1, kCallId);
    }
  }
  return pieces;
}

// Up to what ends the answer: a token that does, or what the template writes behind any answer.
void cut_end(std::string* close, const std::string& spoken, std::span<const std::string> ends) {
  size_t same = 0;
  while (same < close->size() && same < spoken.size() &&
         (*close)[close->size() - 1 - same] == spoken[spoken.size() - 1 - same]) {
    ++same;
  }
  // Whole marks: "</tool_call>" has its last character in common with "<|im_end|>".
  const std::string_view tail = std::string_view(*close).substr(close->size() - same);
  const size_t mark = tail.find_first_of("<[");
  if (mark != npos) close->resize(close->size() - same + mark);
  for (const std::string& end : ends) {
    if (!end.empty()) close->resize(std::min(close->find(end), close->size()));
  }
  close->resize(close->find_last_not_of(kBlanks) + 1);
}

std::string with_ids(std::string text) {
  for (char& c : text) {
    if (c == kCallId) c = 'a';  // nine of them are not needed to be read
  }
  return text;
}

// Whether calls written so are read as calls and nothing else.
bool is_read_back(const CallForm& form, const AnswerFormat& format, int calls) {
  const std::string name = format.tools.empty() ? "" : format.tools[0].name;
  const std::string arguments = "{\"a\": \"b\"}";
  std::string text = format.reasoning_open ? format.reasoning.close : "";
  text += form.open;
  for (int i = 0; i < calls; ++i)
    text += (i > 0 ? form.between : "") + name + form.middle + arguments;
  const Answer answer = read_answer(format, with_ids(text + form.close));
  return answer.content.empty() && answer.calls.size() == static_cast<size_t>(calls) &&
         std::all_of(answer.calls.begin(), answer.calls.end(), [&](const ToolCall& call) {
           return call.name == name && call.arguments == arguments;
         });
}

}  // namespace

std::optional<std::string> written_by(const ChatTemplate& chat, ChatInput input,
                                      const Value& message) {
  const auto prompt = chat.apply(input);
  input.add_generation_prompt = false;
  std::vector<Value> messages = input.messages.items().values;
  messages.push_back(message);
  input.messages = Value::list(std::move(messages));
  const auto whole = chat.apply(input);
  if (!prompt || !whole) return std::nullopt;
  const auto same = std::mismatch(prompt->text.begin(), prompt->text.end(), whole->text.begin(),
                                  whole->text.end());
  // Where the prompt opens a thought and the message has none: from the mark on that differs.
  auto begin = static_cast<size_t>(same.second - whole->text.begin());
  const size_t mark = begin > 0 ? whole->text.rfind('<', begin - 1) : npos;
  const bool inside = mark != npos && whole->text.find('>', mark) >= begin;
  if (same.first != prompt->text.end() && inside) begin = mark;
  return whole->text.substr(begin);
}

std::optional<CallForm> call_form(const ChatTemplate& chat, const ChatInput& input,
                                  const AnswerFormat& format, std::span<const std::string> ends) {
  const ChatInput talk = short_talk(input);
  const Value words = Value::dict({{"role", "assistant"}, {"content", "probe_words"}});
  const std::string spoken = written_by(chat, talk, words).value_or("");
  const auto pieces = [&](int calls) {
    std::string text = written_by(chat, talk, calling(calls)).value_or("");
    // A thought that the template writes where there was none.
    const size_t thought =
        format.reasoning.close.empty() ? npos : text.find(format.reasoning.close);
    if (thought < text.find(kProbeNames[0])) text.erase(0, thought + format.reasoning.close.size());
    text.erase(0, std::min(text.find_first_not_of("\r\n"), text.size()));
    return pieces_of(text, calls);
  };
  const std::vector<std::string> one = pieces(1);
  if (one.empty()) return std::nullopt;
  CallForm form{.open = one[0], .middle = one[1], .close = one[2], .between = ""};
  cut_end(&form.close, spoken, ends);
  if (!is_read_back(form, format, 1)) return std::nullopt;
  const std::vector<std::string> three = pieces(kProbeCalls);
  if (three.empty() || three[0] != one[0] || three[2] != three[4] || three[3] != one[1] ||
      !std::string_view(three[6]).starts_with(form.close)) {
    return form;
  }
  CallForm many = form;
  many.between = three[2];
  return is_read_back(many, format, kProbeCalls) ? many : form;
}

}  // namespace issun::chat
