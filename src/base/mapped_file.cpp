// MappedFile, and what happens when the file shrinks under it.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/file.h"

namespace issun {

namespace {

// Mappings that the SIGBUS handler knows. The handler may only read atomics, so the table is fixed.
struct Mapping {
  std::atomic<uintptr_t> begin{0}, end{0};
  std::atomic<bool> broken{false};
};
constexpr int kMappings = 256;
Mapping mappings[kMappings];
std::mutex claim_mutex;  // guards which slots are taken

struct sigaction previous_bus_action;

// A touch of a page that the file no longer has: put a page of zeros there, note it, go on. The
// computation then yields nonsense, and still_whole() turns it into an error before anybody sees
// it.
void on_sigbus(int signal, siginfo_t* info, void* context) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Mapping& mapping : mappings) {
    if (address < mapping.begin.load() || address >= mapping.end.load()) continue;
    const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    void* hole = reinterpret_cast<void*>(address & ~(page - 1));
    mapping.broken.store(true);
    if (::mmap(hole, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hole)
      return;
    break;
  }
  if ((previous_bus_action.sa_flags & SA_SIGINFO) != 0 &&
      previous_bus_action.sa_sigaction != nullptr) {
    previous_bus_action.sa_sigaction(signal, info, context);
    return;
  }
  ::signal(SIGBUS, SIG_DFL);  // not ours: die as the system would have it
}

void install_handler() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return ::sigaction(SIGBUS, &action, &previous_bus_action) == 0;
  }();
  (void)installed;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  MappedFile mapped;
  mapped.file_ = TRY(File::open_for_reading(path));
  const int64_t size = TRY(mapped.file_.size());
  mapped.size_ = size;
  if (size == 0) return mapped;
  void* data = ::mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_SHARED,
                      mapped.file_.descriptor(), 0);
  if (data == MAP_FAILED) return fail("{}: cannot map {} bytes: {}", path, size, ::strerror(errno));
  mapped.data_ = static_cast<const std::byte*>(data);
  install_handler();
  const std::lock_guard lock(claim_mutex);
  for (int slot = 0; slot < kMappings; ++slot) {
    if (mappings[slot].begin.load() != 0) continue;
    mappings[slot].broken.store(false);
    mappings[slot].end.store(reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(size));
    mappings[slot].begin.store(reinterpret_cast<uintptr_t>(data));
    mapped.slot_ = slot;
    return mapped;
  }
  return fail("{}: expected at most {} files mapped at once", path, kMappings);
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  if (slot_ >= 0) {
    mappings[slot_].end.store(0);
    mappings[slot_].begin.store(0);
  }
  ::munmap(const_cast<std::byte*>(data_), static_cast<size_t>(size_));
}

int64_t MappedFile::resident_bytes() const {
  if (data_ == nullptr) return 0;
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  std::vector<unsigned char> in_memory(static_cast<size_t>((size_ + page - 1) / page));
  if (::mincore(const_cast<std::byte*>(data_), static_cast<size_t>(size_), in_memory.data()) != 0)
    return 0;
  int64_t pages = 0;
  for (const unsigned char flags : in_memory) pages += flags & 1;
  return std::min(size_, pages * page);
}

Result<void> MappedFile::still_whole() const {
  if (data_ == nullptr) return {};
  if (TRY(file_.size()) < size_ || (slot_ >= 0 && mappings[slot_].broken.load())) {
    return fail("{}: the file became shorter than the {} bytes it had when it was opened", path(),
                size_);
  }
  return {};
}

}  // namespace issun
