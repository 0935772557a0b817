#include "measure/statistics.h"

#include <doctest/doctest.h>

#include <vector>

using namespace issun::measure;

TEST_CASE("a mean carries the error of independent values") {
  const std::vector<double> values = {1, 2, 3, 2};
  const Estimate mean = estimate(4, [&](int64_t i) { return values[static_cast<size_t>(i)]; });
  CHECK(mean.value == doctest::Approx(2));
  CHECK(mean.error == doctest::Approx(std::sqrt(2.0 / (4 * 3))));
  CHECK(exponential(mean).value == doctest::Approx(std::exp(2.0)));
  CHECK(exponential(mean).error == doctest::Approx(std::exp(2.0) * mean.error));
  CHECK(estimate(1, [](int64_t) { return 7.0; }).error == 0);
}

TEST_CASE("Wilson's interval is that of the textbooks, and keeps within 0 and 1") {
  // Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  struct Case {
    int64_t hits, count;
    double low, high;
  };
  for (const Case& known : {Case{81, 263, 0.2553, 0.3662}, Case{15, 148, 0.0624, 0.1605},
                            Case{0, 20, 0, 0.1611}, Case{1, 29, 0.0061, 0.1718}}) {
    CAPTURE(known.hits);
    const Share share = wilson(known.hits, known.count);
    CHECK(std::abs(share.low - known.low) < 5e-5);
    CHECK(std::abs(share.high - known.high) < 5e-5);
    const Share mirrored = wilson(known.count - known.hits, known.count);
    CHECK(mirrored.high == doctest::Approx(1 - share.low));
    CHECK(mirrored.low == doctest::Approx(1 - share.high));
  }
  CHECK(wilson(20, 20).high == 1);
  CHECK(wilson(0, 1).low == 0);
}
