"""What the two channels cost: a connection, a sealed request, an empty request.

The worker, its broker and its simulated processor are those of the demo. Sides are asked in turn
within one run, and a ratio or a difference is taken of the two that stood side by side, so that a
machine that is busy now and then is busy for both.

  connection  a new connection and its first requests: TLS 1.3 alone, and attested, with as many.
              "cold" verifies everything. "Evidence appraised" knows it from an earlier connection
              and checks what belongs to this one; it takes one request. A whole client takes
              another, for the served list, as "cold" does.
  sealed      Oblivious HTTP beside the same request without it, over plain HTTP and over TLS, as a
              difference; and its cryptography alone. The request is of that size and refused at
              once, the answer is small; in "alone" both are of that size.
  empty       GET /v2/health/live beside the same bytes as a file of nginx, over TLS 1.3
"""

import grp
import os
import pathlib
import pwd
import shutil
import socket
import statistics
import sys
import time

import story as told
from compare import median_interval
from house import MODELS, House, descendants

SIZES = (1024, 600 * 1024)
CONNECTION_BAR, EMPTY_BAR = 1.25, 0.7
CONNECTIONS = 16
LIVE, LIVE_BODY = "/v2/health/live", '{"live":true}'

NGINX = """
daemon off;
user {user} {group};
pid {top}/pid;
error_log {top}/error.log;
worker_processes auto;
events {{ worker_connections 512; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  client_body_temp_path {top}/body; proxy_temp_path {top}/proxy; fastcgi_temp_path {top}/fastcgi;
  uwsgi_temp_path {top}/uwsgi; scgi_temp_path {top}/scgi;
  open_file_cache max=16;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {top}/certificate.pem;
    ssl_certificate_key {top}/key.pem;
    ssl_protocols TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets off;
    ssl_conf_command NumTickets 0;
    root {top}/root;
  }}
}}
"""


def against(what, left, right, bound=None, op="<=", difference=False):
    """A row: medians of both and of what is between them, pair by pair, with its 95 % interval."""
    between = [a - b if difference else a / b for a, b in zip(left, right)]
    low, high = median_interval(between)
    row = {"what": what, "left": round(statistics.median(left), 1),
           "right": round(statistics.median(right), 1),
           "difference" if difference else "ratio": round(statistics.median(between), 3),
           "low": round(low, 3), "high": round(high, 3), "pairs": len(between)}
    if bound is not None:
        inside, outside = (high <= bound, low > bound) if op == "<=" else (low >= bound, high < bound)
        row.update(bound=bound, op=op, holds=inside if inside or outside else None)
    return row


def say(row):
    if "skipped" in row:
        text = f"SKIPPED: {row['skipped']}"
    elif "alone" in row:
        text = "us  " + ", ".join(f"{k} {v}" for k, v in row["alone"].items())
    else:
        between = "difference" if "difference" in row else "ratio"
        text = (f"{row['left']:10.1f} {row['right']:10.1f}  {between} {row[between]:.3f} "
                f"[{row['low']:.3f}, {row['high']:.3f}]")
        if "bound" in row:
            verdict = {True: "holds", False: "does NOT hold", None: "undecided"}[row["holds"]]
            text += f"  {row['op']} {row['bound']}: {verdict}"
    print(f"   {row['what']:<58} {text}", file=sys.stderr, flush=True)


# ---- Programs ------------------------------------------------------------------------------------


def find_nginx(cache):
    unpacked = pathlib.Path(cache) / "balancers/usr/sbin/nginx"
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or (
        str(unpacked) if unpacked.exists() else None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_nginx(house, program):
    """nginx serving what the worker answers. Returns its process and its port."""
    top = house.top / "nginx"
    file = top / "root" / LIVE.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text(LIVE_BODY, encoding="utf-8")
    house.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
              "-nodes", "-subj", "/CN=nginx", "-days", "2", "-keyout", top / "key.pem", "-out",
              top / "certificate.pem")
    port = free_port()
    (top / "nginx.conf").write_text(NGINX.format(
        top=top, port=port, user=pwd.getpwuid(os.getuid()).pw_name,
        group=grp.getgrgid(os.getgid()).gr_name), encoding="utf-8")
    process = house.start("nginx", [program, "-p", top, "-e", top / "error.log", "-c",
                                    top / "nginx.conf"])
    for _ in range(100):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.05)
    raise RuntimeError("nginx does not listen:\n" + "\n".join(process.errors))


# ---- Measuring -----------------------------------------------------------------------------------


def connection_rows(house, program, worker, policy, rounds):
    took = house.json(program, "connect", "--worker", worker, "--policy", policy, "--rounds", rounds)
    plain = took["plain"]
    return [
        against("attested, cold / TLS 1.3 and two requests, us", took["cold"], took["plain_two"]),
        against("attested, evidence appraised / TLS 1.3 and a request, us", took["appraised"], plain,
                CONNECTION_BAR),
        against("the same and the served list / TLS 1.3 and two requests, us", took["client"],
                took["plain_two"]),
    ]


def sealed_rows(house, program, at, policy, rounds):
    rows = []
    for size in SIZES:
        name = f"{size // 1024} KB"
        alone = house.json(program, "ohttp", "--size", size, "--rounds", rounds)
        rows.append({"what": f"OHTTP alone, {name}",
                     "alone": {k: round(statistics.median(v), 1) for k, v in alone.items()}})
        took = house.json(program, "sealed", *at, "--policy", policy, "--size", size, "--rounds",
                          rounds)
        for kind in ("", "_chunked"):
            words = ", chunked" if kind else ""
            rows.append(against(f"OHTTP{words} over plain HTTP - plain HTTP, {name}, us",
                                took["sealed" + kind], took["plain"], difference=True))
            rows.append(against(f"OHTTP{words} over TLS - TLS, {name}, us",
                                took["sealed_in_tls" + kind], took["tls"], difference=True))
    return rows


def empty_rows(house, program, story, worker, arguments):
    nginx = find_nginx(house.cache)
    if nginx is None:
        return [{"what": "empty requests / nginx",
                 "skipped": "there is no nginx on PATH (package nginx)"}]
    process, port = start_nginx(house, nginx)
    ours = descendants(story.worker.pid)  # the simulated processor, idle now, and the worker
    theirs = descendants(process.pid)
    took = house.json(
        program, "requests", "--ours", worker, "--peer", f"https://127.0.0.1:{port}", "--target",
        LIVE, "--connections", CONNECTIONS, "--blocks", arguments.blocks, "--block-ms", 400,
        *[w for p in ours for w in ("--ours-pid", p)],
        *[w for p in theirs for w in ("--peer-pid", p)])
    process.stop()
    return [
        against(f"empty requests a second / nginx, {CONNECTIONS} connections", took["ours"],
                took["peer"], EMPTY_BAR, ">="),
        against("CPU of the server, an empty request / nginx, us", took["ours_cpu_us"],
                took["peer_cpu_us"]),
    ]


def measure(house, arguments):
    story = told.Story(house, worker_settings='listen_sealed = "127.0.0.1:0"')
    for step in (told.tell_cast, told.tell_broker, told.tell_policy, told.tell_seal,
                 told.tell_worker):
        step(story)
    policy = told.write_client_policy(
        house, "client.toml", story.anchor["spki_sha256"], [story.measurement], [story.owner],
        story.broker, story.owner)
    plain = house.start("ensconce-bench-plain",
                        [house.program("ensconce-bench-plain"), "--model",
                         f"{MODELS[1]}={house.cache / 'models' / MODELS[1]}", "--port", "0"])
    worker = f"https://127.0.0.1:{story.port}"
    at = ("--worker", worker, "--sealed", f"http://127.0.0.1:{story.sealed_port}",
          "--plain", f"http://127.0.0.1:{plain.ready()['port']}")
    program = house.program("bench_channels")
    rows = []
    for part in (lambda: connection_rows(house, program, worker, policy, arguments.pairs),
                 lambda: sealed_rows(house, program, at, policy, arguments.pairs),
                 lambda: empty_rows(house, program, story, worker, arguments)):
        measured = part()
        for row in measured:
            say(row)
        rows += measured
    return {"rows": rows}


def run(arguments):
    house = House(arguments.bin, arguments.cache)
    try:
        return measure(house, arguments)
    finally:
        house.close()
