// What keeps a worker from becoming ready, each by its own code. The worker that runs beside it
// serves on.
#include <gmock/gmock.h>

#include "ensconce/base/file.h"
#include "ensconce/keybroker/error.h"
#include "ensconce/sealed_model/error.h"
#include "ensconce/server/error.h"
#include "ensconce/tee/error.h"
#include "whole.h"

namespace ensconce::whole {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kSegment = std::size_t{1} << 20U;

class BootRefused : public Whole {
 protected:
  // boot_bytes boots with a bundle that the host made of these bytes.
  Result<std::unique_ptr<AttestedWorker>> boot_bytes(ByteView bundle) {
    const auto path = scratch("by-hand.sealed");
    write_file_atomically(path, bundle).value();
    return boot_file(path);
  }
  Result<std::unique_ptr<AttestedWorker>> boot_file(const std::filesystem::path& path) {
    WorkerConfig changed = config();
    changed.models = {{path, 1}};
    return boot(changed);
  }
  static Bytes bytes_of(const Sealed& bundle) {
    return read_file(bundle.path, 8 * kSegment).value();
  }
  static std::size_t stream_of(const Sealed& bundle) {
    return read_bundle_head(bundle.path)->stream_offset;
  }
  // swap_segments exchanges two whole segments of one stream.
  static void swap_segments(Bytes& bundle, std::size_t stream, std::size_t a, std::size_t b) {
    const auto at = [&](std::size_t i) {
      return bundle.begin() + static_cast<std::ptrdiff_t>(stream + i * kSegment);
    };
    std::swap_ranges(at(a), at(a + 1), at(b));
  }
};

TEST_F(BootRefused, NotWithTheGenuineBundle) {
  const auto worker = boot_bytes(bytes_of(genuine()));
  EXPECT_TRUE(worker) << worker.error().to_string();
}

// ---- By the broker -----------------------------------------------------------------------------

TEST_F(BootRefused, OfAnotherMeasurement) {
  processor_.report.measurement[0] ^= 1;
  const auto worker = boot(config());
  ASSERT_TRUE(refused_with(worker, KeyBrokerError::kDenied));
  EXPECT_THAT(worker.error().to_string(), HasSubstr("snp.measurement"));
}

TEST_F(BootRefused, OfADebuggableGuest) {
  processor_.report.policy |= std::uint64_t{1} << 19U;
  const auto worker = boot(config());
  ASSERT_TRUE(refused_with(worker, KeyBrokerError::kDenied));
  EXPECT_THAT(worker.error().to_string(), HasSubstr("snp.debug"));
}

TEST_F(BootRefused, OnAProcessorOfAnotherRoot) {
  Processor other(other_pki());
  const auto worker = AttestedWorker::boot(
      config(), {clock_, random_, other, broker_, engines(), std::string(kWholeSandbox)});
  ASSERT_TRUE(refused_with(worker, KeyBrokerError::kEvidence));
  EXPECT_THAT(worker.error().to_string(), HasSubstr("snp.chain.ark_pinned"));
}

TEST_F(BootRefused, AfterTheChipCertificateExpired) {
  clock_.set(kChipCertificateEnds + Millis(1000));
  const auto worker = boot(config());
  clock_.set(kNow);
  ASSERT_TRUE(refused_with(worker, KeyBrokerError::kEvidence));
  EXPECT_THAT(worker.error().to_string(), HasSubstr("snp.cert.expired"));
}

TEST_F(BootRefused, ByABeaconOfAnotherBroker) {
  WorkerConfig changed = config();
  changed.broker_key = key_of(9).public_key();
  EXPECT_TRUE(refused_with(boot(changed), KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BootRefused, WhileTheBrokerIsAway) {
  broker_.available = false;
  EXPECT_TRUE(refused_with(boot(config()), KeyBrokerError::kUnavailable));
  broker_.available = true;
}

TEST_F(BootRefused, ForABundleTheBrokerDoesNotKnow) {
  const Sealed unknown = seal("unknown.sealed", owner());
  EXPECT_TRUE(refused_with(boot_file(unknown.path), KeyBrokerError::kNoSuchKey));
}

TEST_F(BootRefused, ForARevokedKey) {
  const Sealed revoked = seal("revoked.sealed", owner());
  broker_.add_key(owner(), revoked.result);
  broker_.ask(owner(), "keys/" + to_hex(revoked.result.header.key_id) + "/revoke", json::Object{});
  EXPECT_TRUE(refused_with(boot_file(revoked.path), KeyBrokerError::kRevoked));
}

TEST_F(BootRefused, ForAnOlderVersionThanTheOwnersMinimum) {
  const Sealed newer = seal("newer.sealed", owner(), 2);
  broker_.add_key(owner(), newer.result);
  broker_.ask(owner(), "models/mixer/minimum-version", json::Object{{"version", 2}});
  EXPECT_TRUE(refused_with(boot(config()), KeyBrokerError::kRolledBack));
  EXPECT_TRUE(boot_file(newer.path));
}

// ---- By the bundle -----------------------------------------------------------------------------

TEST_F(BootRefused, ByATruncatedBundle) {
  Bytes bundle = bytes_of(genuine());
  bundle.pop_back();
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kTruncated));
  bundle.resize(stream_of(genuine()) + 2 * kSegment);
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kTruncated));
  bundle.resize(100);
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kTruncated));
}

TEST_F(BootRefused, ByAnExtendedBundle) {
  Bytes bundle = bytes_of(genuine());
  bundle.push_back(0);
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kExtended));
}

TEST_F(BootRefused, ByOneChangedByteOfTheStream) {
  Bytes bundle = bytes_of(genuine());
  bundle[stream_of(genuine()) + 2 * kSegment + 5] ^= 1;
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kSegment));
}

TEST_F(BootRefused, BySwappedSegments) {
  Bytes bundle = bytes_of(genuine());
  swap_segments(bundle, stream_of(genuine()), 1, 2);
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kSegment));
}

TEST_F(BootRefused, BySegmentsOfAnotherBundleUnderTheSameKey) {
  const Sealed other = seal("same-key.sealed", owner(), 2, &genuine().result.content_key);
  Bytes bundle = bytes_of(genuine());
  const Bytes from = bytes_of(other);
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(stream_of(other) + kSegment), kSegment,
              bundle.begin() + static_cast<std::ptrdiff_t>(stream_of(genuine()) + kSegment));
  EXPECT_TRUE(refused_with(boot_bytes(bundle), SealedModelError::kSegment));
}

TEST_F(BootRefused, ByTheHeadOfAnotherBundle) {
  const Sealed other = seal("other-head.sealed", owner());
  broker_.add_key(owner(), other.result);
  const Bytes head = bytes_of(other);
  const Bytes stream = bytes_of(genuine());
  EXPECT_TRUE(refused_with(boot_bytes(concat({ByteView(head).first(stream_of(other)),
                                              ByteView(stream).subspan(stream_of(genuine()))})),
                           SealedModelError::kSegment));
}

TEST_F(BootRefused, ByAChangedHead) {
  Bytes bundle = bytes_of(genuine());
  bundle[stream_of(genuine()) - 1] ^= 1;  // of the owner's signature
  // The lease is for the bundle as it was registered, so this one never gets as far as its
  // signature.
  EXPECT_TRUE(refused_with(boot_bytes(bundle), KeyBrokerError::kUntrustedAnswer));
}

TEST_F(BootRefused, ByAForeignOwner) {
  const Sealed foreign = seal("foreign.sealed", other_owner());
  broker_.add_policy(other_owner());
  broker_.add_key(other_owner(), foreign.result);
  EXPECT_TRUE(refused_with(boot_file(foreign.path), SealedModelError::kForeignOwner));
}

TEST_F(BootRefused, ByAnotherKeyThanTheHeaderCommitsTo) {
  const Sealed bundle = seal("wrong-key.sealed", owner());
  broker_.add_key(owner(), bundle.result, &genuine().result.content_key);
  EXPECT_TRUE(refused_with(boot_file(bundle.path), SealedModelError::kWrongKey));
}

TEST_F(BootRefused, ByAnOlderVersionThanItsConfigurations) {
  WorkerConfig changed = config();
  changed.models.front().minimum_version = 2;
  EXPECT_TRUE(refused_with(boot(changed), SealedModelError::kRolledBack));
}

TEST_F(BootRefused, ByTwoBundlesOfOneName) {
  WorkerConfig changed = config();
  changed.models.push_back(changed.models.front());
  EXPECT_TRUE(refused_with(boot(changed), ServerError::kConfig));
}

}  // namespace
}  // namespace ensconce::whole
