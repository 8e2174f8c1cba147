#!/usr/bin/env python3
"""usage: compare.py DAEMON [BROKER] OURS

Compares what the checks have found in booted systems. Fails for a check of ours that has another exit status than
dbus-daemon's, and for a unit that failed on ours only."""
import re
import sys
from pathlib import Path

CHECK = re.compile(r"^(\S+)\s+rc=(\d+)\s+(\d+) ms \| (.*)$")


def checks(directory):
    """Label of each check, with exit status and the first lines of what it printed."""
    log = (Path(directory) / "checks.log").read_text(errors="replace")
    return {m[1]: (int(m[2]), m[4]) for line in log.splitlines() if (m := CHECK.match(line))}


def failed_units(found):
    texts = [found.get(label, (0, ""))[1] for label in ("failed", "user-failed")]
    return {unit for text in texts for unit in re.findall(r"\S+\.(?:service|socket|mount|timer)", text)}


def facts(directory):
    """Boot time, and the memory of the system bus."""
    log = (Path(directory) / "checks.log").read_text(errors="replace")
    wanted = re.compile(r"Startup finished|.*Pss: \d+|.*ReloadConfig under load")
    return [line.strip() for line in log.splitlines() if wanted.match(line)][:5]


def warnings(directory):
    path = Path(directory) / "journal-warnings.txt"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [re.sub(r"\d+", "N", re.sub(r"^\[[^]]*\] ", "", line)) for line in lines]


daemon, *brokers, ours = sys.argv[1:]
reference, found = checks(daemon), checks(ours)
faults = []
if len(reference) < 50:
    faults.append(f"only {len(reference)} checks ran on dbus-daemon: see {daemon}/console.txt")
for label, (status, text) in reference.items():
    if label not in found:
        faults.append(f"{label}: did not run")
    elif found[label][0] != status:
        faults.append(f"{label}: {found[label][0]} ({found[label][1]}), and {status} ({text}) with dbus-daemon")
for unit in sorted(failed_units(found) - failed_units(reference)):
    faults.append(f"{unit} failed, with this bus only")
usual = set(warnings(daemon))
for line in [line for line in warnings(ours) if line not in usual and re.match(r"\S*(dbus|bus1)", line)]:
    faults.append(f"journal: {line}")
print(f"{len(reference)} checks")
for broker in brokers:
    other = checks(broker)
    differs = sum(1 for label, one in reference.items() if label in other and other[label][0] != one[0])
    print(f"dbus-broker has another outcome than dbus-daemon in {differs}")
buses = [("dbus-daemon", daemon), *(("dbus-broker", broker) for broker in brokers), ("bus1-bridge", ours)]
for name, directory in buses:
    print(f"-- {name}", *facts(directory), sep="\n   ")
for fault in faults:
    print(f"FAULT {fault}")
sys.exit(1 if faults else 0)
