#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "ensconce/base/random.h"
#include "ensconce/sim/azure_vtpm.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {

// AzureVm is one confidential VM for all tests, and the TPM of another: RSA keys take their time.
struct AzureVm {
  SnpPki chip = [] {
    SeededRandom random(1);
    SnpPkiOptions options;
    options.rsa_bits = 2048;
    return SnpPki::generate(options, random, Instant{1'780'000'000'000});
  }();
  AzureVtpm vtpm = AzureVtpm::generate();
  AzureVtpm other = AzureVtpm::generate();

  [[nodiscard]] HclReport hcl() const {
    return parse_hcl_report(
               vtpm.on_snp(chip, chip.report_template(), vtpm.runtime_data(), {}).hcl_report)
        .value();
  }
};
inline const AzureVm& azure_vm() {
  static const AzureVm made;
  return made;
}

// EndorsementFolder holds the chip's chain while it lives.
class EndorsementFolder {
 public:
  EndorsementFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ensc-azure-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
    int n = 0;
    for (const EndorsementItem& item : azure_vm().chip.endorsements({})) {
      std::ofstream(path_ / std::to_string(n++)) << as_text(item.data);
    }
  }
  ~EndorsementFolder() { std::filesystem::remove_all(path_); }
  EndorsementFolder(const EndorsementFolder&) = delete;
  EndorsementFolder& operator=(const EndorsementFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ensconce
