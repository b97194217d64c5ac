#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "ensconce/sim/tsm_device.h"

namespace ensconce {

// Transport serves a device as files, in threads of its own, from construction to destruction.
class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  [[nodiscard]] virtual std::string_view name() const = 0;
};

// mount_fuse mounts a file system at `place`, a directory, or a file where the device is one (as
// root by mount(2), else by fusermount3). SimError::kTransport where that cannot be done: no
// /dev/fuse, no CAP_SYS_ADMIN. Device and gate must outlive the transport.
Result<std::unique_ptr<Transport>> mount_fuse(const std::filesystem::path& place,
                                              DeviceFiles& files, const ProcessGate& gate);
// serve_pipes plays configfs-tsm with named pipes in `directory`/report. A pipe says no errno: it
// knows no device that fails.
Result<std::unique_ptr<Transport>> serve_pipes(const std::filesystem::path& directory,
                                               TsmDevice& device, const ProcessGate& gate);

// unmount_stale takes away the mount of a run that died; quiet when there is none.
void unmount_stale(const std::filesystem::path& place);

}  // namespace ensconce
