#include "made_collateral.h"

#include "ensconce/base/check.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/der.h"

namespace ensconce::made {
namespace {

constexpr std::string_view kZeros48 =
    "0000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000";

std::string quoted(std::string_view name, std::string_view value) {
  return "\"" + std::string(name) + "\":\"" + std::string(value) + "\"";
}

std::string components(std::string_view name, const std::vector<int>& svns) {
  std::string out = "\"" + std::string(name) + "\":[";
  for (std::size_t i = 0; i < 16; ++i) {
    out += i > 0 ? "," : "";
    out += "{\"svn\":" + std::to_string(i < svns.size() ? svns[i] : 0) +
           (i == 0 ? ",\"category\":\"BIOS\",\"type\":\"Early Microcode Update\"}" : "}");
  }
  return out + "]";
}

std::string head(std::string_view id, int version) {
  return "{" + (id.empty() ? "" : quoted("id", id) + ",") +
         "\"version\":" + std::to_string(version) + "," +
         quoted("issueDate", "2026-02-18T10:58:51Z") + "," +
         quoted("nextUpdate", "2026-03-20T10:58:51Z") + ",";
}

std::string platform() {
  return quoted("fmspc", "90C06F000000") + "," + quoted("pceId", "0000") +
         ",\"tcbType\":0,\"tcbEvaluationDataNumber\":18,";
}

std::string module() {
  return quoted("mrsigner", kZeros48) + "," + quoted("attributes", "0000000000000000") + "," +
         quoted("attributesMask", "FFFFFFFFFFFFFFFF");
}

std::string svn_level(int svn, std::string_view status) {
  return "{\"tcb\":{\"isvsvn\":" + std::to_string(svn) + "}," +
         quoted("tcbDate", "2024-11-13T00:00:00Z") + "," + quoted("tcbStatus", status) + "}";
}

}  // namespace

Bytes sgx_entry(const Bytes& path, const Bytes& value) {
  const Bytes arc{0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
  return sequence({der::write_element(0x06, concat({arc, path})), value});
}

Bytes octet_string(ByteView content) { return der::write_element(der::kOctetString, content); }

Bytes sequence(const std::vector<Bytes>& elements) {
  Bytes content;
  for (const Bytes& element : elements) {
    content = concat({content, element});
  }
  return der::write_element(der::kSequence, content);
}

std::vector<Bytes> tcb_entries(const PckOptions& options) {
  std::vector<Bytes> out;
  for (std::uint8_t i = 1; i <= 16; ++i) {
    // 255 takes two octets of content.
    out.push_back(sgx_entry({2, i}, der::write_small_uint(i == 16 ? 255 : i)));
  }
  out.push_back(sgx_entry({2, 17}, der::write_small_uint(options.pce_svn)));
  out.push_back(sgx_entry({2, 18}, octet_string(Bytes(16, 0xc5))));
  return out;
}

std::vector<Bytes> pck_entries(const PckOptions& options) {
  std::vector<Bytes> out{
      sgx_entry({1}, octet_string(Bytes(16, 0x11))),
      sgx_entry({2}, sequence(tcb_entries(options))),
      sgx_entry({3}, octet_string(options.pce_id)),
      sgx_entry({4}, octet_string(options.fmspc)),
      sgx_entry({5}, {0x0a, 1, 1}),
  };
  if (options.platform_ca) {
    out.push_back(sgx_entry({6}, octet_string(Bytes(16, 0x66))));
    out.push_back(sgx_entry(
        {7}, sequence({sgx_entry({7, 1}, {0x01, 1, 0xff}), sgx_entry({7, 2}, {0x01, 1, 0x00}),
                       sgx_entry({7, 3}, {0x01, 1, 0xff})})));
  }
  return out;
}

std::string tcb_level(const std::vector<int>& sgx, int pce_svn, const std::vector<int>& tdx,
                      std::string_view status) {
  return "{\"tcb\":{" + components("sgxtcbcomponents", sgx) +
         ",\"pcesvn\":" + std::to_string(pce_svn) +
         (tdx.empty() ? "" : "," + components("tdxtcbcomponents", tdx)) + "}," +
         quoted("tcbDate", "2024-11-13T00:00:00Z") + "," + quoted("tcbStatus", status) + "}";
}

std::string sgx_tcb_info() {
  return head("SGX", 3) + platform() + "\"tcbLevels\":[" +
         tcb_level({3, 3, 2}, 13, {}, "SWHardeningNeeded") + "," +
         replaced(tcb_level({2, 2, 2}, 13, {}, "OutOfDate"), "\"OutOfDate\"",
                  "\"OutOfDate\",\"advisoryIDs\":[\"INTEL-SA-01036\",\"INTEL-SA-01079\"]") +
         "]}";
}

std::string sgx_tcb_info_v2() {
  std::string tcb;
  for (int i = 1; i <= 16; ++i) {
    tcb += "\"sgxtcbcomp" + std::string(i < 10 ? "0" : "") + std::to_string(i) +
           "svn\":" + std::to_string(20 - i) + ",";
  }
  return head("", 2) + platform() + "\"tcbLevels\":[{\"tcb\":{" + tcb + "\"pcesvn\":11}," +
         quoted("tcbDate", "2021-11-10T00:00:00Z") + "," +
         quoted("tcbStatus", "ConfigurationNeeded") + "}]}";
}

std::string tdx_tcb_info() {
  return head("TDX", 3) + platform() + "\"tdxModule\":{" + module() +
         "},\"tdxModuleIdentities\":[{" + quoted("id", "TDX_03") + "," + module() +
         ",\"tcbLevels\":[" + svn_level(3, "UpToDate") + "]},{" + quoted("id", "TDX_01") + "," +
         module() + ",\"tcbLevels\":[" + svn_level(6, "UpToDate") + "," +
         svn_level(4, "OutOfDate") + "]}],\"tcbLevels\":[" + tcb_level({3, 3, 2}, 13, {5, 0, 3}) +
         "," + tcb_level({2, 2, 2}, 13, {5, 0, 2}, "OutOfDate") + "]}";
}

std::string qe_identity() {
  return head("TD_QE", 2) + "\"tcbEvaluationDataNumber\":18," + quoted("miscselect", "D182B18C") +
         "," + quoted("miscselectMask", "FFFFFFFF") + "," +
         quoted("attributes", "11000000000000000000000000000000") + "," +
         quoted("attributesMask", "fbffffffffffffff0000000000000000") + "," +
         quoted("mrsigner", "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5") +
         ",\"isvprodid\":2,\"tcbLevels\":[" + svn_level(4, "UpToDate") + "," +
         svn_level(2, "OutOfDate") + "]}";
}

std::string signature() { return std::string(64, 'a') + std::string(64, 'B'); }

std::string answer(std::string_view member, std::string_view inner) {
  return "{\"" + std::string(member) + "\":" + std::string(inner) + ",\"signature\":\"" +
         signature() + "\"}";
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  ENSC_CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string pem_of(const Certificate& certificate) {
  const std::string base64 = base64_encode(certificate.der());
  std::string out = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < base64.size(); at += 64) {
    out += base64.substr(at, 64) + "\n";
  }
  return out + "-----END CERTIFICATE-----\n";
}

}  // namespace ensconce::made
