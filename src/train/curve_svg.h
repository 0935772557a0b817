// The loss curve as a drawing: an SVG that stands alone, for light and dark pages.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "train/curve.h"

namespace issun::train {

// Loss in nats a `target` over tokens: the training loss of each row faint, its exponential mean,
// and the validation loss with a point for each measurement. Losses that are no numbers are left
// out.
std::string curve_svg(std::span<const CurveRow> rows, std::string_view title,
                      std::string_view target = "token");

}  // namespace issun::train
