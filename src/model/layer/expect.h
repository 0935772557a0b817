// Experts that are not all in memory: which a mixture needs, and which the next ones will.
#pragma once

#include <span>

namespace issun::model {

struct Pass;

// Those that have visits in this batch, ascending; their reads begin.
void need_experts(const Pass& pass, int l, std::span<const int> experts);

// Reads ahead what the mixtures behind layer l will probably choose: the router of each on its norm
// of the residual as it is now (which the layers between change little: Eliseev and Mazur 2023,
// section 3.2), or all of them where a batch is so large that all will be visited.
void guess_ahead(const Pass& pass, int l);

}  // namespace issun::model
