#!/usr/bin/env python3
"""Compares what .ci/long.d/build-cost has built, and with KEYWAY_BLESS writes it into docs/build-cost.md."""

import os, platform, re, subprocess, sys
from collections import Counter
from pathlib import Path

WORK, PAGE = Path(sys.argv[1]), Path("docs/build-cost.md")
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
CPU_AIM, ONE_AIM, OWN_AIM, SIZE_AIM = 1.5, 1.3, 1.25, 1.15


PROGRAMS = ("reqwest", "keyway", "one", "own")
OURS = ("keyway", "keyway-build")


def jobs(program):
    """What was compiled and run, in each round: seconds by crate and kind of work. Cargo is what is left of the whole."""
    for file in sorted((WORK / program).glob("cpu.*")):
        seconds = Counter()
        for line in file.read_text().splitlines():
            crate, what, how, user, system = line.split()
            # Ours are another work in each program: Cargo leaves generated code and features of ours out of what it tells rustc.
            job = (crate, what, how, program if crate in OURS or crate == "cargo" else "")
            seconds[job] += float(user) + float(system)
        total = file.with_name(file.name.replace("cpu", "total"))
        seconds["cargo", "left", "", program] = sum(map(float, total.read_text().split())) - sum(seconds.values())
        yield seconds


def cheapest():
    """Of all programs and rounds the least that each job took: the same work costs the same, and whatever else the machine does adds."""
    least = {}
    for program in PROGRAMS:
        for seconds in jobs(program):
            for job, value in seconds.items():
                least[job] = min(value, least.get(job, value))
    return least


def cpu(program, least):
    """Seconds of each crate, with its build script, and of cargo."""
    seconds = Counter()
    for job in next(jobs(program)):
        seconds[job[0]] += least[job]
    return dict(seconds)


def again(program):
    """Seconds after a change of the program's own file: the least of all rounds."""
    return min(sum(map(float, file.read_text().split())) for file in (WORK / program).glob("again.*"))


def code(program):
    """Bytes of each crate's named code and data. Generic code counts for the crate that its name begins with."""
    found = Counter()
    for line in (WORK / program / "symbols").read_text().splitlines():
        fields = line.split(maxsplit=3)
        if len(fields) == 4:
            # What drops a type is that type's.
            name = fields[3].removeprefix("core::ptr::drop_in_place<")
            crate = re.match(r"[<&(*\[]*(?:(?:mut|dyn|const) )?[<&(*\[]*([a-z_0-9]+)::", name)
            found[crate.group(1) if crate else "C and assembler"] += int(fields[1], 16)
    return found


def rows(alone, ours, shown, least):
    """What is there that is not with reqwest alone, the largest first; small ones, and what both have, in a row each."""
    new = {name: ours[name] for name in ours if name not in alone}
    large = sorted((name for name in new if new[name] >= least), key=new.get, reverse=True)
    both = sum(ours[name] - alone[name] for name in ours if name in alone)
    lines = [(f"`{name}`", new[name]) for name in large]
    lines += [(f"{len(new) - len(large)} others", sum(new.values()) - sum(new[name] for name in large))]
    lines += [("more of what both have", both)]
    return [f"| {name} | {shown(value)} |" for name, value in lines]


def machine():
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split(" (")[0]
    return f"{models[0] if models else platform.machine()} ({os.cpu_count()} cores, {platform.system().lower()}), {compiler}"


def compared(what, alone, ours, shown, aim):
    ratio = ours / alone
    verdict = "reached" if ratio <= aim else "not yet"
    return f"| {what} | {shown(ours)}, {ratio:.2f}× | {shown(alone)} | at most {aim}× | {verdict} |"


def figures():
    seconds = lambda value: f"{value:.1f} s"
    kib = lambda value: f"{value / 1024:,.0f} KiB"
    least = cheapest()
    alone, ours, one, own = (cpu(program, least) for program in PROGRAMS)
    sizes = [int((WORK / program / "size").read_text()) for program in ("reqwest", "keyway")]
    ours["keyway"] += ours.pop("with-keyway")
    alone["the program"] = alone.pop("with-reqwest")
    one["keyway"] += one.pop("with-one")
    own["keyway"] += own.pop("with-own")
    return "\n".join(
        [
            f"Measured on {machine()}.",
            "",
            "| what | with Keyway | with reqwest alone | aim | |",
            "|---|---|---|---|---|",
            compared("release build, seconds of a processor", sum(alone.values()), sum(ours.values()), seconds, CPU_AIM),
            compared("the same with one vendor alone", sum(alone.values()), sum(one.values()), seconds, ONE_AIM),
            compared("the same with your own document, its code checked in", sum(alone.values()), sum(own.values()), seconds, OWN_AIM),
            f"| the program again, after a change of its own file | {seconds(again('keyway'))} | {seconds(again('reqwest'))} | none | |",
            compared("the program, stripped", *sizes, kib, SIZE_AIM),
            "",
            "| seconds of | |",
            "|---|---|",
            *rows(alone, ours, seconds, 0.5),
            "",
            "| code of | |",
            "|---|---|",
            *rows(code("reqwest"), code("keyway"), kib, 2048),
            "",
        ]
    )


text = figures()
print(text)
if os.environ.get("KEYWAY_BLESS"):
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1])
