// What the engine keeps of ended requests, as files and by number.
#include "engine/engine.h"

namespace issun::engine {

namespace {

// Where the path stands in the list, which has the latest last.
Result<size_t> place_of(std::span<const KeptPrefixes::Path> paths, int latest) {
  const auto count = static_cast<int>(paths.size());
  if (latest < 0 || latest >= count)
    return fail("slot {}: nothing is kept there; the answers kept are {}", latest, count);
  return static_cast<size_t>(count - 1 - latest);
}

constexpr const char* kNoShelf = "snapshots: there is no folder for them: --cache-dir";

}  // namespace

Result<void> Engine::open_shelf(ShelfOptions options) {
  shelf_ = TRY(SnapshotShelf::open(std::move(options), cache_));
  return {};
}

void Engine::save_kept() {
  if (shelf_ != nullptr) shelf_->save_all(cache_, kept_);
}

Result<ShelfReport> Engine::save_kept(int latest, const std::string& name) {
  if (shelf_ == nullptr) return fail("{}", kNoShelf);
  return shelf_->save(name, cache_, kept_.paths()[TRY(place_of(kept_.paths(), latest))]);
}

Result<ShelfReport> Engine::restore_kept(const std::string& name) {
  if (shelf_ == nullptr) return fail("{}", kNoShelf);
  return shelf_->restore(name, cache_, kept_);
}

Result<ShelfReport> Engine::forget_kept(int latest) {
  const size_t at = TRY(place_of(kept_.paths(), latest));
  const ShelfReport report{kept_.paths()[at].table.length, 0};
  kept_.erase(at);
  return report;
}

}  // namespace issun::engine
