#include "ensconce/sim/vtpm_file.h"

#include <algorithm>

#include "ensconce/base/log.h"
#include "ensconce/crypto/hash.h"
#include "tpm_commands.h"

namespace ensconce {

std::optional<DeviceFiles::Kind> VtpmFile::kind(Node node) const {
  return node == kRoot ? std::optional(Kind::kReadWrite) : std::nullopt;
}

int VtpmFile::open(Node /*node*/, Handle handle) {
  if (faults_.next_is(Fault::kDenied)) {
    return EACCES;
  }
  users_[handle] = {};
  return 0;
}

// A device has no offsets: responses are read in order.
DeviceAnswer VtpmFile::read(Node /*node*/, Handle handle, std::size_t size,
                            std::uint64_t /*offset*/) {
  const auto it = users_.find(handle);
  if (it == users_.end()) {
    return {EBADF, {}};
  }
  User& user = it->second;
  if (user.hangs) {
    return {kNever, {}};
  }
  const ByteView rest = ByteView(user.response).subspan(user.read);
  const Bytes out = to_bytes(rest.first(std::min(size, rest.size())));
  user.read += out.size();
  return {0, out};
}

bool VtpmFile::readable(Node /*node*/, Handle handle) const {
  const auto it = users_.find(handle);
  return it != users_.end() && !it->second.hangs && it->second.read < it->second.response.size();
}

int VtpmFile::write(Node /*node*/, Handle handle, std::uint64_t /*offset*/, ByteView bytes) {
  const auto it = users_.find(handle);
  if (it == users_.end()) {
    return EBADF;
  }
  User& user = it->second;
  if (user.hangs || user.read < user.response.size()) {
    return EBUSY;
  }
  if (bytes.size() > tpm::kMaxCommand) {
    return E2BIG;
  }
  ByteReader reader(bytes);
  const auto tag = reader.u16_be();
  const auto size = reader.u32_be();
  if (!tag || !size || bytes.size() < tpm::kHeaderLen || *size != bytes.size()) {
    return EINVAL;
  }
  if (const auto measured = gate_.verify_code(); !measured) {
    log_failure("SIMULATED vTPM refuses a command", measured.error());
    return EIO;
  }
  auto response = answer(to_bytes(bytes), user);
  if (!response) {
    log_failure("SIMULATED vTPM", response.error());
    return EIO;
  }
  user.response = *std::move(response);
  user.read = 0;
  return 0;
}

Result<Bytes> VtpmFile::answer(Bytes command, User& user) {
  ENSC_TRY_ASSIGN(const std::uint32_t code, tpm::code_of(command));
  return code == tpm::kCcQuote ? quote(std::move(command), user) : vtpm_.transact(command);
}

Result<Bytes> VtpmFile::quote(Bytes command, User& user) {
  const std::optional<Fault> fault = faults_.next();
  if (fault == Fault::kBusy) {
    return tpm::answer_with(tpm::kRcRetry);
  }
  if (fault == Fault::kThrottled) {
    return tpm::answer_with(tpm::kRcYielded);
  }
  if (fault == Fault::kFirmwareError) {
    return tpm::answer_with(tpm::kRcFailure);
  }
  if (fault == Fault::kHang) {
    user.hangs = true;
    return Bytes();
  }
  if (fault == Fault::kOtherAk) {
    ENSC_TRY(tpm::replace_key(command, kOtherKeyHandle));
  }
  if (fault == Fault::kStale) {
    ENSC_TRY(tpm::replace_challenge(command));
  }
  if (fault == Fault::kWrongPcr && !pcr_extended_) {
    pcr_extended_ = true;  // once: a register that changed with every quote would look like a race
    ENSC_TRY(vtpm_.require(
        tpm::pcr_extend(kLaunchPcr, sha256(as_bytes("something that was not measured before")))));
  }
  ++num_quotes_;
  log_info("SIMULATED vTPM quote " + std::to_string(num_quotes_) + " for process " +
           std::to_string(gate_.pid()));
  ENSC_TRY_ASSIGN(Bytes response, vtpm_.transact(command));
  if (fault == Fault::kShortRead) {
    response.resize(response.size() / 2);
  }
  return response;
}

// As the kernel's resource manager: what this user left loaded goes with it.
void VtpmFile::release(Handle handle) {
  users_.erase(handle);
  for (const std::uint32_t first : {tpm::kFirstTransient, tpm::kFirstLoadedSession}) {
    const auto response = vtpm_.transact(tpm::list_handles(first));
    const auto loaded = response ? tpm::parse_handles(*response)
                                 : Result<std::vector<std::uint32_t>>(response.error());
    if (!loaded) {
      return;
    }
    for (const std::uint32_t one : *loaded) {
      (void)vtpm_.transact(tpm::flush(one));
    }
  }
}

}  // namespace ensconce
