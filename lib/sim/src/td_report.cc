#include "td_report.h"

#include "ensconce/base/check.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {
namespace {

// TDINFO (Intel TDX Module ABI, "TDINFO_STRUCT"): 512 bytes, what a quote says of the TD.
Bytes td_info(const TdReport& td) {
  ByteWriter writer;
  writer.raw(td.td_attributes).raw(td.xfam).raw(td.mr_td);
  writer.raw(td.mr_config_id).raw(td.mr_owner).raw(td.mr_owner_config);
  for (const ByteArray<48>& rtmr : td.rtmr) {
    writer.raw(rtmr);
  }
  writer.raw(td.mr_service_td.value_or(ByteArray<48>{})).raw(ByteArray<64>{});
  ENSC_CHECK(writer.bytes().size() == 512);
  return std::move(writer).take();
}

// TEE_TCB_INFO: 239 bytes, and 17 reserved ones before the next part of a TDREPORT.
Bytes tee_tcb_info(const TdReport& td) {
  ByteWriter writer;
  writer.raw(ByteArray<8>{0xff, 0x01, 0x03});  // which fields are valid
  writer.raw(td.tee_tcb_svn).raw(td.mr_seam).raw(td.mr_signer_seam).raw(td.seam_attributes);
  writer.raw(td.tee_tcb_svn_2.value_or(ByteArray<16>{}));
  Bytes out = std::move(writer).take();
  out.resize(239);
  return out;
}

}  // namespace

Bytes td_report(const TdReport& td) {
  const Bytes tcb = tee_tcb_info(td);
  const Bytes info = td_info(td);
  ByteWriter writer;
  writer.raw(ByteArray<16>{0x81});      // type TDX, and reserved
  writer.raw(ByteArray<16>{4, 4, 25});  // CPUSVN
  writer.raw(sha384(tcb)).raw(sha384(info));
  writer.raw(td.report_data).raw(ByteArray<32>{}).raw(sha256(as_bytes("simulated MAC")));
  writer.raw(tcb).raw(ByteArray<17>{}).raw(info);
  ENSC_CHECK(writer.bytes().size() == 1024);
  return std::move(writer).take();
}

}  // namespace ensconce
