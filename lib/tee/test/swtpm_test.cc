// The attester against Debian's software TPM, furnished as a paravisor furnishes its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tss2/tss2_esys.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include "azure_vm.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/hash.h"
#include "function_tcti.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr int kTheirSocket = 3;
constexpr std::size_t kHeaderLen = 10;
constexpr int kPatienceMs = 60'000;  // finding primes on a slow machine
constexpr std::uint16_t kIndexLen = 2048;
constexpr std::uint32_t kLaunchPcr = 11;

enum class Start : std::uint8_t { kAsFirmwareLeavesIt, kNot };

// A swtpm over a socket of its own. Ends with us.
class Swtpm {
 public:
  explicit Swtpm(Start start) {
    std::string name = (fs::temp_directory_path() / "ensc-swtpm-XXXXXX").string();
    state_ = ::mkdtemp(name.data());
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return;
    }
    socket_ = Fd(ends[0]);
    const Fd theirs(ends[1]);
    std::array<std::string, 9> words = {
        "swtpm",
        "socket",
        "--tpm2",
        "--fd",
        "3",
        "--tpmstate",
        "dir=" + state_.string(),
        "--flags",
        start == Start::kNot ? "not-need-init" : "not-need-init,startup-clear"};
    std::array<char*, words.size() + 1> argv{};
    for (std::size_t i = 0; i < words.size(); ++i) {
      argv[i] = words[i].data();
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), kTheirSocket);
    if (::posix_spawnp(&pid_, "swtpm", &actions, nullptr, argv.data(), environ) != 0) {
      pid_ = -1;
    }
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~Swtpm() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(state_);
  }
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;

  [[nodiscard]] bool runs() const { return pid_ > 0; }

  Bytes answer(ByteView command) {
    if (::send(socket_.get(), command.data(), command.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(command.size())) {
      return {};
    }
    Bytes out(kHeaderLen);
    if (!receive(out)) {
      return {};
    }
    ByteReader in(ByteView(out).subspan(2));
    out.resize(in.u32_be().value());
    return receive(MutableByteView(out).subspan(kHeaderLen)) ? out : Bytes();
  }

 private:
  bool receive(MutableByteView out) {
    while (!out.empty()) {
      pollfd ready{socket_.get(), POLLIN, 0};
      const ssize_t n =
          ::poll(&ready, 1, kPatienceMs) == 1 ? ::read(socket_.get(), out.data(), out.size()) : -1;
      if (n <= 0) {
        return false;
      }
      out = out.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

  fs::path state_;
  Fd socket_;
  pid_t pid_ = -1;
};

// What a paravisor does to its TPM before the guest starts. Every step must succeed.
class Paravisor {
 public:
  explicit Paravisor(const internal::OpenTcti& open) : tcti_(open().value()) {
    must(Esys_Initialize(&esys_, tcti_.get(), nullptr));
  }
  ~Paravisor() { Esys_Finalize(&esys_); }
  Paravisor(const Paravisor&) = delete;
  Paravisor& operator=(const Paravisor&) = delete;

  // An attestation key, at its handle. Returns the modulus.
  Bytes make_key() {
    TPM2B_SENSITIVE_CREATE secret{};
    TPM2B_PUBLIC wanted{};
    TPMT_PUBLIC& area = wanted.publicArea;
    area.type = TPM2_ALG_RSA;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT |
                            TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH;
    area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
    area.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
    area.parameters.rsaDetail.keyBits = 2048;
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION pcrs{};
    ESYS_TR key = ESYS_TR_NONE;
    ESYS_TR kept = ESYS_TR_NONE;
    TPM2B_PUBLIC* made = nullptr;
    must(Esys_CreatePrimary(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                            &secret, &wanted, &outside, &pcrs, &key, &made, nullptr, nullptr,
                            nullptr));
    must(Esys_EvictControl(esys_, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, kHclKeyHandle, &kept));
    must(Esys_FlushContext(esys_, key));
    const TPM2B_PUBLIC_KEY_RSA& modulus = made->publicArea.unique.rsa;
    Bytes out = to_bytes(ByteView(modulus.buffer, modulus.size));
    Esys_Free(made);
    return out;
  }

  ESYS_TR define_index() {
    const TPM2B_AUTH open{};
    TPM2B_NV_PUBLIC area{};
    area.nvPublic.nvIndex = kHclReportIndex;
    area.nvPublic.nameAlg = TPM2_ALG_SHA256;
    area.nvPublic.attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE;
    area.nvPublic.dataSize = kIndexLen;
    ESYS_TR index = ESYS_TR_NONE;
    must(Esys_NV_DefineSpace(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                             &open, &area, &index));
    return index;
  }

  void write_index(ESYS_TR index, Bytes content) {
    content.resize(kIndexLen);
    for (std::size_t at = 0; at < content.size(); at += 512) {
      TPM2B_MAX_NV_BUFFER part{};
      part.size = 512;
      std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(at), 512, std::begin(part.buffer));
      must(Esys_NV_Write(esys_, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                         ESYS_TR_NONE, &part, static_cast<UINT16>(at)));
    }
  }

  void extend(const Sha256Digest& digest) {
    TPML_DIGEST_VALUES values{};
    values.count = 1;
    values.digests[0].hashAlg = TPM2_ALG_SHA256;
    std::copy(digest.begin(), digest.end(), std::begin(values.digests[0].digest.sha256));
    must(Esys_PCR_Extend(esys_, ESYS_TR{kLaunchPcr}, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                         &values));
  }

  void set_owner_password() {
    TPM2B_AUTH password{};
    password.size = 1;
    password.buffer[0] = 'x';
    must(Esys_HierarchyChangeAuth(esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &password));
  }

 private:
  static void must(TSS2_RC code) { ASSERT_EQ(code, TSS2_RC_SUCCESS) << std::hex << code; }
  internal::Tcti tcti_;
  ESYS_CONTEXT* esys_ = nullptr;
};

Bytes hcl_report_for(ByteView modulus) {
  HclReport hcl;
  hcl.runtime_data = json::write(
      json::Object{{"keys", json::Array{json::Object{{"kid", "HCLAkPub"},
                                                     {"key_ops", json::Array{"sign"}},
                                                     {"kty", "RSA"},
                                                     {"e", "AQAB"},
                                                     {"n", base64url_encode(modulus)}}}}});
  SnpReport report = azure_vm().chip.report_template();
  const Sha256Digest digest = sha256(as_bytes(hcl.runtime_data));
  std::copy(digest.begin(), digest.end(), report.report_data.begin());
  hcl.hardware_report = azure_vm().chip.sign_report(report);
  return write_hcl_report(hcl);
}

ByteArray<64> challenge(std::uint8_t byte) {
  ByteArray<64> data{};
  std::fill_n(data.begin(), 32, byte);
  return data;
}

class SwtpmAttester : public ::testing::Test {
 protected:
  void SetUp() override { start(Start::kAsFirmwareLeavesIt); }
  void start(Start how) {
    tpm_ = std::make_unique<Swtpm>(how);
    if (!tpm_->runs()) {
      GTEST_SKIP() << "there is no swtpm (Debian: apt-get install swtpm)";
    }
    open_ = FunctionTcti::opening([this](ByteView command) { return tpm_->answer(command); });
  }
  Result<HardwareEvidence> attest(std::uint8_t byte = 0x5a) {
    AzureVtpmProvider provider(internal::make_esys_device(open_), endorsements_.path(),
                               [](Millis) {});
    return provider.attest(challenge(byte));
  }
  void expect_refused(TeeError code) {
    const auto evidence = attest();
    ASSERT_FALSE(evidence);
    EXPECT_TRUE(evidence.error().is(code)) << evidence.error().to_string();
  }

  std::unique_ptr<Swtpm> tpm_;
  internal::OpenTcti open_;
  EndorsementFolder endorsements_;
};

TEST_F(SwtpmAttester, GivesEvidenceThatFollowsItsPcrs) {
  Paravisor paravisor(open_);
  const Bytes report = hcl_report_for(paravisor.make_key());
  paravisor.write_index(paravisor.define_index(), report);
  Sha256Digest launch{};
  std::uint8_t asked = 0;
  for (const char* extended : {"", "kernel", "manifest"}) {
    if (*extended != 0) {
      const Sha256Digest digest = sha256(as_bytes(extended));
      paravisor.extend(digest);
      launch = sha256(concat({launch, digest}));
    }
    const auto evidence = attest(++asked);
    ASSERT_TRUE(evidence) << evidence.error().to_string();
    const AzureEvidence read = parse_azure_evidence(evidence->evidence.data).value();
    EXPECT_TRUE(equal(ByteView(read.hcl_report).first(report.size()), report));
    EXPECT_EQ(read.pcrs[kLaunchPcr], launch);
    const TpmAttest attested = parse_tpm_attest(read.tpm_message).value();
    EXPECT_EQ(attested.extra_data, Bytes(32, asked));
  }
}

TEST_F(SwtpmAttester, RefusesTheReportOfAnotherVm) {
  Paravisor paravisor(open_);
  paravisor.make_key();
  paravisor.write_index(paravisor.define_index(), hcl_report_for(Bytes(256, 0xc1)));
  expect_refused(TeeError::kWrongKey);
}

TEST_F(SwtpmAttester, SaysWhatIsMissing) {
  Paravisor paravisor(open_);
  expect_refused(TeeError::kNoDevice);  // the index
  const ESYS_TR index = paravisor.define_index();
  expect_refused(TeeError::kNoDevice);  // its content
  paravisor.write_index(index, hcl_report_for(Bytes(256, 0xc1)));
  expect_refused(TeeError::kNoDevice);  // the key
  paravisor.set_owner_password();
  expect_refused(TeeError::kDenied);
}

TEST_F(SwtpmAttester, SaysThatTheTpmWasNotStarted) {
  start(Start::kNot);
  expect_refused(TeeError::kFirmware);
}

}  // namespace
}  // namespace ensconce
