#include "ensconce/sim/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "ensconce/sim/platform.h"
#include "ensconce/sim/stage.h"
#include "ensconce/sim/transport.h"

namespace ensconce {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSnpDir = "pki";
constexpr const char* kIntelDir = "intel";

Error state_error(std::string_view doing, const fs::path& path) {
  const int saved = errno;
  return {SimError::kState,
          std::string(doing) + " " + path.string() + ": " + std::generic_category().message(saved)};
}

Result<void> check_private(const fs::path& dir) {
  struct stat st {};
  if (lstat(dir.c_str(), &st) != 0) {
    return state_error("cannot use", dir);
  }
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077U) != 0) {
    return Error(SimError::kState, dir.string() + " must be a directory that is yours alone")
        .with_remedy("chmod 700 " + dir.string());
  }
  return ok();
}

Result<void> make_private(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir.parent_path(), error);
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return state_error("cannot create", dir);
  }
  return check_private(dir);
}

Result<Fd> open_lock(const fs::path& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return state_error("cannot open", path);
  }
  return fd;
}

void remove_run(const fs::path& dir, const fs::path& lock_path) {
  for (const Platform platform : {Platform::kSnp, Platform::kSgx, Platform::kAzure}) {
    unmount_stale(dir / device_place(platform));
  }
  unstage(dir);
  unlink(lock_path.c_str());
}

// Each run holds the lock beside its directory for as long as its simulator lives.
void remove_stale_runs(const fs::path& runs) {
  std::error_code error;
  std::vector<fs::path> locks;
  for (const auto& entry : fs::directory_iterator(runs, error)) {
    if (entry.path().extension() == ".lock") {
      locks.push_back(entry.path());
    }
  }
  for (const fs::path& lock_path : locks) {
    const Fd lock(open(lock_path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (lock.valid() && flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      remove_run(fs::path(lock_path).replace_extension(), lock_path);
    }
  }
}

// make_whole fills a directory beside and renames it: there is a whole PKI or none.
template <typename Fill>
Result<void> make_whole(const fs::path& dir, Fill&& fill) {
  const fs::path fresh = dir.string() + ".new";
  unstage(fresh);
  ENSC_TRY(make_private(fresh));
  ENSC_TRY(fill(fresh));
  if (rename(fresh.c_str(), dir.c_str()) != 0) {
    return state_error("cannot create", dir);
  }
  return ok();
}

Result<void> make_intel(const fs::path& dir, Random& random, Instant now) {
  ENSC_TRY(IntelPki::generate({}, random, now).save(dir));
  return SgxSigner::generate().save(dir);
}

Result<std::unique_ptr<SimulatorState::Intel>> load_intel(const fs::path& dir) {
  ENSC_TRY_ASSIGN(IntelPki pki, IntelPki::load(dir));
  ENSC_TRY_ASSIGN(SgxSigner signer, SgxSigner::load(dir));
  return std::make_unique<SimulatorState::Intel>(
      SimulatorState::Intel{std::move(pki), std::move(signer)});
}

}  // namespace

Result<bool> SimulatorState::init(const fs::path& dir, Random& random, const Clock& clock) {
  ENSC_TRY(make_private(dir));
  ENSC_TRY_ASSIGN(const Fd lock, open_lock(dir / ".lock"));
  flock(lock.get(), LOCK_EX);
  bool made = false;
  if (fs::exists(dir / kSnpDir)) {
    ENSC_TRY(check_private(dir / kSnpDir));
    ENSC_TRY(SnpPki::load(dir / kSnpDir));
  } else {
    ENSC_TRY(make_whole(dir / kSnpDir, [&](const fs::path& fresh) {
      return SnpPki::generate({}, random, clock.now()).save(fresh);
    }));
    made = true;
  }
  if (fs::exists(dir / kIntelDir)) {
    ENSC_TRY(check_private(dir / kIntelDir));
    ENSC_TRY(load_intel(dir / kIntelDir));
  } else {
    ENSC_TRY(make_whole(dir / kIntelDir, [&](const fs::path& fresh) {
      return make_intel(fresh, random, clock.now());
    }));
    made = true;
  }
  return made;
}

Result<SimulatorState> SimulatorState::open(const fs::path& dir) {
  if (!fs::exists(dir / kSnpDir)) {
    return Error(SimError::kState, dir.string() + " holds no simulated processor")
        .with_remedy("ensconce-sim init --state " + dir.string());
  }
  ENSC_TRY(check_private(dir));
  ENSC_TRY_ASSIGN(SnpPki pki, SnpPki::load(dir / kSnpDir));
  std::unique_ptr<Intel> intel;
  if (fs::exists(dir / kIntelDir)) {
    ENSC_TRY_ASSIGN(intel, load_intel(dir / kIntelDir));
  }
  return SimulatorState(fs::canonical(dir), std::make_unique<SnpPki>(std::move(pki)),
                        std::move(intel));
}

Result<const SimulatorState::Intel*> SimulatorState::intel() const {
  if (intel_ == nullptr) {
    return Error(SimError::kState, dir_.string() + " holds no simulated Intel platform")
        .with_remedy("ensconce-sim init --state " + dir_.string() + " adds it");
  }
  return intel_.get();
}

Result<RunDirectory> RunDirectory::create(const SimulatorState& state, Random& random) {
  const fs::path runs = state.dir() / "run";
  ENSC_TRY(make_private(runs));
  ENSC_TRY_ASSIGN(const Fd all, open_lock(state.dir() / ".lock"));
  flock(all.get(), LOCK_EX);  // nobody takes a lock file for stale between open and flock below
  remove_stale_runs(runs);
  const fs::path path = runs / to_hex(random.array<8>());
  const fs::path lock_path = path.string() + ".lock";
  ENSC_TRY_ASSIGN(Fd lock, open_lock(lock_path));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return state_error("cannot lock", lock_path);
  }
  if (mkdir(path.c_str(), 0700) != 0) {
    return state_error("cannot create", path);
  }
  return RunDirectory(path, lock_path, std::move(lock));
}

RunDirectory::~RunDirectory() {
  if (lock_.valid()) {
    if (keep_) {
      unlink(lock_path_.c_str());  // so that no later run takes it for stale
    } else {
      remove_run(path_, lock_path_);
    }
  }
}

}  // namespace ensconce
