#include "experts/policy.h"

#include "base/check.h"
#include "experts/policy_lfru.h"
#include "experts/policy_lfu.h"
#include "experts/policy_lru.h"
#include "experts/policy_s3fifo.h"

namespace issun::experts {

namespace {

struct Named {
  PolicyKind kind;
  const char* name;
};

constexpr Named kPolicyNames[] = {{PolicyKind::Lru, "lru"},
                                  {PolicyKind::Lfu, "lfu"},
                                  {PolicyKind::Lfru, "lfru"},
                                  {PolicyKind::S3Fifo, "s3fifo"}};

}  // namespace

const char* name(PolicyKind kind) {
  for (const Named& named : kPolicyNames) {
    if (named.kind == kind) return named.name;
  }
  return "";
}

std::optional<PolicyKind> policy_from_name(std::string_view name) {
  for (const Named& named : kPolicyNames) {
    if (named.name == name) return named.kind;
  }
  return std::nullopt;
}

std::unique_ptr<Policy> Policy::create(PolicyKind kind, int units) {
  CHECK_THAT(units > 0);
  switch (kind) {
    case PolicyKind::Lru:
      return std::make_unique<LruPolicy>(units);
    case PolicyKind::Lfu:
      return std::make_unique<LfuPolicy>(units);
    case PolicyKind::Lfru:
      return std::make_unique<LfruPolicy>(units);
    case PolicyKind::S3Fifo:
      return std::make_unique<S3FifoPolicy>(units);
  }
  return nullptr;
}

}  // namespace issun::experts
