#include "measure/study/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/svg.h"
#include "measure/study/charts.h"
#include "measure/study/report_charts.h"

namespace issun::measure {

namespace {

constexpr const char* kReportStyle =
    "body{font:15px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222;"
    "background:#fff}h1{font-size:1.6em}h2{margin-top:2em;border-bottom:1px solid #8886}"
    "table{border-collapse:collapse;font-size:13px}.scroll{overflow-x:auto;margin:1em 0}"
    "td,th{border:1px solid #8886;padding:.25em .6em;text-align:right;vertical-align:top}"
    "th,td:first-child,.words td{text-align:left}.words td{min-width:16em;white-space:pre-wrap}"
    "figure{margin:1em 0;overflow-x:auto}svg{max-width:100%;height:auto}.none{color:#888}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}}";

std::string plain(std::string_view text) { return xml_escaped(text); }

// Line ends kept: of answers.
std::string lines_kept(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    out += plain(text.substr(0, end));
    if (end == std::string_view::npos) break;
    out += "\n";
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string cell(std::string_view content) { return fmt::format("<td>{}</td>", content); }
std::string head(std::string_view content) { return fmt::format("<th>{}</th>", plain(content)); }
std::string section(std::string_view title, const std::string& body) {
  return body.empty() ? "" : fmt::format("<h2>{}</h2>\n{}", plain(title), body);
}
std::string table(const std::string& rows, std::string_view kind = "") {
  return fmt::format("<div class=\"scroll\"><table class=\"{}\">\n{}</table></div>\n", kind, rows);
}
std::string list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += "<li>" + plain(item) + "</li>\n";
  return out.empty() ? "" : "<ul>\n" + out + "</ul>\n";
}

// "12.3 ± 0.4"; of one run without an interval. What is missing is said so, never a zero.
std::string figure(const StudyGroup* group, const MetricFacts& facts) {
  if (group == nullptr) return cell("");
  if (const Spread* spread = group->find(facts.key)) {
    std::string words = short_number(spread->mean * facts.scale);
    if (spread->interval > 0) words += " ± " + short_number(spread->interval * facts.scale);
    return cell(words);
  }
  const auto missing = group->missing.find(facts.key);
  if (missing == group->missing.end()) return cell("");
  return fmt::format("<td class=\"none\" title=\"{}\">unavailable</td>", plain(missing->second));
}

std::string label(const MetricFacts& facts) {
  return fmt::format("<td title=\"{}\">{}{}</td>", plain(facts.meaning), plain(facts.label),
                     *facts.unit == '\0' ? "" : fmt::format(", {}", plain(facts.unit)));
}

// An arm a row: what most people want to know.
std::string overview(const StudyPlan& plan, const StudySummary& summary) {
  struct Column {
    const char* metric;
    bool of_quality;
  };
  constexpr Column kColumns[] = {{"weights_bytes", false},
                                 {"perplexity", true},
                                 {"kld", true},
                                 {"prompt_tokens_per_second", false},
                                 {"generation_tokens_per_second", false},
                                 {"first_token_seconds", false},
                                 {"generation_cores_busy", false},
                                 {"peak_resident_bytes", false},
                                 {"cache_bytes", false},
                                 {"generation_net_joules_per_token", false}};
  std::vector<Column> columns;  // those that any arm has something in
  for (const Column& column : kColumns) {
    for (const StudyGroup& group : summary.groups) {
      if (!group.figures.contains(column.metric) && !group.missing.contains(column.metric))
        continue;
      columns.push_back(column);
      break;
    }
  }
  std::string rows = "<tr>" + head("arm");
  for (const Column& column : columns) {
    const MetricFacts& facts = *find_metric(column.metric);
    rows +=
        head(*facts.unit == '\0' ? facts.label : fmt::format("{}, {}", facts.label, facts.unit));
  }
  rows += "</tr>\n";
  for (size_t arm = 0; arm < plan.arms.size(); ++arm) {
    const StudyGroup* speed = summary.first_speed(plan, static_cast<int>(arm));
    const StudyGroup* quality =
        summary.quality(static_cast<int>(arm), speed == nullptr ? 0 : speed->context);
    rows += "<tr>" + cell(plain(plan.arms[arm].name));
    for (const Column& column : columns)
      rows += figure(column.of_quality ? quality : speed, *find_metric(column.metric));
    rows += "</tr>\n";
  }
  return table(rows);
}

// One table a task, context and number of threads: a figure a row, an arm a column.
std::string all_figures(const StudyPlan& plan, const StudySummary& summary) {
  std::set<std::tuple<StudyTask, int, int>> settings;
  for (const StudyGroup& group : summary.groups)
    settings.insert({group.task, group.context, group.threads});
  std::string out;
  for (const auto& [task, context, threads] : settings) {
    std::vector<const StudyGroup*> columns;
    std::string rows = "<tr>" + head("");
    for (size_t arm = 0; arm < plan.arms.size(); ++arm) {
      const StudyGroup* group = summary.find(task, static_cast<int>(arm), context, threads);
      if (group == nullptr) continue;
      columns.push_back(group);
      rows += head(fmt::format(
          "{} ({} run{}{})", plan.arms[arm].name, group->runs, group->runs == 1 ? "" : "s",
          group->failed == 0 ? "" : fmt::format(", {} failed", group->failed)));
    }
    rows += "</tr>\n";
    for (const MetricFacts& facts : all_metrics()) {
      const bool any = std::any_of(columns.begin(), columns.end(), [&](const StudyGroup* group) {
        return group->figures.contains(facts.key) || group->missing.contains(facts.key);
      });
      if (!any) continue;
      rows += "<tr>" + label(facts);
      for (const StudyGroup* group : columns) rows += figure(group, facts);
      rows += "</tr>\n";
    }
    out += fmt::format("<h3>{}{}{}</h3>\n", name(task),
                       context == 0 ? "" : fmt::format(", context {}", context),
                       threads == 0 ? "" : fmt::format(", {} threads", threads)) +
           table(rows);
  }
  return out;
}

// A prompt a row, an arm a column.
std::string answers(const StudyPlan& plan, const std::vector<StudyRecord>& records) {
  std::vector<std::pair<std::string, const StudyRecord*>> columns;
  for (const StudyRun& run : plan.runs) {
    if (run.task != StudyTask::Text) continue;
    for (const StudyRecord& record : records) {
      if (record.id == plan.id(run) && !record.answers.empty())
        columns.emplace_back(plan.arms[static_cast<size_t>(run.arm)].name, &record);
    }
  }
  if (columns.empty()) return "";
  std::sort(columns.begin(), columns.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string rows = "<tr>" + head("prompt");
  for (const auto& [arm, record] : columns) rows += head(arm);
  rows += "</tr>\n";
  for (size_t prompt = 0; prompt < plan.options.prompts.size(); ++prompt) {
    rows += "<tr>" + cell(lines_kept(plan.options.prompts[prompt]));
    for (const auto& [arm, record] : columns) {
      if (prompt >= record->answers.size()) continue;
      const StudyAnswer& answer = record->answers[prompt];
      rows += cell(fmt::format("{}\n<span class=\"none\">[{}]</span>", lines_kept(answer.text),
                               plain(answer.finish)));
    }
    rows += "</tr>\n";
  }
  return table(rows, "words");
}

std::string how(const StudyPlan& plan, const ReportFacts& facts) {
  std::string rows;
  const auto row = [&](std::string_view key, std::string_view value) {
    rows += "<tr>" + cell(plain(key)) + cell(plain(value)) + "</tr>\n";
  };
  for (const auto& [key, value] : facts.conditions) row(key, value);
  for (const StudyModel& model : plan.models) {
    row("weights: " + model.name,
        fmt::format("{} bytes, hash of samples {}, trained with {} tokens", model.bytes, model.hash,
                    model.context_length));
  }
  for (const StudyArm& arm : plan.options.others) row("arm: " + arm.name, arm.command);
  row("seed of the order", fmt::format("{}", plan.options.seed));
  row("runs of each setting", fmt::format("{}", plan.options.repetitions));
  return "<p>Each run is a process of its own, in random order. It loads the model, computes a few "
         "tokens that do not count, reads a prompt that fills the context but for the tokens to "
         "generate, and generates that many, whatever ends an answer; tokenising, choosing the "
         "likeliest token and making it text are in the times. Quality is measured on the text in "
         "windows of the context, answers are of free length up to a limit. Intervals are 95 % "
         "confidence of the mean by Student's t; a single run has none.</p>\n" +
         table(rows, "words");
}

std::string missing(const StudyPlan& plan, const StudySummary& summary) {
  std::vector<std::string> items;
  for (const auto& [why, what] : summary.unavailable) items.push_back(what + ": " + why);
  items.insert(items.end(), plan.left_out.begin(), plan.left_out.end());
  if (plan.options.text.empty())
    items.push_back("perplexity: no --text was given, so nothing says what quality was lost");
  if (summary.most_load > plan.options.sweep_to_threads) {
    items.push_back(fmt::format(
        "an idle machine, perhaps: the load average was up to {} on {} cores. The study's own runs "
        "count in it; if other programs ran beside them, times are longer than they could be",
        short_number(summary.most_load), plan.options.sweep_to_threads));
  }
  if (plan.options.estimate_watts) {
    items.push_back(fmt::format(
        "energy, ESTIMATE: share of all cores x {} W x seconds, as asked for with "
        "--energy-estimate. It knows nothing of frequency, idle power or memory, and is no "
        "measurement",
        *plan.options.estimate_watts));
  }
  for (const std::string& failure : summary.failures) items.push_back("failed: " + failure);
  for (const std::string& run : summary.unsteady_idle)
    items.push_back("idle power before and after differ by more than a tenth: " + run);
  return list(items);
}

std::string meanings(const StudySummary& summary) {
  std::set<std::string> seen;
  for (const StudyGroup& group : summary.groups) {
    for (const auto& [key, spread] : group.figures) seen.insert(key);
    for (const auto& [key, why] : group.missing) seen.insert(key);
  }
  std::string rows;
  for (const MetricFacts& facts : all_metrics()) {
    if (seen.contains(facts.key))
      rows += "<tr>" + cell(plain(facts.label)) + cell(plain(facts.meaning)) + "</tr>\n";
  }
  return rows.empty() ? "" : table(rows, "words");
}

}  // namespace

std::string study_report(const StudyPlan& plan, const std::vector<StudyRecord>& records,
                         const ReportFacts& facts) {
  const StudySummary summary = summarise(plan, records);
  std::string body =
      fmt::format("<h1>Weights, cache and threads on this CPU</h1>\n<p>{} of {} runs{}.</p>\n",
                  summary.done, plan.runs.size(),
                  summary.failed == 0 ? "" : fmt::format(", {} of them failed", summary.failed));
  const int context = plan.options.contexts.front(), threads = plan.options.threads.front();
  body += section("The arms", fmt::format("<p>Context {}, {} thread{}, unless an arm has none of "
                                          "that.</p>\n",
                                          context, threads, threads == 1 ? "" : "s") +
                                  overview(plan, summary));
  body += section("Against quality", quality_charts(plan, summary));
  body += section("Side by side", arm_bars(plan, summary));
  body += section("Threads and contexts", sweep_charts(plan, summary));
  body += section("What they wrote", answers(plan, records));
  body += section("All figures", all_figures(plan, summary));
  body += section("How it was measured", how(plan, facts));
  body += section("What could not be measured here, and why", missing(plan, summary));
  body += section("What each figure is", meanings(summary));
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" "
      "content=\"light dark\">\n<title>issun study</title>\n<style>{}</style>\n</head>\n"
      "<body>\n{}</body>\n</html>\n",
      kReportStyle, body);
}

}  // namespace issun::measure
