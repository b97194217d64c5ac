#include "ensconce/attestation/evidence/intel_quote.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <utility>

namespace ensconce {
namespace {

using E = EvidenceError;

enum class Body { kSgx, kTd10, kTd15 };
struct Shape {
  std::uint16_t version;
  Body body;
  friend void PrintTo(const Shape& shape, std::ostream* out) {
    constexpr const char* kNames[] = {"Sgx", "Td10", "Td15"};
    *out << "V" << shape.version << kNames[static_cast<int>(shape.body)];
  }
};

// Every field differs from every other.
SgxReport full_sgx_report(std::uint8_t first) {
  SgxReport r;
  const auto next = [&first] { return first++; };
  r.cpu_svn.fill(next());
  r.misc_select = 0x01020304;
  r.isv_ext_prod_id.fill(next());
  r.attributes.fill(next());
  r.mr_enclave.fill(next());
  r.mr_signer.fill(next());
  r.config_id.fill(next());
  r.isv_prod_id = 0x0506;
  r.isv_svn = 0x0708;
  r.config_svn = 0x090a;
  r.isv_family_id.fill(next());
  r.report_data.fill(next());
  return r;
}

TdReport full_td_report(bool td15) {
  TdReport r;
  std::uint8_t first = 0x40;
  const auto next = [&first] { return first++; };
  r.tee_tcb_svn.fill(next());
  r.mr_seam.fill(next());
  r.mr_signer_seam.fill(next());
  r.seam_attributes.fill(next());
  r.td_attributes.fill(next());
  r.xfam.fill(next());
  r.mr_td.fill(next());
  r.mr_config_id.fill(next());
  r.mr_owner.fill(next());
  r.mr_owner_config.fill(next());
  for (ByteArray<48>& rtmr : r.rtmr) {
    rtmr.fill(next());
  }
  r.report_data.fill(next());
  if (td15) {
    r.tee_tcb_svn_2.emplace().fill(next());
    r.mr_service_td.emplace().fill(next());
  }
  return r;
}

IntelQuote full_quote(Shape shape) {
  IntelQuote q;
  q.version = shape.version;
  q.qe_svn = 0x1112;
  q.pce_svn = 0x1314;
  q.qe_vendor_id.fill(0x15);
  q.user_data.fill(0x16);
  if (shape.body == Body::kSgx) {
    q.body = full_sgx_report(0x20);
  } else {
    q.body = full_td_report(shape.body == Body::kTd15);
  }
  q.signature.fill(0x60);
  q.attestation_key.fill(0x61);
  q.qe_report = full_sgx_report(0x30);
  q.qe_report_signature.fill(0x62);
  q.qe_auth_data = Bytes(32, 0x63);
  q.certification_type = 5;
  q.certification_data = Bytes(100, 0x64);
  return q;
}

// Where things stand, from the documents and not from the code under test.
std::size_t body_at(Shape shape) { return shape.version == 5 ? 54 : 48; }
std::size_t signature_len_at(Shape shape) {
  const std::size_t len = shape.body == Body::kSgx ? 384 : shape.body == Body::kTd10 ? 584 : 648;
  return body_at(shape) + len;
}
std::size_t qe_report_at(Shape shape) {
  return signature_len_at(shape) + 4 + 64 + 64 + (shape.version == 3 ? 0 : 6);
}
std::size_t auth_len_at(Shape shape) { return qe_report_at(shape) + 384 + 64; }
std::size_t certification_at(Shape shape) { return auth_len_at(shape) + 2 + 32; }

void put_le(Bytes& bytes, std::size_t at, std::size_t len, std::uint64_t value) {
  for (std::size_t i = 0; i < len; ++i) {
    bytes.at(at + i) = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

void expect_refused(const Bytes& bytes, E code, const std::string& what = {}) {
  const auto parsed = parse_intel_quote(bytes);
  ASSERT_FALSE(parsed) << what;
  EXPECT_TRUE(parsed.error().is(code)) << what << ": " << parsed.error().to_string();
}

class IntelQuoteShape : public testing::TestWithParam<Shape> {
 protected:
  IntelQuote quote_ = full_quote(GetParam());
  Bytes bytes_ = write_intel_quote(quote_);
};
INSTANTIATE_TEST_SUITE_P(All, IntelQuoteShape,
                         testing::Values(Shape{3, Body::kSgx}, Shape{4, Body::kSgx},
                                         Shape{4, Body::kTd10}, Shape{5, Body::kSgx},
                                         Shape{5, Body::kTd10}, Shape{5, Body::kTd15}),
                         testing::PrintToStringParamName());

TEST_P(IntelQuoteShape, ParsesToWhatWasWritten) {
  ASSERT_EQ(bytes_.size(), certification_at(GetParam()) + 6 + 100);
  const auto parsed = parse_intel_quote(bytes_);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed, quote_);
  EXPECT_EQ(write_intel_quote(*parsed), bytes_);
  EXPECT_EQ(parsed->is_tdx(), GetParam().body != Body::kSgx);
  EXPECT_EQ(parsed->report_data(), quote_.report_data());
  EXPECT_TRUE(looks_like_intel_quote(bytes_));
}

// Every byte is a field or a reserved zero: changing one changes a field or is refused.
TEST_P(IntelQuoteShape, HasNoByteThatMeansNothing) {
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    Bytes changed = bytes_;
    changed[i] ^= 0x80;
    const auto parsed = parse_intel_quote(changed);
    EXPECT_FALSE(parsed && *parsed == quote_) << "offset " << i;
    if (parsed) {
      EXPECT_EQ(write_intel_quote(*parsed), changed) << "offset " << i;
    }
  }
}

TEST_P(IntelQuoteShape, RejectsEveryTruncation) {
  for (std::size_t len = 0; len < bytes_.size(); ++len) {
    const auto parsed = parse_intel_quote(ByteView(bytes_).first(len));
    ASSERT_FALSE(parsed) << len;
    EXPECT_TRUE(parsed.error().is(E::kIntelLength)) << len;
  }
}

TEST_P(IntelQuoteShape, DropsZeroPaddingAndRefusesAnythingElseBehind) {
  Bytes padded = bytes_;
  padded.resize(8000);
  EXPECT_EQ(write_intel_quote(parse_intel_quote(padded).value()), bytes_);
  padded.back() = 1;
  expect_refused(padded, E::kIntelTrailing);
  padded.back() = 0;
  padded[bytes_.size()] = 1;
  expect_refused(padded, E::kIntelTrailing);
}

TEST_P(IntelQuoteShape, RejectsABufferLargerThanAnyQuote) {
  bytes_.resize(kMaxIntelQuote);
  EXPECT_TRUE(parse_intel_quote(bytes_));
  bytes_.push_back(0);
  expect_refused(bytes_, E::kIntelLength);
}

TEST_P(IntelQuoteShape, RejectsVersionsItDoesNotKnow) {
  for (const std::uint16_t version : {0, 1, 2, 6, 0x0103, 0x0400, 0xffff}) {
    put_le(bytes_, 0, 2, version);
    expect_refused(bytes_, E::kIntelVersion, std::to_string(version));
  }
}

TEST_P(IntelQuoteShape, RejectsOtherAttestationKeys) {
  for (const std::uint16_t type : {0, 1, 3, 4, 0x0102, 0x0200}) {
    put_le(bytes_, 2, 2, type);
    expect_refused(bytes_, E::kIntelKeyType, std::to_string(type));
  }
}

TEST_P(IntelQuoteShape, RejectsOtherTees) {
  for (const std::uint32_t tee : {1U, 0x80U, 0x82U, 0x8100U, 0x81000000U, 0x1000081U}) {
    put_le(bytes_, 4, 4, tee);
    expect_refused(bytes_, E::kIntelTeeType, std::to_string(tee));
  }
}

// Intel's own or not is for the verifier.
TEST_P(IntelQuoteShape, TakesAnyVendorOfTheQuotingEnclave) {
  for (const std::uint8_t byte : {0x00, 0x93, 0xff}) {
    quote_.qe_vendor_id.fill(byte);
    EXPECT_EQ(parse_intel_quote(write_intel_quote(quote_)).value(), quote_);
  }
}

TEST_P(IntelQuoteShape, RejectsEachReservedByteThatIsNotZero) {
  // Offsets in an SGX report body, [from, to).
  const std::pair<std::size_t, std::size_t> reserved[] = {
      {20, 32}, {96, 128}, {160, 192}, {262, 304}};
  std::vector<std::size_t> reports{qe_report_at(GetParam())};
  if (GetParam().body == Body::kSgx) {
    reports.push_back(body_at(GetParam()));
  }
  for (const std::size_t report : reports) {
    for (const auto& [from, to] : reserved) {
      for (std::size_t i = report + from; i < report + to; ++i) {
        Bytes changed = bytes_;
        changed[i] = 1;
        expect_refused(changed, E::kIntelReserved, "offset " + std::to_string(i));
      }
    }
  }
}

TEST_P(IntelQuoteShape, SignsHeaderAndBodyAlone) {
  const Bytes expected = to_bytes(ByteView(bytes_).first(signature_len_at(GetParam())));
  EXPECT_EQ(intel_quote_signed_part(quote_), expected);
  EXPECT_EQ(write_sgx_report(quote_.qe_report),
            to_bytes(ByteView(bytes_).subspan(qe_report_at(GetParam()), 384)));
}

TEST_P(IntelQuoteShape, TakesCertificationDataOfTypes1To5) {
  for (const std::uint16_t type : {1, 2, 3, 4, 5}) {
    quote_.certification_type = type;
    quote_.certification_data = type == 1 ? Bytes(34, 1) : Bytes{};
    EXPECT_EQ(parse_intel_quote(write_intel_quote(quote_)).value(), quote_);
  }
  for (const std::uint16_t type : {0, 6, 7, 8, 0x0105, 0x0500, 0xffff}) {
    put_le(bytes_, certification_at(GetParam()), 2, type);
    expect_refused(bytes_, E::kIntelCertification, std::to_string(type));
  }
}

TEST_P(IntelQuoteShape, RejectsAnotherTypeAroundTheQeReport) {
  if (GetParam().version == 3) {
    return;
  }
  for (const std::uint16_t type : {0, 1, 5, 7, 0x0106, 0x0600}) {
    put_le(bytes_, qe_report_at(GetParam()) - 6, 2, type);
    expect_refused(bytes_, E::kIntelCertification, std::to_string(type));
  }
}

class IntelQuoteLengths : public IntelQuoteShape {
 protected:
  // Says that the signature data is longer, and inside of it what is around the QE report.
  void grow(std::size_t outer, std::size_t inner) {
    const std::size_t at = signature_len_at(GetParam());
    put_le(bytes_, at, 4, bytes_len_ - at - 4 + outer);
    if (GetParam().version != 3) {
      put_le(bytes_, qe_report_at(GetParam()) - 4, 4,
             bytes_len_ - qe_report_at(GetParam()) + inner);
    }
  }
  std::size_t bytes_len_ = bytes_.size();
};
INSTANTIATE_TEST_SUITE_P(All, IntelQuoteLengths,
                         testing::Values(Shape{3, Body::kSgx}, Shape{4, Body::kTd10},
                                         Shape{5, Body::kTd15}),
                         testing::PrintToStringParamName());

TEST_P(IntelQuoteLengths, RejectsLengthsPastTheEnd) {
  const Bytes whole = bytes_;
  const std::size_t at = signature_len_at(GetParam());
  for (const std::uint64_t len : {bytes_len_ - at - 3, std::size_t{0xffffffff}}) {
    bytes_ = whole;
    put_le(bytes_, at, 4, len);
    expect_refused(bytes_, E::kIntelLength);
  }
  for (const std::uint64_t len : {133U, 1024U}) {
    bytes_ = whole;
    put_le(bytes_, auth_len_at(GetParam()), 2, len + 32);
    expect_refused(bytes_, E::kIntelLength);
  }
  for (const std::uint64_t len : {101U, 32768U, 0xffffffffU}) {
    bytes_ = whole;
    put_le(bytes_, certification_at(GetParam()) + 2, 4, len);
    expect_refused(bytes_, E::kIntelLength);
  }
}

TEST_P(IntelQuoteLengths, RejectsPartsThatDoNotFillEachOther) {
  bytes_.push_back(0);  // even a zero: inside the signature data nothing is padding
  const Bytes longer = bytes_;
  grow(1, 1);
  expect_refused(bytes_, E::kIntelLength, "certification data ends early");
  if (GetParam().version != 3) {
    bytes_ = longer;
    grow(1, 0);
    expect_refused(bytes_, E::kIntelLength, "inner ends early");
    bytes_ = longer;
    grow(0, 1);
    expect_refused(bytes_, E::kIntelLength, "inner ends late");
  }
}

TEST_P(IntelQuoteLengths, BoundsQeAuthDataAndCertificationData) {
  quote_.qe_auth_data = Bytes(1024, 1);
  quote_.certification_data = Bytes(32768, 2);
  bytes_ = write_intel_quote(quote_);
  EXPECT_EQ(parse_intel_quote(bytes_).value(), quote_);

  bytes_.push_back(2);
  bytes_len_ = bytes_.size();
  grow(0, 0);
  put_le(bytes_, auth_len_at(GetParam()) + 2 + 1024 + 2, 4, 32769);
  expect_refused(bytes_, E::kIntelLength);

  quote_.certification_data = Bytes(100, 2);
  bytes_ = write_intel_quote(quote_);
  bytes_.insert(bytes_.begin() + static_cast<std::ptrdiff_t>(auth_len_at(GetParam()) + 2), 1);
  bytes_len_ = bytes_.size();
  grow(0, 0);
  put_le(bytes_, auth_len_at(GetParam()), 2, 1025);
  expect_refused(bytes_, E::kIntelLength);
}

TEST(IntelQuote, RejectsATdInVersion3) {
  Bytes bytes = write_intel_quote(full_quote({3, Body::kSgx}));
  bytes[4] = 0x81;
  expect_refused(bytes, E::kIntelTeeType);
}

TEST(IntelQuote, RejectsTheBodyOfAnotherTee) {
  Bytes sgx = write_intel_quote(full_quote({4, Body::kSgx}));
  sgx[4] = 0x81;
  EXPECT_FALSE(parse_intel_quote(sgx));
  Bytes tdx = write_intel_quote(full_quote({4, Body::kTd10}));
  tdx[4] = 0;
  EXPECT_FALSE(parse_intel_quote(tdx));
}

TEST(IntelQuote, RejectsBodyTypesThatDoNotFitTeeOrSize) {
  const struct {
    Body body;
    std::uint16_t type;
    std::uint32_t size;
  } cases[] = {
      {Body::kSgx, 0, 384},        {Body::kSgx, 2, 584},         {Body::kSgx, 3, 648},
      {Body::kSgx, 4, 384},        {Body::kSgx, 0x0101, 384},    {Body::kSgx, 1, 383},
      {Body::kSgx, 1, 385},        {Body::kTd10, 0, 584},        {Body::kTd10, 1, 384},
      {Body::kTd10, 4, 584},       {Body::kTd10, 2, 648},        {Body::kTd10, 3, 584},
      {Body::kTd10, 2, 0x1000248}, {Body::kTd15, 3, 584},        {Body::kTd15, 2, 648},
      {Body::kTd15, 3, 0},         {Body::kTd15, 3, 0xffffffff},
  };
  for (const auto& c : cases) {
    Bytes bytes = write_intel_quote(full_quote({5, c.body}));
    put_le(bytes, 48, 2, c.type);
    put_le(bytes, 50, 4, c.size);
    expect_refused(bytes, E::kIntelTeeType,
                   "type " + std::to_string(c.type) + ", size " + std::to_string(c.size));
  }
}

TEST(IntelQuote, SaysThatATdReportIsNoQuote) {
  Bytes report(1024, 0x11);
  report[0] = 0x81;
  const auto parsed = parse_intel_quote(report);
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(parsed.error().is(E::kIntelTdReport));
  EXPECT_NE(parsed.error().remedy().find("give the quote"), std::string::npos);
  report.resize(1023);
  expect_refused(report, E::kIntelVersion);
  report.resize(1024);
  report[0] = 0x80;
  expect_refused(report, E::kIntelVersion);
}

TEST(IntelQuote, IsToldFromOtherBytes) {
  const Bytes quote = write_intel_quote(full_quote({4, Body::kTd10}));
  const auto with = [&](std::size_t at, std::uint8_t byte) {
    Bytes changed = quote;
    changed[at] = byte;
    return looks_like_intel_quote(changed);
  };
  EXPECT_TRUE(looks_like_intel_quote(ByteView(quote).first(48)));
  EXPECT_FALSE(looks_like_intel_quote(ByteView(quote).first(47)));
  EXPECT_FALSE(looks_like_intel_quote({}));
  EXPECT_TRUE(with(0, 3));
  EXPECT_TRUE(with(0, 5));
  EXPECT_TRUE(with(2, 3));  // a quote, though of a key we do not know
  EXPECT_TRUE(with(4, 0));
  EXPECT_FALSE(with(0, 2));
  EXPECT_FALSE(with(0, 6));
  EXPECT_FALSE(with(1, 1));
  EXPECT_FALSE(with(2, 0));  // an SNP report of version 4 begins like this
  EXPECT_FALSE(with(2, 4));
  EXPECT_FALSE(with(3, 1));
  EXPECT_FALSE(with(4, 1));
  EXPECT_FALSE(with(7, 1));
}

TEST(IntelQuote, ReadsAttributesOfAnEnclave) {
  SgxReport report;
  const struct {
    std::uint64_t bit;
    bool (SgxReport::*flag)() const;
  } flags[] = {{0, &SgxReport::init},           {1, &SgxReport::debug},
               {2, &SgxReport::mode64},         {4, &SgxReport::provision_key},
               {5, &SgxReport::einittoken_key}, {7, &SgxReport::kss}};
  for (const auto& [bit, flag] : flags) {
    report.attributes = {};
    report.attributes[bit / 8] = static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_EQ(report.attribute_flags(), std::uint64_t{1} << bit);
    for (const auto& other : flags) {
      EXPECT_EQ((report.*other.flag)(), other.bit == bit);
    }
  }
  report.attributes = {1, 2, 3, 4, 5, 6, 7, 8, 0xff};  // XFRM is no flag
  EXPECT_EQ(report.attribute_flags(), 0x0807060504030201U);
}

TEST(IntelQuote, ReadsAttributesOfATrustDomain) {
  TdReport report;
  const struct {
    std::uint64_t bit;
    bool (TdReport::*flag)() const;
  } flags[] = {{0, &TdReport::debug},       {28, &TdReport::sept_ve_disable},
               {29, &TdReport::migratable}, {30, &TdReport::pks},
               {31, &TdReport::kl},         {63, &TdReport::perfmon}};
  for (const auto& [bit, flag] : flags) {
    report.td_attributes = {};
    report.td_attributes[bit / 8] = static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_EQ(report.attribute_flags(), std::uint64_t{1} << bit);
    for (const auto& other : flags) {
      EXPECT_EQ((report.*other.flag)(), other.bit == bit);
    }
  }
  report.td_attributes = {0x80};  // the whole group means debug
  EXPECT_TRUE(report.debug());
}

TEST(IntelQuoteDeathTest, IsNotWrittenInAFormThatDoesNotExist) {
  const auto dies = [](const IntelQuote& quote) {
    EXPECT_DEATH((void)write_intel_quote(quote), "");
  };
  dies(full_quote({3, Body::kTd10}));
  dies(full_quote({4, Body::kTd15}));
  dies(full_quote({6, Body::kSgx}));
  IntelQuote half = full_quote({5, Body::kTd15});
  std::get<TdReport>(half.body).mr_service_td.reset();
  dies(half);
  IntelQuote quote = full_quote({4, Body::kTd10});
  quote.certification_type = 6;
  dies(quote);
  quote = full_quote({4, Body::kTd10});
  quote.certification_data.resize(32769);
  dies(quote);
  quote = full_quote({4, Body::kTd10});
  quote.qe_auth_data.resize(1025);
  dies(quote);
}

// Offset, size and name of every field, from Intel's tables; each one alone is set to a value of
// its own and must be found there and nowhere else.
struct Field {
  std::size_t offset;
  std::size_t len;
  const char* name;
  std::function<Bytes(const IntelQuote&)> get;
};

Bytes le(std::uint64_t value, std::size_t len) {
  Bytes out(len);
  put_le(out, 0, len, value);
  return out;
}

std::vector<Field> header_fields() {
  return {
      {8, 2, "QE SVN", [](const IntelQuote& q) { return le(q.qe_svn, 2); }},
      {10, 2, "PCE SVN", [](const IntelQuote& q) { return le(q.pce_svn, 2); }},
      {12, 16, "QE vendor ID", [](const IntelQuote& q) { return to_bytes(q.qe_vendor_id); }},
      {28, 20, "user data", [](const IntelQuote& q) { return to_bytes(q.user_data); }},
  };
}

std::vector<Field> sgx_fields(const std::function<SgxReport(const IntelQuote&)>& of) {
  const auto bytes = [of](auto member) {
    return [of, member](const IntelQuote& q) { return to_bytes(of(q).*member); };
  };
  const auto integer = [of](auto member, std::size_t len) {
    return [of, member, len](const IntelQuote& q) { return le(of(q).*member, len); };
  };
  return {
      {0, 16, "CPUSVN", bytes(&SgxReport::cpu_svn)},
      {16, 4, "MISCSELECT", integer(&SgxReport::misc_select, 4)},
      {32, 16, "ISVEXTPRODID", bytes(&SgxReport::isv_ext_prod_id)},
      {48, 16, "ATTRIBUTES", bytes(&SgxReport::attributes)},
      {64, 32, "MRENCLAVE", bytes(&SgxReport::mr_enclave)},
      {128, 32, "MRSIGNER", bytes(&SgxReport::mr_signer)},
      {192, 64, "CONFIGID", bytes(&SgxReport::config_id)},
      {256, 2, "ISVPRODID", integer(&SgxReport::isv_prod_id, 2)},
      {258, 2, "ISVSVN", integer(&SgxReport::isv_svn, 2)},
      {260, 2, "CONFIGSVN", integer(&SgxReport::config_svn, 2)},
      {304, 16, "ISVFAMILYID", bytes(&SgxReport::isv_family_id)},
      {320, 64, "REPORTDATA", bytes(&SgxReport::report_data)},
  };
}

std::vector<Field> td_fields(bool td15) {
  const auto bytes = [](auto member) {
    return [member](const IntelQuote& q) { return to_bytes(std::get<TdReport>(q.body).*member); };
  };
  const auto optional = [](auto member) {
    return [member](const IntelQuote& q) {
      return to_bytes((std::get<TdReport>(q.body).*member).value());
    };
  };
  std::vector<Field> fields{
      {0, 16, "TEE_TCB_SVN", bytes(&TdReport::tee_tcb_svn)},
      {16, 48, "MRSEAM", bytes(&TdReport::mr_seam)},
      {64, 48, "MRSIGNERSEAM", bytes(&TdReport::mr_signer_seam)},
      {112, 8, "SEAMATTRIBUTES", bytes(&TdReport::seam_attributes)},
      {120, 8, "TDATTRIBUTES", bytes(&TdReport::td_attributes)},
      {128, 8, "XFAM", bytes(&TdReport::xfam)},
      {136, 48, "MRTD", bytes(&TdReport::mr_td)},
      {184, 48, "MRCONFIGID", bytes(&TdReport::mr_config_id)},
      {232, 48, "MROWNER", bytes(&TdReport::mr_owner)},
      {280, 48, "MROWNERCONFIG", bytes(&TdReport::mr_owner_config)},
      {520, 64, "REPORTDATA", bytes(&TdReport::report_data)},
  };
  for (std::size_t i = 0; i < 4; ++i) {
    fields.push_back({328 + 48 * i, 48, "RTMR", [i](const IntelQuote& q) {
                        return to_bytes(std::get<TdReport>(q.body).rtmr[i]);
                      }});
  }
  if (td15) {
    fields.push_back({584, 16, "TEE_TCB_SVN_2", optional(&TdReport::tee_tcb_svn_2)});
    fields.push_back({600, 48, "MRSERVICETD", optional(&TdReport::mr_service_td)});
  }
  return fields;
}

std::vector<Field> signature_fields(Shape shape) {
  const std::size_t at = signature_len_at(shape) + 4;
  return {
      {at, 64, "signature", [](const IntelQuote& q) { return to_bytes(q.signature); }},
      {at + 64, 64, "attestation key",
       [](const IntelQuote& q) { return to_bytes(q.attestation_key); }},
      {qe_report_at(shape) + 384, 64, "QE report signature",
       [](const IntelQuote& q) { return to_bytes(q.qe_report_signature); }},
      {auth_len_at(shape) + 2, 32, "QE authentication data",
       [](const IntelQuote& q) { return q.qe_auth_data; }},
      {certification_at(shape) + 6, 100, "certification data",
       [](const IntelQuote& q) { return q.certification_data; }},
  };
}

std::vector<Field> all_fields(Shape shape) {
  std::vector<Field> all = header_fields();
  const auto add = [&all](std::vector<Field> fields, std::size_t at) {
    for (Field& field : fields) {
      field.offset += at;
      all.push_back(std::move(field));
    }
  };
  if (shape.body == Body::kSgx) {
    add(sgx_fields([](const IntelQuote& q) { return std::get<SgxReport>(q.body); }),
        body_at(shape));
  } else {
    add(td_fields(shape.body == Body::kTd15), body_at(shape));
  }
  add(sgx_fields([](const IntelQuote& q) { return q.qe_report; }), qe_report_at(shape));
  add(signature_fields(shape), 0);
  return all;
}

TEST_P(IntelQuoteShape, KeepsEachFieldWhereTheTablesPutIt) {
  const std::vector<Field> fields = all_fields(GetParam());
  for (const Field& field : fields) {
    SCOPED_TRACE(field.name + std::string(" at ") + std::to_string(field.offset));
    Bytes value(field.len);
    for (std::size_t i = 0; i < value.size(); ++i) {
      value[i] = static_cast<std::uint8_t>(0x81 + i);
    }
    Bytes changed = bytes_;
    std::copy(value.begin(), value.end(),
              changed.begin() + static_cast<std::ptrdiff_t>(field.offset));
    const auto parsed = parse_intel_quote(changed);
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(write_intel_quote(*parsed), changed);
    for (const Field& other : fields) {
      EXPECT_EQ(other.get(*parsed), &other == &field ? value : other.get(quote_)) << other.name;
    }
  }
}

}  // namespace
}  // namespace ensconce
