// Devices that misbehave, asked as the kernel would ask them.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ensconce/crypto/hash.h"
#include "ensconce/sim/gramine_tree.h"
#include "ensconce/sim/tsm_files.h"
#include "own_code.h"

namespace ensconce {
namespace {

constexpr Instant kNow{1'790'000'000'000};
using Node = DeviceFiles::Node;

class Misbehaving : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    SeededRandom random(1);
    SnpPkiOptions options;
    options.rsa_bits = 2048;
    snp_ = std::make_unique<SnpPki>(SnpPki::generate(options, random, kNow));
    intel_ = std::make_unique<IntelPki>(IntelPki::generate({}, random, kNow));
  }
  static void TearDownTestSuite() {
    snp_.reset();
    intel_.reset();
  }
  Misbehaving() {
    challenge_.fill(0x42);
    EXPECT_TRUE(gate_.learn_code());
    EXPECT_TRUE(gate_.arm(getpid()));
  }

  static FaultScript script(std::initializer_list<const char*> texts, Platform platform) {
    std::vector<FaultRule> rules;
    for (const char* text : texts) {
      rules.push_back(*parse_fault(text, platform));
    }
    return FaultScript(std::move(rules));
  }

  // read_all opens a file, reads it to its end and closes it.
  static DeviceAnswer read_all(DeviceFiles& files, Node node) {
    static DeviceFiles::Handle handle = 1;
    ++handle;
    if (const int error = files.open(node, handle); error != 0) {
      return {error, {}};
    }
    DeviceAnswer all;
    for (;;) {
      DeviceAnswer part = files.read(node, handle, 1000, all.bytes.size());
      all.error = part.error;
      if (part.error != 0 || part.bytes.empty()) {
        files.release(handle);
        return all;
      }
      all.bytes = concat({all.bytes, part.bytes});
    }
  }
  static Node at(const DeviceFiles& files, std::initializer_list<const char*> path) {
    Node node = DeviceFiles::kRoot;
    for (const char* name : path) {
      node = files.child(node, name);
    }
    return node;
  }

  struct TsmAnswered {
    DeviceAnswer outblob;
    std::string generation;
  };
  // One request as an attester makes it.
  TsmAnswered tsm(TsmFiles& files) const {
    const DeviceFiles::Made made = files.make(at(files, {"report"}), "r");
    if (made.error != 0) {
      return {{made.error, {}}, ""};
    }
    EXPECT_EQ(files.write(files.child(made.node, "inblob"), 0, 0, challenge_), 0);
    TsmAnswered out;
    out.outblob = read_all(files, files.child(made.node, "outblob"));
    out.generation =
        std::string(as_text(read_all(files, files.child(made.node, "generation")).bytes));
    EXPECT_EQ(files.remove(at(files, {"report"}), "r"), 0);
    return out;
  }

  static inline std::unique_ptr<SnpPki> snp_;
  static inline std::unique_ptr<IntelPki> intel_;
  ManualClock clock_{kNow};
  SeededRandom random_{2};
  ByteArray<64> challenge_{};
  ProcessGate gate_{own_code()};
};

// ---- configfs-tsm ---------------------------------------------------------------------------

TEST_F(Misbehaving, TsmFailsInEachWayAndThenAnswers) {
  SimulatedChip chip(*snp_, {}, clock_, random_);
  TsmDevice device(chip, gate_,
                   script({"busy:1", "throttled:1@2", "firmware-error:1@3", "short-read:1@4",
                           "wrong-generation:1@5", "denied:1@6", "hang:1@7"},
                          Platform::kSnp));
  TsmFiles files(device);
  EXPECT_EQ(tsm(files).outblob.error, EBUSY);
  EXPECT_EQ(tsm(files).outblob.error, EAGAIN);
  EXPECT_EQ(tsm(files).outblob.error, EIO);
  EXPECT_EQ(tsm(files).outblob.bytes.size(), kSnpReportLen / 2);
  const TsmAnswered wrong = tsm(files);
  EXPECT_EQ(wrong.generation, "2\n") << "after one write";
  EXPECT_TRUE(parse_snp_report(wrong.outblob.bytes));
  EXPECT_EQ(tsm(files).outblob.error, EACCES);
  EXPECT_EQ(tsm(files).outblob.error, kNever);
  const TsmAnswered good = tsm(files);
  EXPECT_EQ(good.generation, "1\n");
  EXPECT_EQ(parse_snp_report(good.outblob.bytes)->report_data, challenge_);
}

TEST_F(Misbehaving, ChipSignsWhatItShouldNot) {
  const SimulatedChip chip(*snp_, {}, clock_, random_);
  EXPECT_NE(parse_snp_report(chip.report(challenge_, 0, Fault::kStale))->report_data, challenge_);
  EXPECT_EQ(parse_snp_report(chip.report(challenge_, 0, Fault::kPrivilegeLevel))->vmpl, 1U);
  EXPECT_TRUE(parse_snp_report(chip.report(challenge_, 0, Fault::kDebug))->debug_allowed());
  EXPECT_FALSE(parse_snp_report(chip.report(challenge_, 0))->debug_allowed());
}

TEST_F(Misbehaving, TrustDomainShowsWhatItsDriverShows) {
  ByteArray<48> mr_td{};
  mr_td.fill(0x77);
  SimulatedTrustDomain domain(*intel_, mr_td);
  TsmDevice device(domain, gate_);
  TsmFiles files(device);
  const Node request = files.make(at(files, {"report"}), "r").node;
  std::vector<std::string> names;
  for (const DeviceFiles::Entry& entry : files.list(request)) {
    names.push_back(entry.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"provider", "generation", "outblob", "inblob"}));
  EXPECT_EQ(files.child(request, "privlevel"), DeviceFiles::kNone);
  EXPECT_EQ(device.write("r", "privlevel", as_bytes("0")), ENOENT);
  EXPECT_EQ(as_text(read_all(files, files.child(request, "provider")).bytes), "tdx_guest\n");
  EXPECT_EQ(files.remove(at(files, {"report"}), "r"), 0);

  const auto quote = parse_intel_quote(tsm(files).outblob.bytes);
  ASSERT_TRUE(quote) << quote.error().to_string();
  EXPECT_EQ(quote->report_data(), challenge_);
  EXPECT_EQ(std::get<TdReport>(quote->body).mr_td, mr_td);
}

TEST_F(Misbehaving, TrustDomainGivesATdReportOrADebugQuote) {
  SimulatedTrustDomain domain(*intel_, {});
  const Bytes report = domain.report(challenge_, 0, Fault::kTdReport);
  EXPECT_EQ(report.size(), 1024U);
  EXPECT_TRUE(parse_intel_quote(report).error().is(EvidenceError::kIntelTdReport));
  const auto debug = parse_intel_quote(domain.report(challenge_, 0, Fault::kDebug));
  EXPECT_TRUE(std::get<TdReport>(debug->body).debug());
  EXPECT_NE(parse_intel_quote(domain.report(challenge_, 0, Fault::kStale))->report_data(),
            challenge_);
}

// ---- Gramine --------------------------------------------------------------------------------

class Gramine : public Misbehaving {
 protected:
  Gramine() : enclave_(*intel_, sha256(as_bytes("launch")), sha256(as_bytes("signer"))) {}
  DeviceAnswer quote(GramineTree& files) const {
    EXPECT_EQ(files.write(at(files, {"user_report_data"}), 0, 0, challenge_), 0);
    return read_all(files, at(files, {"quote"}));
  }
  SimulatedEnclave enclave_;
};

TEST_F(Gramine, QuotesWhatWasWritten) {
  GramineTree files(enclave_, gate_);
  EXPECT_EQ(as_text(read_all(files, at(files, {"attestation_type"})).bytes), "dcap");
  const auto parsed = parse_intel_quote(quote(files).bytes);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->report_data(), challenge_);
  const auto& enclave = std::get<SgxReport>(parsed->body);
  EXPECT_EQ(enclave.mr_enclave, sha256(as_bytes("launch")));
  EXPECT_EQ(enclave.mr_signer, sha256(as_bytes("signer")));
  EXPECT_EQ(enclave.isv_prod_id, 1U);
  EXPECT_EQ(enclave.isv_svn, 1U);
  EXPECT_FALSE(enclave.debug());
  EXPECT_EQ(read_all(files, at(files, {"user_report_data"})).bytes, to_bytes(challenge_));
}

TEST_F(Gramine, RefusesWhatItIsNotAsked) {
  GramineTree files(enclave_, gate_);
  EXPECT_EQ(at(files, {"keys"}), DeviceFiles::kNone);
  EXPECT_EQ(at(files, {"my_target_info"}), DeviceFiles::kNone);
  EXPECT_EQ(files.write(at(files, {"user_report_data"}), 0, 0, Bytes(63)), EINVAL);
  EXPECT_EQ(files.write(at(files, {"user_report_data"}), 0, 1, Bytes(64)), EINVAL);
  EXPECT_EQ(files.write(at(files, {"quote"}), 0, 0, Bytes(64)), EACCES);
  ProcessGate strict({"/proc/self/exe"});
  ASSERT_TRUE(strict.arm(getpid()));  // it has learnt no code at all
  GramineTree refusing(enclave_, strict);
  EXPECT_EQ(quote(refusing).error, EIO);
}

TEST_F(Gramine, FailsInEachWayAndThenAnswers) {
  GramineTree files(
      enclave_, gate_,
      script({"busy:1", "throttled:1@2", "firmware-error:1@3", "short-read:1@4", "denied:1@5",
              "hang:1@6", "stale:1@7", "other-enclave:1@8", "debug:1@9"},
             Platform::kSgx));
  EXPECT_EQ(quote(files).error, EBUSY);
  EXPECT_EQ(quote(files).error, EAGAIN);
  EXPECT_EQ(quote(files).error, EIO);
  EXPECT_FALSE(parse_intel_quote(quote(files).bytes));
  EXPECT_EQ(quote(files).error, EACCES);
  EXPECT_EQ(quote(files).error, kNever);
  EXPECT_NE(parse_intel_quote(quote(files).bytes)->report_data(), challenge_);
  const auto other = std::get<SgxReport>(parse_intel_quote(quote(files).bytes)->body);
  EXPECT_NE(other.mr_enclave, sha256(as_bytes("launch")));
  EXPECT_EQ(other.mr_signer, sha256(as_bytes("signer")));
  EXPECT_TRUE(std::get<SgxReport>(parse_intel_quote(quote(files).bytes)->body).debug());
  EXPECT_EQ(parse_intel_quote(quote(files).bytes)->report_data(), challenge_);
}

}  // namespace
}  // namespace ensconce
