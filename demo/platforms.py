"""What differs in the story between secure processors: where a worker finds its device, what a policy
pins, by which rules the same attacks are refused, and which attacks are the platform's own."""

import dataclasses
import os
import shutil


@dataclasses.dataclass(frozen=True)
class Fault:
    """An attack that the simulated device takes part in: `ensconce-sim run --fault SCRIPT`."""

    title: str
    script: str
    refused_by: str  # the id of the rule
    by: str  # who refuses: "attester" (the worker itself), "broker", or "client"


@dataclasses.dataclass(frozen=True)
class Platform:
    name: str
    people: str  # what people call it
    vendor: str
    settings: str  # lines of a worker's configuration
    template: str  # what a policy says of its hardware
    measurement_rule: str  # refuses what is measured otherwise
    report_data_rule: str  # refuses evidence about something else
    faults: tuple
    pinned_in_pcr: bool = False

    def reference(self, measured):
        """The digest by which a policy tells one launch from another, of what `measure` printed."""
        return measured["pcrs"][0]["sha256"] if self.pinned_in_pcr else measured["measurement"]

    def constants(self, measured):
        """What else a policy pins, which every launch on this machine has in common."""
        if self.pinned_in_pcr:
            return {"paravisor": measured["measurement"], "pcr": measured["pcrs"][0]["index"]}
        return {name: measured[name] for name in ("mr_signer",) if name in measured}


_CERTIFICATES = 'endorsements = "endorsements"    # certificates that the device does not hand out'

PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform(
            "snp", "AMD SEV-SNP", "AMD",
            'tsm_root = "tsm"                 # where the secure processor answers',
            "hardware.toml", "snp.measurement", "snp.report_data", (
                Fault("a report of another privilege level", "privilege-level",
                      "tee.privilege_level", "attester"),
                Fault("a report that answers another challenge", "stale",
                      "tee.wrong_report", "attester"),
                Fault("a virtual machine that its host may debug", "debug",
                      "snp.debug", "broker"),
            )),
        Platform(
            "tdx", "Intel TDX", "Intel",
            'tsm_root = "tsm"                 # where the secure processor answers\n'
            + _CERTIFICATES,
            "hardware-tdx.toml", "tdx.measurement", "intel.report_data", (
                Fault("a TDREPORT in the place of a quote", "tdreport",
                      "tee.tdreport", "attester"),
                Fault("a quote that answers another challenge", "stale",
                      "tee.wrong_report", "attester"),
                Fault("a trust domain that its host may debug", "debug",
                      "tdx.debug", "broker"),
            )),
        Platform(
            "sgx", "Intel SGX under Gramine", "Intel",
            'gramine_root = "attestation"     # where the secure processor answers\n'
            + _CERTIFICATES,
            "hardware-sgx.toml", "sgx.measurement", "intel.report_data", (
                Fault("the quote of another enclave of the same signer", "other-enclave",
                      "sgx.measurement", "broker"),
                Fault("the same, shown to clients and not to the broker", "other-enclave:1",
                      "sgx.measurement", "client"),
                Fault("a quote that answers another challenge", "stale",
                      "tee.wrong_report", "attester"),
                Fault("an enclave that may be debugged", "debug", "sgx.debug", "broker"),
            )),
        Platform(
            "azure", "an Azure confidential VM on SEV-SNP", "AMD",
            'tpm = "tpm"                      # where the secure processor answers\n'
            + _CERTIFICATES,
            "hardware-azure.toml", "azure.pcrs", "azure.report_data", (
                Fault("a TPM quote by another key of the same TPM", "other-ak",
                      "tee.wrong_key", "attester"),
                Fault("the HCL report of another virtual machine", "other-vm",
                      "tee.wrong_key", "attester"),
                Fault("a TPM quote that answers another challenge", "stale",
                      "tee.wrong_report", "attester"),
                Fault("a PCR of something else that was started", "wrong-pcr",
                      "azure.pcrs", "broker"),
                Fault("a hardware report of another privilege level", "privilege-level",
                      "azure.vmpl", "broker"),
                Fault("a virtual machine that its host may debug", "debug",
                      "snp.debug", "broker"),
            ), pinned_in_pcr=True),
    )
}


def missing_for(platform, transport="auto"):
    """What this machine lacks to play a platform, for people; None when it can."""
    fuse = os.access("/dev/fuse", os.R_OK | os.W_OK) and (
        os.geteuid() == 0 or shutil.which("fusermount3") is not None)
    if platform == "azure" and shutil.which("swtpm") is None:
        return "swtpm is not installed (Debian: apt-get install swtpm)"
    if platform != "snp" and transport == "pipes":
        return "named pipes play SEV-SNP alone"
    if not fuse and (platform != "snp" or transport == "fuse"):
        return "it needs FUSE (/dev/fuse, and root or fusermount3)"
    return None
