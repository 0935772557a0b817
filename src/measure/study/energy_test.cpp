#include "measure/study/energy.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "scratch_folder.h"

using namespace issun::measure;

namespace {

// A made-up /sys/class/powercap.
struct Powercap {
  ScratchFolder scratch;
  std::string root = scratch.path("powercap");
  Powercap() { std::filesystem::create_directories(root + "/intel-rapl"); }

  void zone(const std::string& folder, const std::string& name, int64_t energy,
            int64_t range = 1000000) {
    std::filesystem::create_directories(root + "/" + folder);
    std::ofstream(root + "/" + folder + "/name") << name << "\n";
    std::ofstream(root + "/" + folder + "/max_energy_range_uj") << range << "\n";
    set(folder, energy);
  }
  void set(const std::string& folder, int64_t energy) {
    std::ofstream(root + "/" + folder + "/energy_uj") << energy << "\n";
  }
  // A counter that nobody can read, root neither.
  void lock(const std::string& folder) {
    std::filesystem::remove(root + "/" + folder + "/energy_uj");
    std::filesystem::create_directory(root + "/" + folder + "/energy_uj");
  }
};

}  // namespace

TEST_CASE("a counter that began again at zero still gives what was used") {
  CHECK(wrapped_joules(100, 2000100, 5000000) == doctest::Approx(2));
  CHECK(wrapped_joules(4500000, 500000, 5000000) == doctest::Approx(1));
  CHECK(wrapped_joules(7, 7, 5000000) == 0);
}

TEST_CASE("packages and their memory add up, and what lies inside or around is left out") {
  Powercap sys;
  sys.zone("intel-rapl:0", "package-0", 900000);
  sys.zone("intel-rapl:0:0", "core", 100);
  sys.zone("intel-rapl:0:1", "uncore", 100);
  sys.zone("intel-rapl:0:2", "dram", 0);
  sys.zone("intel-rapl:1", "package-1", 0);
  sys.zone("intel-rapl:2", "psys", 0);
  sys.zone("intel-rapl-mmio:0", "package-0", 900000);
  EnergyMeter meter = EnergyMeter::open(sys.root);
  REQUIRE(meter.available());
  CHECK(meter.counted() == "package-0, package-0/dram, package-1");
  CHECK(meter.left_out().size() == 4);
  CHECK(meter.joules().value() == 0);
  sys.set("intel-rapl:0", 400000);  // wrapped: 0.5 J
  sys.set("intel-rapl:0:0", 900000);
  sys.set("intel-rapl:0:2", 200000);
  sys.set("intel-rapl:1", 100000);
  sys.set("intel-rapl:2", 990000);
  sys.set("intel-rapl-mmio:0", 400000);
  CHECK(meter.joules().value() == doctest::Approx(0.8));
  sys.set("intel-rapl:0", 300000);  // once round again: 0.9 J more
  CHECK(meter.joules().value() == doctest::Approx(1.7));
}

TEST_CASE("the platform's counter counts where no package has one") {
  Powercap sys;
  sys.zone("intel-rapl:0", "psys", 0);
  CHECK(EnergyMeter::open(sys.root).counted() == "psys");
}

TEST_CASE("no zone and no permission are told apart, and neither is zero joules") {
  const ScratchFolder scratch;
  const EnergyMeter none = EnergyMeter::open(scratch.path("nothing"), scratch.path("nothing"));
  CHECK_FALSE(none.available());
  CHECK(none.why().find("no energy counter") != std::string::npos);

  std::ofstream(scratch.path("cpuinfo")) << "flags\t: fpu avx2 hypervisor aes\n";
  const EnergyMeter inside = EnergyMeter::open(scratch.path("nothing"), scratch.path("cpuinfo"));
  CHECK(inside.why().find("virtual machine") != std::string::npos);

  Powercap sys;
  sys.zone("intel-rapl:0", "package-0", 5);
  sys.zone("intel-rapl:0:0", "dram", 5);
  sys.lock("intel-rapl:0");
  const EnergyMeter locked = EnergyMeter::open(sys.root);
  CHECK_FALSE(locked.available());  // memory alone is not the machine
  CHECK(locked.why().find("cannot be read") != std::string::npos);
}

TEST_CASE("a counter that goes away is an error, and one without a range is not used") {
  Powercap sys;
  sys.zone("intel-rapl:0", "package-0", 5);
  EnergyMeter meter = EnergyMeter::open(sys.root);
  sys.lock("intel-rapl:0");
  CHECK_FALSE(meter.joules().has_value());
  Powercap other;
  other.zone("intel-rapl:0", "package-0", 5, 0);
  CHECK_FALSE(EnergyMeter::open(other.root).available());
}

TEST_CASE("the estimate is a share of the stated power, in joules and in watt hours") {
  const EnergyEstimate estimate = estimate_energy(0.5, 55, 3600);
  CHECK(estimate.joules == doctest::Approx(99000));
  CHECK(estimate.watt_hours == doctest::Approx(27.5));
}
