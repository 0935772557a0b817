// Orthonormal matrices whose entries have (nearly) one size: a row multiplied by one has its few
// large numbers spread over all of it, and so loses less when it is rounded to few bits
// (Ashkboos et al., "QuaRot", 2024, arXiv 2404.00456). Each is symmetric and its own inverse. Any
// width has one: of m * 2^k, m odd, it is
// - the Walsh-Hadamard matrix, where m is 1;
// - the Kronecker product of Paley's matrix of order 4 m and the Walsh-Hadamard matrix of 2^(k -
// 2),
//   where k is at least 2 and 4 m - 1 a prime (Paley, "On orthogonal matrices", 1933): 40, 80, 96;
// - else Walsh-Hadamard matrices one after another, the largest first: 112 is 64, 32 and 16.
// Blocks may also be held small. What is lost in a key counts by the query's number beside it, so
// that keys do best with one matrix over the whole head; of values all numbers count alike, and
// they do best when a matrix is no wider than the block of 32 whose scale the numbers share
// (docs/measurements/2026-11-kv-cache.md).
#pragma once

#include <span>
#include <string>
#include <vector>

namespace issun::cache {

// One block on the diagonal, of order paley * 2^doublings.
struct HadamardBlock {
  int paley = 1;  // 1, or an order of Paley's
  int doublings = 0;
  int order() const { return paley << doublings; }
};

constexpr int kWholeWidth = 0;  // no limit
constexpr int kKeySpread = kWholeWidth, kValueSpread = 32;

// width: 1 or more. limit: blocks of this order as long as they fit, then one for what remains.
std::vector<HadamardBlock> hadamard_blocks(int width, int limit = kWholeWidth);
// As people write it: "H64", "H12 x H8", "H64 + H32 + H16", "3 H32".
std::string hadamard_name(int width, int limit = kWholeWidth);
// matrix: (width, width).
void fill_hadamard(int width, int limit, std::span<float> matrix);

}  // namespace issun::cache
