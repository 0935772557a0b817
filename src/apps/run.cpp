#include <algorithm>
#include <utility>

#include "apps/chat_flags.h"
#include "apps/commands.h"
#include "apps/grammar_flags.h"
#include "apps/run_report.h"
#include "apps/sampler_flags.h"
#include "apps/speculation_flags.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "engine/conversation.h"
#include "engine/engine.h"

namespace issun::apps {

namespace {

struct RunFlags {
  ModelFlags model;
  GrammarFlags grammar;
  ChatFlags chat;
  SamplerFlags sampler;
  SpeculationFlags speculation;
  std::string prompt, file;
  bool has_prompt = false, has_file = false;
  int predict = -1, n_probs = 0;
  std::vector<std::string> stop;
  bool stats = false, verbose = false, json = false, no_display_prompt = false, ignore_eos = false;
};

// One model and one talk with it.
class Chat {
 public:
  static Result<std::unique_ptr<Chat>> start(const RunFlags& flags) {
    auto options = TRY(flags.chat.read());
    ModelFlags model = flags.model;
    flags.speculation.plan(1, model.options);
    auto runtime = TRY(model.open());
    auto conversation = TRY(engine::Conversation::create(runtime->model(), std::move(options)));
    auto grammar = TRY(flags.grammar.read(runtime->model().tokenizer));
    auto cache = TRY(runtime->new_cache());
    engine::EngineOptions engine;
    engine.context = runtime->options().context;
    engine.prompt_rows = runtime->options().max_rows;
    engine.speculation = TRY(flags.speculation.open(*runtime));
    auto chat = std::unique_ptr<Chat>(
        new Chat(flags, std::move(runtime), std::move(conversation), std::move(cache), engine));
    chat->grammar_ = std::move(grammar);
    return chat;
  }

  // The person's text, answered on stdout as it comes, after the text itself if `echo`. Ctrl-C
  // stops the answer. Error: the text is refused, and nothing was written; or the file or stdout
  // broke.
  Result<void> answer(const std::string& text, bool echo);

  // One that came too late to stop an answer is not meant for what follows.
  void forget_interrupts() { interrupts_.take(); }

  engine::Conversation& conversation() { return conversation_; }
  engine::Runtime& runtime() const { return *runtime_; }
  const tokenizer::Tokenizer& tokenizer() const { return runtime_->model().tokenizer; }
  const RunReport& report() const { return report_; }

 private:
  Chat(const RunFlags& flags, std::unique_ptr<engine::Runtime> runtime,
       engine::Conversation conversation, cache::PagedKv cache,
       const engine::EngineOptions& options)
      : flags_(flags),
        runtime_(std::move(runtime)),
        conversation_(std::move(conversation)),
        engine_(runtime_->forward(), runtime_->model().tokenizer, std::move(cache), options) {}

  Result<void> still_sound() const;
  void show(const chat::Answer& more);

  const RunFlags& flags_;
  std::unique_ptr<engine::Runtime> runtime_;
  engine::Conversation conversation_;
  engine::Engine engine_;
  std::shared_ptr<const grammar::Grammar> grammar_;  // of every answer; nullptr: none
  RunReport report_;
  Interrupts interrupts_;
  std::string note_said_;
};

// What can break while an answer is written: the model's file, and where the answer goes.
Result<void> Chat::still_sound() const {
  TRY(runtime_->model().file.still_whole());
  return written_out();
}

// What came of an answer: what is said to stdout, and what is thought, which is no answer, to
// stderr.
void Chat::show(const chat::Answer& more) {
  if (flags_.json) return;
  if (!more.reasoning.empty() && !flags_.chat.hides_thinking()) tell(dim(more.reasoning));
  const chat::Answer& before = report_.answer;
  const bool said = !before.content.empty() || !before.calls.empty();
  const bool thought = !before.reasoning.empty() || !more.reasoning.empty();
  const bool says = !more.content.empty() || !more.calls.empty();
  if (thought && says && !said && !flags_.chat.hides_thinking()) tell("\n\n");
  write_out(readable(more, before));
}

Result<void> Chat::answer(const std::string& text, bool echo) {
  engine::Request request;
  request.prompt = TRY(conversation_.ask(text));
  if (request.prompt.empty())
    return fail("prompt: expected a text, since this vocabulary has no token that begins one");
  if (!conversation_.note().empty() && conversation_.note() != note_said_)
    say(conversation_.note());
  note_said_ = conversation_.note();
  request.max_tokens = flags_.predict;
  request.sampling = flags_.sampler.options();
  request.sampling.n_probs = flags_.n_probs;
  request.stop = flags_.stop;
  request.ignore_end = flags_.ignore_eos;
  request.grammar = grammar_;
  request.shown_tokens = conversation_.shown_tokens();
  request.drop_leading_space = conversation_.drops_leading_space(text);
  const engine::RequestId id = TRY(engine_.submit(std::move(request)));
  show_progress(fmt::format("reading {} ...", flags_.model.model_name()));
  std::string_view lead = echo ? std::string_view(text) : "";  // after the progress, not before
  chat::AnswerReader reader(conversation_.answer_format());
  report_ = {};
  int prompt_done = 0;
  const auto take = [&](const engine::Event& event) {
    chat::Answer more;
    reader.feed(event.text, &more);
    if (event.finish != engine::Finish::Running) reader.finish(&more);
    show(more);
    report_.add(event, more);
  };
  while (!engine_.idle()) {
    for (const engine::Event& event : engine_.step()) {
      hide_progress();
      if (!event.error.empty()) return fail("{}", event.error);
      if (event.token >= 0 || event.finish != engine::Finish::Running) {
        write_out(std::exchange(lead, {}));
      }
      take(event);
    }
    if (const Result<void> sound = still_sound(); !sound) {
      engine_.cancel(id);
      return sound;
    }
    const auto statistics = engine_.statistics(id);
    if (!engine_.idle() && statistics.generated_tokens == 0) {
      prompt_done = std::min(statistics.prompt_tokens, prompt_done + runtime_->options().max_rows);
      show_progress(fmt::format("reading the prompt: {} of {} tokens", prompt_done,
                                statistics.prompt_tokens));
    }
    if (interrupts_.take() && !engine_.idle()) {
      take(engine_.cancel(id));
    }
  }
  hide_progress();
  report_.answer = conversation_.answered(text, std::move(report_.answer));
  report_.logits_hash = engine_.last_logits_hash();
  report_.peak_memory = peak_memory_bytes();
  return {};
}

// What the person should know although they did not ask for statistics.
void explain_end(const Chat& chat) {
  if (chat.report().finish == engine::Finish::BrokenLogits) {
    say("the model's logits are not numbers: its weights are broken, or `issun verify` finds them "
        "sound and this is a bug");
  }
  if (chat.report().finish == engine::Finish::ContextFull) {
    say(fmt::format("the context of {} tokens is full; -c makes it larger",
                    chat.runtime().options().context));
  }
}

// What comes after an answer.
void finish_answer(const Chat& chat, const RunFlags& flags) {
  const bool wants_statistics = flags.stats || flags.verbose;
  if (!flags.json) write_out("\n");
  explain_end(chat);
  if (!flags.json && !wants_statistics) return;
  const RunFigures found = figures(chat.report(), chat.runtime());
  if (flags.json) write_out(to_json(chat.report(), found, chat.tokenizer()) + "\n");
  if (wants_statistics) tell(readable(chat.report(), found));
}

Result<int> one_shot(Chat& chat, const RunFlags& flags, const std::string& prompt) {
  const bool echo = chat.conversation().continues_text() && !flags.no_display_prompt && !flags.json;
  TRY(chat.answer(prompt, echo));
  finish_answer(chat, flags);
  return chat.report().finish == engine::Finish::BrokenLogits ? kFailed : kDone;
}

constexpr const char* kHelp =
    "/help  this list\n/clear  forget what was said\n/save FILE  write what was said to a "
    "file\n/exit  leave\n"
    "A line that ends in \\ goes on in the next. Ctrl-C stops an answer, and leaves when nothing "
    "is being answered.\n";

// A slash command; false: leave.
bool obey(Chat& chat, const std::string& line) {
  if (line == "/exit" || line == "/bye" || line == "/quit") return false;
  if (line == "/help" || line == "/?") {
    tell(kHelp);
  } else if (line == "/clear") {
    chat.conversation().clear();
  } else if (line.starts_with("/save ")) {
    const auto saved = write_atomically(line.substr(6), chat.conversation().transcript());
    if (!saved) say(saved.error().message);
  } else {
    say(fmt::format("{}: no such command; /help lists them", line));
  }
  return true;
}

// A question, over as many lines as end in a backslash; nullopt: leave.
std::optional<std::string> read_question() {
  std::string question;
  for (;;) {
    tell(question.empty() ? "> " : ". ");
    const auto line = read_line();
    if (!line) return std::nullopt;
    if (!line->ends_with('\\')) return question + *line;
    question += line->substr(0, line->size() - 1) + "\n";
  }
}

Result<int> interactive(Chat& chat, const RunFlags& flags) {
  while (const auto question = read_question()) {
    if (question->empty()) continue;
    if (question->starts_with('/')) {
      if (!obey(chat, *question)) return kDone;
      continue;
    }
    if (const auto answered = chat.answer(*question, false); answered) {
      finish_answer(chat, flags);
    } else {
      say(answered.error().message);
    }
    TRY(written_out());
    chat.forget_interrupts();
  }
  tell("\n");
  return kDone;
}

Result<int> run(const RunFlags& flags) {
  const auto chat = TRY(Chat::start(flags));
  if (flags.verbose)
    tell(fmt::format("{}seed {}\n", describe_start(chat->runtime()), flags.sampler.options().seed));
  if (chat->conversation().continues_text() && !flags.chat.raw()) {
    say("this model has no chat template: it continues the text");
  }
  if (flags.has_prompt) return one_shot(*chat, flags, flags.prompt);
  if (flags.has_file) return one_shot(*chat, flags, TRY(read_text(flags.file)));
  if (!stdin_is_terminal()) return one_shot(*chat, flags, TRY(read_text("-")));
  return interactive(*chat, flags);
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("run", "run a model: answer once, or chat when nothing is asked");
  auto flags = std::make_shared<RunFlags>();
  flags->model.add(*command, true);
  auto* prompt =
      command->add_option("-p,--prompt", flags->prompt, "the text to answer or to continue");
  auto* file =
      command->add_option("-f,--file", flags->file, "read it from a file")->excludes(prompt);
  command
      ->add_option("-n,--predict,--n-predict", flags->predict,
                   "tokens to generate at most; -1: no limit but the context")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
  flags->sampler.add(*command);
  flags->speculation.add(*command);
  command
      ->add_option("--stop,-r,--reverse-prompt", flags->stop,
                   "a text that ends the answer; may be given again")
      ->check(expect_text)
      ->allow_extra_args(false);
  flags->chat.add(*command);
  flags->grammar.add(*command);
  auto* ignore_end = command->add_flag("--ignore-eos", flags->ignore_eos,
                                       "go on after a token that ends the answer");
  flags->grammar.exclude(ignore_end);  // it alone says where an answer may end
  command->add_flag("--no-display-prompt", flags->no_display_prompt,
                    "do not repeat the text that is continued");
  command->add_flag("--stats", flags->stats,
                    "afterwards: speed, bandwidth, memory, hash of the last logits");
  command->add_flag("-v,--verbose", flags->verbose, "as --stats, and what was loaded");
  auto* json = command->add_flag("--json", flags->json,
                                 "each answer and its statistics as JSON, when it is whole");
  json->excludes(command->get_option("--hide-thinking"));
  command
      ->add_option("--n-probs", flags->n_probs,
                   "with --json: how likely the n likeliest tokens were at each place")
      ->check(CLI::Range(0, 1000))
      ->needs(json)
      ->capture_default_str();
  command->callback([flags, prompt, file, &action] {
    flags->sampler.settle();
    flags->speculation.settle();
    flags->has_prompt = prompt->count() > 0;
    flags->has_file = file->count() > 0;
    action = [flags] { return run(*flags); };
  });
}

}  // namespace issun::apps
