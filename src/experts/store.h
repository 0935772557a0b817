// Weights that are in memory, on their way there, or on the disk: units (an expert, or the matrices
// of a layer) in groups (layers), within a budget of bytes. One thread owns a Store.
//
// A unit that is needed and missing is read into a free slot, used, and then its group gives up
// what its policy holds least worth, until it has no more than its share. What is given up stays
// where it is until its memory is wanted: it may come back without a read.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "experts/policy.h"
#include "experts/reader.h"
#include "experts/slots.h"

namespace issun::experts {

struct Group {
  std::vector<Placement> units;  // how each lies in the memory it is given
};

struct StoreOptions {
  int64_t budget_bytes = 0;   // of all that is in memory or on its way
  int64_t passing_bytes = 0;  // of these, what no group holds: for reads that are under way
  bool keep = true;           // false: units are forgotten after use, to see what keeping is worth
  PolicyKind policy = PolicyKind::Lfru;
  ReaderOptions reader = {};
};

// A unit that is about to be used, and by how many tokens.
struct Use {
  int unit = 0;
  int tokens = 1;
};

struct UnitName {
  int group = 0, unit = 0;
  bool operator==(const UnitName&) const = default;
};

struct GroupStatistics {
  int64_t uses = 0;
  int64_t found = 0;     // in memory because they were used before
  int64_t expected = 0;  // read, or being read, because they were expected
  int64_t late = 0;      // of these, not there yet
  int64_t missed() const { return uses - found - expected; }
};

struct StoreStatistics {
  std::vector<GroupStatistics> groups;
  int64_t expected_reads = 0;  // units read because they were expected
  int64_t waits = 0;
  double waited_seconds = 0;        // nothing that was needed had come
  int64_t bytes_while_waiting = 0;  // read meanwhile
  ReaderStatistics reader;
  GroupStatistics all() const;
};

class Store {
 public:
  // The least budget that a store of these groups can work with.
  static int64_t least_bytes(std::span<const Group> groups);
  // The source must outlive the store. Error: a budget below least_bytes(), memory, threads.
  static Result<std::unique_ptr<Store>> create(Source& source, std::vector<Group> groups,
                                               const StoreOptions& options);
  // Waits for reads that run.
  ~Store();

  // What of the group is used now, each unit once. Begins to read what is missing. What next() had
  // given of another group must have come to its end.
  void need(int group, std::span<const Use> uses);
  // Units of the group that can be used now, those that are in memory already first, then as they
  // come; none: all have been given. They may be used until the next call. Error: a read that
  // failed; then the group has come to its end, and the store is as good as before.
  Result<std::span<const int>> next();
  // Of a unit that next() gave.
  std::byte* memory(int group, int unit) const;
  // What will probably be needed soon, likeliest first: read when nothing is needed, into memory
  // that no group holds. Takes the place of what was expected before and has not begun.
  void expect(std::span<const UnitName> units);
  // Whether it is in memory, so that need() would not read it.
  bool resident(int group, int unit) const;
  // Bytes a second of the disk: reads what is in memory of a group once more, to where it is. 0:
  // nothing is. Between groups, with nothing on its way. Error: the disk.
  Result<double> measure_rate(int group);
  // Bytes that the units of a group may hold from now on.
  void set_share(int group, int64_t bytes);

  int groups() const { return static_cast<int>(groups_.size()); }
  const Group& group(int g) const { return groups_[static_cast<size_t>(g)].facts; }
  int64_t share(int group) const { return groups_[static_cast<size_t>(group)].share_bytes; }
  StoreStatistics statistics() const;
  void reset_statistics();

 private:
  enum class Where : uint8_t {
    Disk,
    Coming,
    Held,     // by its group
    Early,    // read because it was expected, not used yet
    GivenUp,  // nobody's, but still whole
  };
  struct Unit {
    Where where = Where::Disk;
    bool wanted = false;  // by what next() gives
    int slot = -1;
    Load load;
  };
  struct GroupState {
    Group facts;
    std::vector<Unit> units;
    std::unique_ptr<Policy> policy;
    int64_t share_bytes = 0, held_bytes = 0;
  };
  using Name = UnitName;

  Store(Slots slots, const StoreOptions& options) : slots_(std::move(slots)), options_(options) {}
  Unit& unit(Name name) {
    return groups_[static_cast<size_t>(name.group)].units[static_cast<size_t>(name.unit)];
  }
  const Unit& unit(Name name) const {
    return groups_[static_cast<size_t>(name.group)].units[static_cast<size_t>(name.unit)];
  }
  int64_t bytes_of(Name name) const {
    return group(name.group).units[static_cast<size_t>(name.unit)].bytes;
  }
  void divide_equally();
  bool begin(Name name, Urgency urgency);
  void begin_missing();
  void begin_expected();
  bool settle();
  bool make_room();
  void release();
  void trim(int group);
  void give_up(Name name);
  void forget(Name name);
  void hold(Name name);
  Result<void> arrived(Name name);
  Result<void> wait();
  void abandon();

  std::vector<GroupState> groups_;
  Slots slots_;
  const StoreOptions options_;
  std::unique_ptr<Reader> reader_;

  int current_ = 0;             // the group that is needed
  std::vector<int> ready_;      // its units that next() gives next
  std::vector<int> given_;      // that next() gave last
  std::vector<int> missing_;    // no room for them yet
  std::vector<int> coming_;     // that are waited for
  std::vector<Name> early_;     // Early, or Coming because they were expected
  std::vector<Name> given_up_;  // oldest first
  std::vector<Name> expected_;  // not begun
  std::vector<uint8_t> droppable_;
  std::vector<Load*> awaited_;
  StoreStatistics statistics_;
  ReaderStatistics before_;  // the reader's, when they were reset
};

}  // namespace issun::experts
