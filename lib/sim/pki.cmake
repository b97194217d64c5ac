# The simulated vendor PKI alone: what tests of the verifier and the simulator share.
ensc_library(NAME sim_pki
  SOURCES src/azure_vtpm.cc src/azure_vtpm_tdx.cc src/intel_collateral.cc src/intel_files.cc
          src/intel_pki.cc src/sgx_signer.cc src/snp_pki.cc src/td_report.cc src/vendor.cc
  DEPS attestation_evidence crypto)
