#include "measure/study/statistics.h"

#include <doctest/doctest.h>

#include <vector>

using namespace issun::measure;

TEST_CASE("the quantiles of Student's t are those of the tables, near and far") {
  CHECK(student_t_975(1) == doctest::Approx(12.706).epsilon(1e-4));
  CHECK(student_t_975(4) == doctest::Approx(2.776).epsilon(1e-3));
  CHECK(student_t_975(11) == doctest::Approx(2.2010).epsilon(1e-4));
  CHECK(student_t_975(29) == doctest::Approx(2.0452).epsilon(1e-4));
  CHECK(student_t_975(1000) == doctest::Approx(1.9623).epsilon(1e-4));
}

TEST_CASE("mean, deviation and interval of five values") {
  const std::vector<double> values = {10, 12, 11, 13, 9};
  const Spread spread = spread_of(values);
  CHECK(spread.count == 5);
  CHECK(spread.mean == doctest::Approx(11));
  CHECK(spread.deviation == doctest::Approx(1.5811388));
  CHECK(spread.interval == doctest::Approx(2.7764 * 1.5811388 / 2.2360680).epsilon(1e-4));
}

TEST_CASE("one value has no interval, and none no mean") {
  const std::vector<double> one = {3};
  CHECK(spread_of(one).mean == 3);
  CHECK(spread_of(one).interval == 0);
  CHECK(spread_of({}).count == 0);
}
