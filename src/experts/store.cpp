#include "experts/store.h"

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"

namespace issun::experts {

GroupStatistics StoreStatistics::all() const {
  GroupStatistics sum;
  for (const GroupStatistics& group : groups) {
    sum.uses += group.uses;
    sum.found += group.found;
    sum.expected += group.expected;
    sum.late += group.late;
  }
  return sum;
}

int64_t Store::least_bytes(std::span<const Group> groups) {
  int64_t largest = 0;
  for (const Group& group : groups) {
    for (const Placement& unit : group.units) largest = std::max(largest, unit.bytes);
  }
  return largest;
}

Result<std::unique_ptr<Store>> Store::create(Source& source, std::vector<Group> groups,
                                             const StoreOptions& options) {
  const int64_t largest = least_bytes(groups);
  int64_t smallest = largest;
  size_t most_units = 0;
  for (const Group& group : groups) {
    most_units = std::max(most_units, group.units.size());
    for (const Placement& unit : group.units) smallest = std::min(smallest, unit.bytes);
  }
  CHECK_THAT(smallest > 0);
  if (options.budget_bytes < largest) {
    return fail("memory: expected {} bytes at least for what is read from the disk, found {}",
                largest, options.budget_bytes);
  }
  Slots slots = TRY(Slots::create(options.budget_bytes, smallest, largest));
  std::unique_ptr<Store> store(new Store(std::move(slots), options));
  for (Group& group : groups) {
    GroupState state;
    state.units.resize(group.units.size());
    state.policy = Policy::create(options.policy, static_cast<int>(group.units.size()));
    for (size_t u = 0; u < group.units.size(); ++u) {
      // The vector's memory moves with it, so the span holds.
      state.units[u].load.extents = group.units[u].extents;
    }
    state.facts = std::move(group);
    store->groups_.push_back(std::move(state));
  }
  store->droppable_.resize(most_units);
  store->statistics_.groups.resize(store->groups_.size());
  store->divide_equally();
  store->reader_ = TRY(Reader::create(source, options.reader));
  return store;
}

Store::~Store() = default;

// To each group the same part of its units.
void Store::divide_equally() {
  const auto size = [](const GroupState& group) {
    int64_t bytes = 0;
    for (const Placement& unit : group.facts.units) bytes += unit.bytes;
    return bytes;
  };
  int64_t all = 0;
  for (const GroupState& group : groups_) all += size(group);
  const int64_t held = std::max<int64_t>(0, options_.budget_bytes - options_.passing_bytes);
  for (GroupState& group : groups_) {
    const double part = static_cast<double>(size(group)) / static_cast<double>(all);
    group.share_bytes = options_.keep ? static_cast<int64_t>(static_cast<double>(held) * part) : 0;
  }
}

void Store::set_share(int group, int64_t bytes) {
  groups_[static_cast<size_t>(group)].share_bytes = options_.keep ? bytes : 0;
  if (group != current_ || given_.empty()) trim(group);
}

std::byte* Store::memory(int group, int unit_index) const {
  const Unit& asked = unit({group, unit_index});
  CHECK_THAT(asked.slot >= 0);
  return slots_.memory(asked.slot);
}

bool Store::resident(int group, int unit_index) const {
  const Where where = unit({group, unit_index}).where;
  return where == Where::Held || where == Where::Early || where == Where::GivenUp;
}

// Starts to read it; false: there is no memory that nobody holds.
bool Store::begin(Name name, Urgency urgency) {
  Unit& it = unit(name);
  int slot = slots_.take(bytes_of(name));
  while (slot < 0 && !given_up_.empty()) {
    forget(given_up_.front());
    slot = slots_.take(bytes_of(name));
  }
  if (slot < 0) return false;
  it.slot = slot;
  it.where = Where::Coming;
  it.load.memory = slots_.memory(slot);
  reader_->submit(it.load, urgency);
  return true;
}

Result<double> Store::measure_rate(int group) {
  CHECK_THAT(given_.empty() && coming_.empty());
  GroupState& state = groups_[static_cast<size_t>(group)];
  int64_t bytes = 0;
  std::vector<Load*> loads;
  const double began = seconds_now();
  for (size_t u = 0; u < state.units.size(); ++u) {
    Unit& it = state.units[u];
    if (it.slot < 0 || it.where == Where::Coming) continue;
    bytes += state.facts.units[u].bytes;
    loads.push_back(&it.load);
    reader_->submit(it.load, Urgency::Needed);
  }
  Result<void> read;
  for (Load* const load : loads) {
    reader_->wait_for_one({&load, 1});
    if (read) read = reader_->result(*load);
  }
  TRY(read);
  return loads.empty() ? 0.0 : static_cast<double>(bytes) / (seconds_now() - began);
}

void Store::need(int group, std::span<const Use> uses) {
  CHECK_THAT(ready_.empty() && given_.empty() && missing_.empty() && coming_.empty());
  settle();
  expected_.clear();
  current_ = group;
  GroupState& state = groups_[static_cast<size_t>(group)];
  GroupStatistics& counts = statistics_.groups[static_cast<size_t>(group)];
  for (const Use& use : uses) {
    const Name name{group, use.unit};
    Unit& it = unit(name);
    CHECK_THAT(!it.wanted);
    it.wanted = true;
    state.policy->use(use.unit, use.tokens);
    ++counts.uses;
    switch (it.where) {
      case Where::Disk:
        missing_.push_back(use.unit);
        break;
      case Where::Coming:
        counts.expected += 1;
        counts.late += 1;
        std::erase(early_, name);
        reader_->raise(it.load);
        coming_.push_back(use.unit);
        break;
      case Where::Early:
        counts.expected += 1;
        std::erase(early_, name);
        ready_.push_back(use.unit);
        break;
      case Where::GivenUp:
        std::erase(given_up_, name);
        it.where = Where::Early;
        [[fallthrough]];
      case Where::Held:
        counts.found += 1;
        ready_.push_back(use.unit);
        break;
    }
  }
  // What was expected of this group and is not used is anybody's now.
  std::vector<Name> early;
  early.swap(early_);
  for (const Name& name : early) {
    if (name.group == group && unit(name).where == Where::Early) {
      give_up(name);
    } else {
      early_.push_back(name);
    }
  }
  begin_missing();
}

void Store::begin_missing() {
  size_t begun = 0;
  while (begun < missing_.size() && begin({current_, missing_[begun]}, Urgency::Needed)) {
    coming_.push_back(missing_[begun++]);
  }
  missing_.erase(missing_.begin(), missing_.begin() + static_cast<std::ptrdiff_t>(begun));
}

void Store::expect(std::span<const UnitName> units) {
  expected_.assign(units.begin(), units.end());
  begin_expected();
}

void Store::begin_expected() {
  if (!missing_.empty()) return;
  size_t begun = 0;
  for (; begun < expected_.size(); ++begun) {
    const Name name = expected_[begun];
    Unit& it = unit(name);
    if (it.wanted) continue;
    if (it.where == Where::GivenUp) {
      std::erase(given_up_, name);
      it.where = Where::Early;
      early_.push_back(name);
      continue;
    }
    if (it.where != Where::Disk) continue;
    if (!begin(name, Urgency::Expected)) break;
    ++statistics_.expected_reads;
    early_.push_back(name);
  }
  expected_.erase(expected_.begin(), expected_.begin() + static_cast<std::ptrdiff_t>(begun));
}

// What was expected and has come by now. True: some of it could not be read, and its memory is
// free.
bool Store::settle() {
  bool freed = false;
  for (size_t i = 0; i < early_.size();) {
    const Name name = early_[i];
    Unit& it = unit(name);
    if (it.where == Where::Coming && reader_->done(it.load)) {
      if (reader_->result(it.load)) {
        it.where = Where::Early;
      } else {  // whoever needs it reads it again, and is told
        forget(name);
        early_.erase(early_.begin() + static_cast<std::ptrdiff_t>(i));
        freed = true;
        continue;
      }
    }
    ++i;
  }
  return freed;
}

Result<std::span<const int>> Store::next() {
  release();
  begin_missing();
  while (ready_.empty() && !(coming_.empty() && missing_.empty())) {
    // What is held by others, or was only expected, makes way for what is needed.
    while (coming_.empty() && make_room()) begin_missing();
    CHECK_THAT(!coming_.empty());
    if (auto waited = wait(); !waited) {
      abandon();
      return tl::unexpected<Error>(std::move(waited.error()));
    }
  }
  begin_expected();
  // While others wait for memory, half at a time: what is used frees some, and the disk goes on
  // reading while the next half is used.
  const size_t most = missing_.empty() ? ready_.size() : (ready_.size() + 1) / 2;
  const auto end = ready_.begin() + static_cast<std::ptrdiff_t>(most);
  given_.assign(ready_.begin(), end);
  ready_.erase(ready_.begin(), end);
  return std::span<const int>(given_);
}

// Until some of what is needed has come.
Result<void> Store::wait() {
  awaited_.clear();
  for (const int u : coming_) awaited_.push_back(&unit({current_, u}).load);
  const bool at_once = std::any_of(awaited_.begin(), awaited_.end(),
                                   [&](const Load* load) { return reader_->done(*load); });
  if (!at_once) {
    const double began = seconds_now();
    const int64_t bytes = reader_->statistics().bytes;
    reader_->wait_for_one(awaited_);
    statistics_.waited_seconds += seconds_now() - began;
    statistics_.bytes_while_waiting += reader_->statistics().bytes - bytes;
    ++statistics_.waits;
  }
  for (size_t i = 0; i < coming_.size();) {
    const int u = coming_[i];
    if (!reader_->done(unit({current_, u}).load)) {
      ++i;
      continue;
    }
    coming_.erase(coming_.begin() + static_cast<std::ptrdiff_t>(i));
    TRY(arrived({current_, u}));
    ready_.push_back(u);
  }
  return {};
}

Result<void> Store::arrived(Name name) {
  Unit& it = unit(name);
  Result<void> read = reader_->result(it.load);
  if (read) {
    it.where = Where::Early;  // until it has been used
  } else {
    forget(name);
  }
  return read;
}

// The units that were given have been used.
void Store::release() {
  for (const int u : given_) {
    unit({current_, u}).wanted = false;
    hold({current_, u});
  }
  if (!given_.empty()) trim(current_);
  given_.clear();
}

void Store::hold(Name name) {
  Unit& it = unit(name);
  if (it.where == Where::Held) return;
  GroupState& state = groups_[static_cast<size_t>(name.group)];
  it.where = Where::Held;
  state.policy->admit(name.unit);
  state.held_bytes += bytes_of(name);
}

// The group gives up what it has above its share.
void Store::trim(int group) {
  GroupState& state = groups_[static_cast<size_t>(group)];
  while (state.held_bytes > state.share_bytes) {
    bool any = false;
    for (size_t u = 0; u < state.units.size(); ++u) {
      droppable_[u] = state.units[u].where == Where::Held && !state.units[u].wanted;
      any = any || droppable_[u] != 0;
    }
    if (!any) return;
    const int victim = state.policy->victim(std::span(droppable_).first(state.units.size()));
    give_up({group, victim});
  }
}

void Store::give_up(Name name) {
  Unit& it = unit(name);
  if (it.where == Where::Held) {
    GroupState& state = groups_[static_cast<size_t>(name.group)];
    state.policy->drop(name.unit);
    state.held_bytes -= bytes_of(name);
  }
  it.where = Where::GivenUp;
  given_up_.push_back(name);
  if (!options_.keep) forget(name);
}

// Its memory is free.
void Store::forget(Name name) {
  Unit& it = unit(name);
  if (it.where == Where::GivenUp) std::erase(given_up_, name);
  slots_.give_back(it.slot);
  it.slot = -1;
  it.where = Where::Disk;
}

// One unit less in memory that is not needed now. False: all that is there is needed.
bool Store::make_room() {
  if (settle()) return true;
  if (!early_.empty()) {
    const Name name = early_.back();  // the least likely
    early_.pop_back();
    Load* const load = &unit(name).load;
    if (unit(name).where == Where::Coming && !reader_->cancel(*load)) {
      reader_->wait_for_one({&load, 1});
    }
    forget(name);
    return true;
  }
  // Of the group that was used longest ago: its turn comes last.
  for (int back = groups() - 1; back >= 0; --back) {
    const int g = (current_ + 1 + back) % groups();
    GroupState& state = groups_[static_cast<size_t>(g)];
    for (size_t u = 0; u < state.units.size(); ++u) {
      if (state.units[u].where != Where::Held || state.units[u].wanted) continue;
      const Name name{g, static_cast<int>(u)};
      give_up(name);
      if (unit(name).where == Where::GivenUp) forget(name);
      return true;
    }
  }
  return false;
}

// After a failure: nothing of the group is needed any more.
void Store::abandon() {
  for (const int u : ready_) {
    unit({current_, u}).wanted = false;
    hold({current_, u});
  }
  for (const int u : missing_) unit({current_, u}).wanted = false;
  for (const int u : coming_) {
    unit({current_, u}).wanted = false;
    early_.push_back({current_, u});
  }
  for (Unit& it : groups_[static_cast<size_t>(current_)].units) it.wanted = false;
  ready_.clear();
  missing_.clear();
  coming_.clear();
  trim(current_);
}

StoreStatistics Store::statistics() const {
  StoreStatistics now = statistics_;
  now.reader = reader_->statistics();
  now.reader.reads -= before_.reads;
  now.reader.bytes -= before_.bytes;
  now.reader.busy_seconds -= before_.busy_seconds;
  return now;
}

void Store::reset_statistics() {
  const size_t groups = statistics_.groups.size();
  statistics_ = {};
  statistics_.groups.resize(groups);
  before_ = reader_->statistics();
}

}  // namespace issun::experts
