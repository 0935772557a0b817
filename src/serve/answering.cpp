#include "serve/answering.h"

#include <utility>

namespace issun::serve {

const char* Choice::finish_reason() const {
  switch (finish) {
    case engine::Finish::MaxTokens:
    case engine::Finish::ContextFull:
      return "length";
    default:
      return answer.calls.empty() ? "stop" : "tool_calls";
  }
}

Usage usage_of(const std::vector<Choice>& choices) {
  Usage usage;
  for (const Choice& choice : choices) {
    const engine::RequestStatistics& s = choice.statistics;
    if (choice.first) {
      usage.prompt_tokens += s.prompt_tokens;
      usage.cached_tokens += s.cached_tokens;
      usage.prompt_seconds += s.prompt_seconds;
    }
    usage.generated_tokens += s.generated_tokens;
    usage.drafted_tokens += s.drafted_tokens;
    usage.accepted_tokens += s.accepted_tokens;
    usage.generation_seconds = std::max(usage.generation_seconds, s.generation_seconds);
  }
  return usage;
}

ApiError to_api_error(const Refused& refused) {
  switch (refused.why) {
    case WhyRefused::QueueFull:
    case WhyRefused::Stopping:
      return {.status = 503, .message = refused.message};
    case WhyRefused::Invalid:
      break;
  }
  return {.status = 400, .message = refused.message};
}

namespace {

class Answering : public std::enable_shared_from_this<Answering> {
 public:
  Answering(Service& service, std::shared_ptr<Writer> writer)
      : service_(service), writer_(std::move(writer)) {}

  void start(std::vector<Asked> prompts, const std::shared_ptr<Reply>& reply) {
    int all = 0;
    for (const Asked& asked : prompts) all += asked.choices;
    const int room = service_.options().most_waiting + service_.options().most_running;
    if (all > room)
      throw bad_request(
          "n", "expected at most {} answers at once, which may run and wait here, found {}", room,
          all);
    std::vector<Job> jobs;
    for (const Asked& asked : prompts) {
      check_length(asked.prompt);
      for (int i = 0; i < asked.choices; ++i) jobs.push_back(job_of(asked, i));
    }
    left_ = choices_.size();
    {
      // Nothing is heard before all are accepted.
      const std::lock_guard lock(mutex_);
      for (size_t i = 0; i < jobs.size(); ++i) {
        const auto id = service_.submit(std::move(jobs[i]));
        if (!id) {
          over_ = true;
          for (size_t k = 0; k < i; ++k) service_.cancel(choices_[k].job);
          throw to_api_error(id.error());
        }
        choices_[i].job = *id;
      }
      writer_->begin();
    }
    reply->on_gone([self = shared_from_this()] { self->cancel(); });
  }

 private:
  void check_length(const Prompt& prompt) const {
    const auto length = static_cast<int64_t>(prompt.tokens.size());
    const int64_t context = service_.options().engine.context;
    if (length < context) return;
    throw ApiError{
        .status = 400,
        .message = fmt::format("the prompt has {} tokens, which leaves no room for an answer in a "
                               "context of {}",
                               length, context),
        .param = "messages",
        .code = "context_length_exceeded",
        .details = {{"n_prompt_tokens", length}, {"n_ctx", context}}};
  }

  Job job_of(const Asked& asked, int number) {
    const size_t place = choices_.size();
    Choice choice;
    choice.index = static_cast<int>(place);
    choice.first = number == 0;
    choices_.push_back(std::move(choice));
    readers_.emplace_back(asked.plain ? chat::AnswerFormat{} : asked.prompt.format);
    plain_.push_back(asked.plain);
    one_call_.push_back(asked.prompt.one_call);
    constraints_.push_back(asked.constraint);
    Job job;
    job.request = asked.request;
    job.request.prompt = asked.prompt.tokens;
    job.request.shown_tokens = asked.prompt.shown_tokens;
    job.request.drop_leading_space = asked.prompt.drop_leading_space;
    job.request.sampling.seed += static_cast<uint64_t>(number);
    job.priority = asked.priority;
    job.deadline = asked.deadline;
    job.listener = [self = shared_from_this(), place](const News& news) {
      self->hear(place, news);
    };
    return job;
  }

  void cancel() {
    std::vector<JobId> jobs;
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      for (const Choice& choice : choices_) {
        if (!choice.done) jobs.push_back(choice.job);
      }
    }
    for (const JobId job : jobs) service_.cancel(job);
  }

  void hear(size_t place, const News& news) {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    Choice& choice = choices_[place];
    if (choice.done) return;
    if (!news.error.empty() || news.event.finish == engine::Finish::BrokenLogits ||
        news.event.finish == engine::Finish::Cancelled) {
      over_ = true;
      for (const Choice& other : choices_) {
        if (!other.done && &other != &choice) service_.cancel(other.job);
      }
      writer_->failed(failure_of(news, constraints_[place]));
      return;
    }
    const Delta delta = take(place, news.event);
    const bool says =
        !delta.text.empty() || !delta.tokens.empty() || !(delta.answer == chat::Answer());
    if (says || choice.done) writer_->delta(choice, delta);
    if (choice.done && --left_ == 0) {
      over_ = true;
      writer_->all(choices_);
    }
  }

  static ApiError failure_of(const News& news, const std::string& constraint) {
    if (news.event.finish == engine::Finish::TooCostly)
      return bad_request(constraint, "{}", news.error);
    if (!news.error.empty()) return {.status = 503, .message = news.error};
    if (news.event.finish == engine::Finish::Cancelled)
      return {.status = 503, .message = "the server is shutting down"};
    return {.status = 500, .message = "the model's logits are not numbers: its weights are broken"};
  }

  Delta take(size_t place, const engine::Event& event) {
    Choice& choice = choices_[place];
    choice.finish = event.finish;
    choice.statistics = event.statistics;
    choice.done = event.finish != engine::Finish::Running;
    Delta delta;
    delta.text = event.text;
    const bool shown = event.token >= 0 && event.finish != engine::Finish::EndToken;
    if (shown && !event.probabilities.before.empty())
      delta.tokens.push_back({event.token, event.probabilities});
    if (plain_[place]) {
      delta.answer.content = event.text;
    } else {
      readers_[place].feed(event.text, &delta.answer);
      if (choice.done) readers_[place].finish(&delta.answer);
    }
    if (one_call_[place] && !delta.answer.calls.empty()) {
      delta.answer.calls.resize(1);
      if (!choice.done) service_.cancel(choice.job);  // what it would say further is not wanted
      choice.done = true;
    }
    for (chat::ToolCall& call : delta.answer.calls) {
      // Nine letters and digits: templates of Mistral refuse everything else.
      if (call.id.empty())
        call.id = fmt::format("call{:05}", (choice.job * 7 + ++calls_) % 100'000);
      call.place += choice.answer.content.size();
      choice.answer.calls.push_back(call);
    }
    choice.text += delta.text;
    choice.answer.content += delta.answer.content;
    choice.answer.reasoning += delta.answer.reasoning;
    choice.tokens.insert(choice.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    return delta;
  }

  Service& service_;
  std::mutex mutex_;  // guards all below
  std::shared_ptr<Writer> writer_;
  std::vector<Choice> choices_;
  std::vector<chat::AnswerReader> readers_;
  std::vector<bool> plain_, one_call_;
  std::vector<std::string> constraints_;
  size_t left_ = 0;  // choices that have not ended
  bool over_ = false;
  int calls_ = 0;
};

}  // namespace

void go_on_from(Prompt prompt, Asked* asked) {
  if (prompt.grammar != nullptr) {
    if (asked->request.grammar != nullptr)
      throw bad_request("tool_choice",
                        "a call is forced: expected no response_format, json_schema or grammar "
                        "beside it");
    asked->request.grammar = prompt.grammar;
    asked->constraint = "tools";
  }
  asked->prompt = std::move(prompt);
}

void answer(Service& service, std::vector<Asked> prompts, std::shared_ptr<Reply> reply,
            std::shared_ptr<Writer> writer) {
  std::make_shared<Answering>(service, std::move(writer))->start(std::move(prompts), reply);
}

}  // namespace issun::serve
