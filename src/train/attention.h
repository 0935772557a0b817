// Attention of whole sequences, forward and backward. Scores are never kept: the backward pass
// makes them again from queries, keys and the sums that the softmax divided by (Dao et al., 2022,
// "FlashAttention", algorithms 1 and 4).
#pragma once

#include "model/layout.h"
#include "train/pass.h"

namespace issun::train {

// (rows, embedding) -> (rows, embedding), by layer l; fills its tape.
void attention(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);
// From d_out; writes d_in.
void attention_back(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& d_out,
                    const Matrix<float>& d_in);

// tape.attended and the sums of its softmaxes, from its queries, keys and values.
void attend(const Pass& pass, int l);
// rooms.d_query, and what is added to d_key and d_value, from d_attended.
void attend_back(const Pass& pass, int l);

void plan_attention_room(model::Layout& layout, AttentionRoom& room);

}  // namespace issun::train
