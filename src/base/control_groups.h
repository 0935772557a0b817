// The folders of the control groups this process is in (Linux).
#pragma once

#include <functional>
#include <string>

namespace issun {

// visit(folder, version) for the group of `controller` ("cpu", "memory") and all above it.
// `groups`: what /proc/self/cgroup says; `mount`: where the groups stand. Within a container the
// group may be named as the host sees it while the mount shows the container's alone: a folder that
// is not there has nothing to say.
void each_control_group(const std::string& controller, const std::string& groups,
                        const std::string& mount,
                        const std::function<void(const std::string&, int)>& visit);

}  // namespace issun
