#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "ensconce/base/bytes.h"
#include "ensconce/base/clock.h"
#include "ensconce/tee/provider.h"

namespace ensconce {

// TsmAnswer is what the kernel said to one operation: an errno (0 for success) and, of a read, the
// bytes.
struct TsmAnswer {
  int error = 0;
  Bytes bytes;
};

// TsmTree is one report request in the configfs-tsm tree (Linux, Documentation/ABI/testing/
// configfs-tsm-report): a directory that make creates, whose attributes are then read and written,
// and that remove deletes. It speaks errno, since the interface does: what a number means is the
// provider's to say.
class TsmTree {
 public:
  TsmTree() = default;
  virtual ~TsmTree() = default;
  TsmTree(const TsmTree&) = delete;
  TsmTree& operator=(const TsmTree&) = delete;

  // make creates and enters report/<name>; EEXIST when somebody has that name.
  virtual int make(std::string_view name) = 0;
  // write gives all of `bytes` in one write(2); fewer taken is EIO.
  virtual int write(std::string_view attribute, ByteView bytes) = 0;
  // read reads to the end; more than `limit` bytes is EFBIG, no end within the time limit
  // ETIMEDOUT.
  virtual TsmAnswer read(std::string_view attribute, std::size_t limit) = 0;
  // remove leaves the directory and deletes it; ENOTEMPTY and EBUSY may pass.
  virtual int remove() = 0;
};

// make_tsm_tree speaks to the tree under `root` (which holds `report`). It opens what exists and
// creates nothing but the directory: no O_CREAT, no truncation, no symbolic link below `root`, and
// nothing but regular files and FIFOs. Each open is non-blocking and each read waits at most
// `answer_limit`, so that a root which is no device cannot hang the caller.
std::unique_ptr<TsmTree> make_tsm_tree(std::filesystem::path root,
                                       Millis answer_limit = Millis(10'000));

// remove_request removes with some patience what make made, and warns in the log where it cannot:
// others may hold the directory for a moment.
void remove_request(TsmTree& tree, const Sleeper& sleep);

}  // namespace ensconce
