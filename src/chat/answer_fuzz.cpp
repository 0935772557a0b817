// Any text as an answer in any format: read whole and in pieces it says the same, nothing that is
// read is longer than what there was, and where there is no call no text is lost.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "chat/answer.h"
#include "chat/answer_samples.h"

using namespace issun::chat;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto& formats = sample_formats();
  const AnswerFormat& format = formats[data[0] % formats.size()];
  const size_t step = 1 + data[1] % 16;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Answer whole = read_answer(format, text);
  Answer pieces;
  AnswerReader reader(format);
  for (size_t at = 0; at < text.size(); at += step) reader.feed(text.substr(at, step), &pieces);
  reader.finish(&pieces);
  CHECK_THAT(pieces == whole);
  const bool comparable = whole.calls.empty() && format.style != AnswerStyle::Harmony;
  CHECK_THAT(!comparable || keeps_text(format, text, whole));
  CHECK_THAT(whole.content.size() + whole.reasoning.size() <= text.size());
  return 0;
}
