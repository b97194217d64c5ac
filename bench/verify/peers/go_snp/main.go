// Command go_snp verifies one SEV-SNP report over and over with go-sev-guest, as the peer that
// bench_verify is measured against. Nothing is fetched: certificates and list come from files.
//
//	go_snp AT REPORT VCEK ASK ARK CRL     AT: RFC 3339
//
// It prints one line of JSON, then answers each line on standard input with one: "cold N" and
// "warm N" with the nanoseconds of N verifications, "altered" with "refused" if the report with one
// bit flipped is.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

const product = "Genoa"

// inputs are the files as they came.
type inputs struct {
	now                          time.Time
	report, vcek, ask, ark, list []byte
}

// Get serves the list, whatever the URL: it is the one thing this verifier asks for.
func (in *inputs) Get(string) ([]byte, error) { return in.list, nil }

func (in *inputs) roots() (*trust.AMDRootCerts, error) {
	root := trust.AMDRootCertsProduct(product)
	return root, root.Decode(in.ask, in.ark)
}

// verify parses the report and judges it under roots, which keep the list they have parsed.
func (in *inputs) verify(report []byte, roots *trust.AMDRootCerts) error {
	parsed, err := abi.ReportToProto(report)
	if err != nil {
		return err
	}
	chain := &spb.CertificateChain{VcekCert: in.vcek, AskCert: in.ask, ArkCert: in.ark}
	return verify.SnpAttestation(&spb.Attestation{Report: parsed, CertificateChain: chain},
		&verify.Options{
			CheckRevocations:    true,
			DisableCertFetching: true,
			Getter:              in,
			Now:                 in.now,
			TrustedRoots:        map[string][]*trust.AMDRootCerts{product: {roots}},
		})
}

// cold parses roots and list for each verification.
func (in *inputs) cold(n int) error {
	for i := 0; i < n; i++ {
		roots, err := in.roots()
		if err != nil {
			return err
		}
		if err := in.verify(in.report, roots); err != nil {
			return err
		}
	}
	return nil
}

// warm keeps roots and list, as this library's own roots are kept.
func (in *inputs) warm(n int, roots *trust.AMDRootCerts) error {
	for i := 0; i < n; i++ {
		if err := in.verify(in.report, roots); err != nil {
			return err
		}
	}
	return nil
}

func read(arguments []string) (*inputs, error) {
	if len(arguments) != 6 {
		return nil, fmt.Errorf("usage: go_snp AT REPORT VCEK ASK ARK CRL")
	}
	in := &inputs{}
	var err error
	if in.now, err = time.Parse(time.RFC3339, arguments[0]); err != nil {
		return nil, err
	}
	for i, to := range []*[]byte{&in.report, &in.vcek, &in.ask, &in.ark, &in.list} {
		if *to, err = os.ReadFile(arguments[i+1]); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// answer does what one line asks and returns the line to print.
func (in *inputs) answer(line string, roots *trust.AMDRootCerts) (string, error) {
	if line == "altered" {
		altered := append([]byte(nil), in.report...)
		altered[0x50] ^= 1 // REPORT_DATA
		if in.verify(altered, roots) == nil {
			return "accepted", nil
		}
		return "refused", nil
	}
	var mode string
	var n int
	if _, err := fmt.Sscanf(line, "%s %d", &mode, &n); err != nil {
		return "", err
	}
	start := time.Now()
	var err error
	switch mode {
	case "cold":
		err = in.cold(n)
	case "warm":
		err = in.warm(n, roots)
	default:
		err = fmt.Errorf("no such command: %s", mode)
	}
	return fmt.Sprint(time.Since(start).Nanoseconds()), err
}

func run() error {
	in, err := read(os.Args[1:])
	if err != nil {
		return err
	}
	roots, err := in.roots()
	if err != nil {
		return err
	}
	if err := in.cold(1); err != nil {
		return err
	}
	fmt.Println(`{"ready":true,"status":"verified, not revoked"}`)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		out, err := in.answer(lines.Text(), roots)
		if err != nil {
			return err
		}
		fmt.Println(out)
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
