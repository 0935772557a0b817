// The half of a layer that is a mixture of experts, forward and backward, with the loss that keeps
// the experts equally busy.
#pragma once

#include "train/pass.h"

namespace issun::train {

constexpr int kMostExperts = 1024;  // of a layer

// (rows, embedding) -> (rows, embedding), by layer l; fills its tape.
void mixture(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);
// From d_out; writes d_in. `balance` is the factor of the balance loss in the loss of the batch.
void mixture_back(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& d_out,
                  const Matrix<float>& d_in, double balance);

// experts * the sum over experts of (its share of the visits) * (its mean probability): 1 when all
// are equally busy. Fedus et al., 2021, "Switch Transformers", equations 4 to 6, here with several
// experts a token; all rows count, padding too. Writes the share of visits of each expert to
// `loads` if that is not empty.
double balance_loss(const Pass& pass, int l, std::span<double> loads);

}  // namespace issun::train
