#include <array>
#include <charconv>

#include "measure/choice.h"
#include "measure/json_lines.h"

namespace issun::measure {

namespace {

Result<int> label_below(int64_t label, size_t choices) {
  if (label < 0 || label >= static_cast<int64_t>(choices))
    return fail("expected a \"label\" from 0 to {}, found {}", choices - 1, label);
  return static_cast<int>(label);
}

// https://github.com/yahoojapan/JGLUE: question, choice0 to choice4, label.
Result<Question> read_jcommonsenseqa(const Json& object) {
  Question question;
  question.context = "質問：" + TRY(text_of(object, "question")) + "\n答え：";
  for (int i = 0; i < 5; ++i)
    question.choices.push_back(TRY(text_of(object, fmt::format("choice{}", i))));
  question.label = TRY(label_below(TRY(integer_of(object, "label")), 5));
  return question;
}

// The same: sentence1, sentence2, and one of three words as label.
Result<Question> read_jnli(const Json& object) {
  constexpr std::array<std::string_view, 3> kLabels = {"entailment", "contradiction", "neutral"};
  Question question;
  const std::string premise = TRY(text_of(object, "sentence1")),
                    hypothesis = TRY(text_of(object, "sentence2"));
  question.context = "前提：" + premise + "\n仮説：" + hypothesis + "\n関係：";
  question.choices = {"含意", "矛盾", "中立"};
  const std::string label = TRY(text_of(object, "label"));
  for (size_t i = 0; i < kLabels.size(); ++i) {
    if (label != kLabels[i]) continue;
    question.label = static_cast<int>(i);
    return question;
  }
  return fail("expected entailment, contradiction or neutral as \"label\", found \"{}\"", label);
}

// Zellers et al. 2019: ctx, four endings, and a label that is a number or a text of one.
Result<Question> read_hellaswag(const Json& object) {
  Question question;
  question.context = TRY(text_of(object, "ctx"));
  for (const std::string& ending : TRY(texts_of(object, "endings")))
    question.choices.push_back(" " + ending);
  int64_t label = -1;
  if (object["label"].is_string()) {
    const std::string& text = object["label"].text();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
    if (error != std::errc() || end != text.data() + text.size())
      return fail("expected a number as \"label\", found \"{}\"", text);
  } else {
    label = TRY(integer_of(object, "label"));
  }
  question.label = TRY(label_below(label, question.choices.size()));
  return question;
}

Result<Question> read_generic(const Json& object) {
  Question question;
  question.context = TRY(text_of(object, "context"));
  question.choices = TRY(texts_of(object, "choices"));
  question.label = TRY(label_below(TRY(integer_of(object, "label")), question.choices.size()));
  return question;
}

struct Format {
  std::string_view name;
  QuestionFormat format;
  Result<Question> (*read)(const Json&);
};
constexpr Format kFormats[] = {
    {"jcommonsenseqa", QuestionFormat::JCommonsenseQa, read_jcommonsenseqa},
    {"jnli", QuestionFormat::Jnli, read_jnli},
    {"hellaswag", QuestionFormat::HellaSwag, read_hellaswag},
    {"generic", QuestionFormat::Generic, read_generic},
};

}  // namespace

std::optional<QuestionFormat> question_format(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return format.format;
  }
  return std::nullopt;
}

Result<std::vector<Question>> read_questions(std::string_view text, const std::string& path,
                                             QuestionFormat format) {
  std::vector<Question> questions;
  TRY(for_each_json_line(text, path, [&](const Json& object) -> Result<void> {
    for (const Format& known : kFormats) {
      if (known.format == format) questions.push_back(TRY(known.read(object)));
    }
    if (questions.back().choices.size() < 2) return fail("expected at least two choices");
    for (const std::string& choice : questions.back().choices) {
      if (choice.empty()) return fail("expected choices that are not empty");
    }
    return {};
  }));
  if (questions.empty()) return fail("{}: expected at least one question, found none", path);
  return questions;
}

}  // namespace issun::measure
