#include "measure/study/report_charts.h"

#include <fmt/format.h>

#include <set>

#include "measure/study/charts.h"

namespace issun::measure {

namespace {

// A figure as it is shown: scaled to its unit.
struct Shown {
  double value = 0, interval = 0;
};

std::optional<Shown> shown(const StudyGroup* group, const MetricFacts& facts) {
  const Spread* spread = group == nullptr ? nullptr : group->find(facts.key);
  if (spread == nullptr) return std::nullopt;
  return Shown{spread->mean * facts.scale, spread->interval * facts.scale};
}

std::string title_of(const MetricFacts& facts) {
  return *facts.unit == '\0' ? facts.label : fmt::format("{} ({})", facts.label, facts.unit);
}

std::string figure(const std::string& svg) {
  return svg.empty() ? "" : "<figure>" + svg + "</figure>\n";
}

// What stands for quality in this study: the divergence where it was measured.
const MetricFacts& quality_metric(const StudySummary& summary) {
  for (const StudyGroup& group : summary.groups) {
    if (group.task == StudyTask::Quality && group.find("kld") != nullptr)
      return *find_metric("kld");
  }
  return *find_metric("perplexity");
}

std::string over_quality(const StudyPlan& plan, const StudySummary& summary,
                         const MetricFacts& what) {
  const MetricFacts& quality = quality_metric(summary);
  Chart chart{.title = fmt::format("{} over {}", what.label, quality.label),
              .x_title = title_of(quality) + ", further left is better",
              .y_title = title_of(what),
              .y_from_zero = true};
  for (size_t arm = 0; arm < plan.arms.size(); ++arm) {
    const StudyGroup* speed = summary.first_speed(plan, static_cast<int>(arm));
    if (speed == nullptr) continue;
    const auto x = shown(summary.quality(static_cast<int>(arm), speed->context), quality),
               y = shown(speed, what);
    ChartSeries series{plan.arms[arm].name, {}};
    if (x && y) series.points.push_back({x->value, y->value, y->interval});
    chart.series.push_back(std::move(series));
  }
  return figure(chart_svg(chart));
}

std::string bars_of(const StudyPlan& plan, const StudySummary& summary, const MetricFacts& what) {
  std::vector<Bar> bars;
  for (size_t arm = 0; arm < plan.arms.size(); ++arm) {
    const StudyGroup* group = summary.first_speed(plan, static_cast<int>(arm));
    Bar bar{plan.arms[arm].name, std::nullopt, 0, "not told by this program"};
    if (const auto found = shown(group, what)) {
      bar.value = found->value;
      bar.error = found->interval;
    } else if (group != nullptr && group->missing.contains(what.key)) {
      bar.note = "unavailable";
    } else if (group == nullptr || group->failed == group->runs) {
      bar.note = "no run yet";
    }
    bars.push_back(std::move(bar));
  }
  return figure(bars_svg(what.label, what.unit, bars));
}

// A line an arm; `along` gives the place of a group on the axis.
template <class Along>
std::string lines(const StudyPlan& plan, const StudySummary& summary, const MetricFacts& what,
                  const char* axis, Along&& along) {
  Chart chart{.title = fmt::format("{} over {}", what.label, axis),
              .x_title = axis,
              .y_title = title_of(what),
              .x_scale = Scale::Doubling,
              .y_from_zero = true};
  for (size_t arm = 0; arm < plan.arms.size(); ++arm) {
    ChartSeries series{plan.arms[arm].name, {}, true};
    for (const StudyGroup& group : summary.groups) {
      const auto place = group.arm == static_cast<int>(arm) && group.task == StudyTask::Speed
                             ? along(group)
                             : std::optional<double>();
      const auto value = shown(&group, what);
      if (place && value) series.points.push_back({*place, value->value, value->interval});
    }
    chart.series.push_back(std::move(series));
  }
  return figure(chart_svg(chart));
}

template <class Member>
size_t different(const StudySummary& summary, Member&& member) {
  std::set<int> values;
  for (const StudyGroup& group : summary.groups) {
    if (group.task == StudyTask::Speed && member(group) > 0) values.insert(member(group));
  }
  return values.size();
}

}  // namespace

std::string quality_charts(const StudyPlan& plan, const StudySummary& summary) {
  std::string out;
  for (const char* key :
       {"generation_tokens_per_second", "prompt_tokens_per_second", "peak_resident_bytes",
        "generation_net_joules_per_token", "energy_estimate_joules"}) {
    out += over_quality(plan, summary, *find_metric(key));
  }
  return out;
}

std::string arm_bars(const StudyPlan& plan, const StudySummary& summary) {
  std::string out;
  for (const char* key :
       {"prompt_tokens_per_second", "generation_tokens_per_second", "first_token_seconds",
        "token_ms_p95", "load_seconds", "generation_cores_busy", "peak_resident_bytes",
        "pss_anonymous_bytes", "cache_bytes", "generation_net_joules_per_token",
        "energy_estimate_joules"}) {
    out += bars_of(plan, summary, *find_metric(key));
  }
  return out;
}

std::string sweep_charts(const StudyPlan& plan, const StudySummary& summary) {
  std::string out;
  const int context = plan.options.contexts.front(), threads = plan.options.threads.front();
  if (different(summary, [](const StudyGroup& group) { return group.threads; }) > 1) {
    for (const char* key : {"prompt_tokens_per_second", "generation_tokens_per_second",
                            "generation_voluntary_switches", "generation_cores_busy"}) {
      out += lines(plan, summary, *find_metric(key), "threads", [&](const StudyGroup& group) {
        return group.context == context ? std::optional<double>(group.threads) : std::nullopt;
      });
    }
  }
  if (different(summary, [](const StudyGroup& group) { return group.context; }) > 1) {
    for (const char* key : {"prompt_tokens_per_second", "generation_tokens_per_second",
                            "cache_bytes", "peak_resident_bytes", "generation_ipc"}) {
      out += lines(plan, summary, *find_metric(key), "context", [&](const StudyGroup& group) {
        return group.threads == threads ? std::optional<double>(group.context) : std::nullopt;
      });
    }
  }
  return out;
}

}  // namespace issun::measure
