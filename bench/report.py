#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the lines of bench.c say: tables, JSON, a chart, and whether the bars are met.

usage: report.py read RESULTS.json KERNEL COMMAND RUN=CONFIGURATION=CONSOLE...
                                                                   consoles to JSON
       report.py text RESULTS.json                                 JSON to tables
       report.py charts RESULTS.json FOLDER                        and to charts
       report.py check RESULTS.json                                a line per bar, TAP

RUN is "x86_64" and "again" (instructions), "uml" and "locks" (nanoseconds).
"""

import json
import re
import subprocess
import sys

KIB, MIB = 1 << 10, 1 << 20
BIG = 64 * MIB
WALK = ("mmap", "touch", "munmap")
LIFE = ("create", *WALK, "close")


class Results:
    def __init__(self, path):
        self.data = json.load(open(path))

    def value(self, run, group, name, size, metric):
        """None for what was not measured."""
        return self.data["runs"].get(run, {}).get(f"{group} {name} {size} {metric}")

    def page(self, name, size, *names, run="x86_64"):
        """Instructions per page of some steps; touching twice gives the loop's own cost."""
        values = [self.value(run, "pages", name, size, m) for m in names]
        if None in values:
            return None
        if "touch" in names:
            values.append(-self.value(run, "pages", name, size, "again"))
        return sum(values) / (size // 4096)

    def walk(self, name, size=BIG):
        return self.page(name, size, *WALK)

    def names(self, run, group):
        return list(dict.fromkeys(k.split()[1] for k in self.data["runs"].get(run, {}) if k.startswith(group + " ")))

    def sizes(self, run, group):
        return sorted({int(k.split()[2]) for k in self.data["runs"].get(run, {}) if k.startswith(group + " ")})

    def metrics(self, run, group):
        return list(dict.fromkeys(k.split()[3] for k in self.data["runs"].get(run, {}) if k.startswith(group + " ")))

    def break_even(self, run, name):
        """The smallest size from which a mapping made for this is not slower than read()."""
        found = None
        for size in reversed(self.sizes(run, "copy")):
            afresh, read = (self.value(run, "copy", name, size, w) for w in ("map-afresh", "read"))
            if afresh is None:
                continue
            if afresh > read:
                break
            found = size
        return found


def human(size):
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def cell(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def table(title, head, rows):
    rows = [[c if isinstance(c, str) else cell(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    yield ""
    yield title
    yield ""
    for row in [head, *rows]:
        yield "  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()


def simple_table(r, title, run, group, size_column=None):
    """A row per name and size, a column per metric."""
    metrics = r.metrics(run, group)
    rows = []
    for name in r.names(run, group):
        for size in r.sizes(run, group):
            values = [r.value(run, group, name, size, m) for m in metrics]
            if any(v is not None for v in values):
                rows.append([name] + ([human(size) if size_column == "size" else str(size)] if size_column else []) + values)
    if rows:
        yield from table(title, [""] + ([size_column] if size_column else []) + metrics, rows)


def text(r):
    d = r.data
    yield f"shmbuf measured: {d['kernel']}"
    yield f"Repeat with: {d['command']}"
    for run, config in d["configs"].items():
        yield f"  {run}: {config}"
    yield "x86_64 runs under QEMU -icount shift=0, so its unit is guest instructions, and"
    yield "filling or copying memory counts once per word, and a cache miss nothing; UML's unit"
    yield "is nanoseconds. The x86_64 kernel is for one processor. The program is root's, in a memory"
    yield "cgroup, which is charged for PAGES and memfd but not for the DMA-BUF heaps, nor for CONTIG"
    yield "beyond 4 MiB. Memory is zeroed in create, but that of anonymous memory in touch."
    steps = ["create", "mmap", "touch", "munmap", "close"]
    kinds = r.names("x86_64", "pages")
    yield from table(
        f"x86_64, instructions per 4 KiB page, {human(BIG)}; walk is mmap + touch + munmap", ["", *steps, "walk"],
        [[k, *(r.page(k, BIG, s) for s in steps), r.walk(k)] for k in kinds])
    sizes = r.sizes("x86_64", "pages")
    for title, what in (("walk", WALK), ("create", ("create",)), ("a whole life: create, walk, close", LIFE)):
        yield from table(f"x86_64, instructions per 4 KiB page, by size: {title}", ["", *map(human, sizes)],
                         [[k, *(r.page(k, s, *what) for s in sizes)] for k in kinds])
    yield from table("x86_64, instructions to map all, touch one page, and unmap", ["", *map(human, sizes)],
                     [[k, *(r.value("x86_64", "pages", k, s, "one") for s in sizes)] for k in kinds])
    yield from table("x86_64, instructions of fork(), the child's exit and wait(), with all of it mapped", ["", *map(human, sizes)],
                     [[k, *(r.value("x86_64", "pages", k, s, "fork") for s in sizes)] for k in kinds])
    yield from simple_table(r, "x86_64, instructions to make a DMA-BUF, import it, and map it; a heap makes one in create", "x86_64", "dmabuf", "size")
    yield from simple_table(r, "x86_64, instructions that a frame of a camera costs the process that gets it", "x86_64", "frames", "size")
    yield from simple_table(r, "x86_64, instructions per operation, one page", "x86_64", "ops")
    for run, unit in (("x86_64", "instructions"), ("uml", "ns")):
        yield from simple_table(r, f"{run}, {unit} from a signal to the process that waits for it (-read, -wait: without poll())", run, "wake")
        yield from simple_table(r, f"{run}, {unit} to sum up what the producer wrote, by how the consumer gets at it", run, "copy", "size")
        for name in r.names(run, "copy"):
            even = r.break_even(run, name)
            last = max(s for s in r.sizes(run, "copy") if r.value(run, "copy", name, s, "read"))
            yield (f"  {name}: to map afresh is not slower than read() from {human(even)} on" if even else
                   f"  {name}: to map afresh is slower than read() at each size up to {human(last)}")
    yield from simple_table(r, "x86_64, instructions per operation, with so many buffers alive (-mapped: and mapped)", "x86_64", "scale", "alive")
    for name in r.names("uml", "cpus"):
        rows = []
        for m in r.metrics("uml", "cpus"):
            alone, own, same = (r.value("uml", "cpus", name, 0, m.split(":")[0] + ":" + w) for w in ("alone", "own", "same"))
            if m.endswith(":alone") and alone:
                rows.append([m.split(":")[0], alone, own / alone, same / alone])
        yield from table(f"uml, {name}: ns per operation of one process alone; times that with two on two CPUs, each its own buffer, and the same",
                         ["", "alone", "own", "same"], rows)
    for way in ("own", "same"):
        locks = [[m, r.value("locks", "locks", way, 0, m)] for m in r.metrics("locks", "locks")]
        locks = [row for row in locks if row[1]]
        yield from table(f"uml, lockstat: locks that two CPUs waited for, {'each its own buffer' if way == 'own' else 'the same buffer'}",
                         ["", "times"], locks or [["none", "0"]])


def ratio(a, b):
    return None if a is None or b is None or not b else a / b


def dmabuf(r, name, *metrics, size=BIG):
    values = [r.value("x86_64", "dmabuf", name, size, m) for m in metrics]
    return None if None in values else sum(values)


def bars(r):
    """Sentence, figure, limit: the figure must not be above the limit."""
    walk, v = r.walk, r.value
    yield "PAGES: instructions per page", walk("pages"), 6
    for peer, times in (("heap-system", 25), ("udmabuf", 75), ("memfd", 400)):
        yield f"PAGES: {times} times fewer than {peer}", ratio(walk("pages"), walk(peer)), 1 / times
    yield "PAGES against memfd on hugetlb", ratio(walk("pages"), walk("memfd-hugetlb")), 1.25
    yield "CONTIG: instructions per page", walk("contig"), 2.5
    yield "STREAM: instructions per page", walk("stream"), 2.5
    yield "COHERENT: instructions per page", walk("coherent"), 2.5
    yield "CONTIG: close 64 MiB", r.page("contig", BIG, "close"), 91
    for name in ("contig", "stream", "coherent"):
        for size in (64 * KIB, MIB):
            yield f"{name.upper()}: walk of {human(size)} against heap-system", ratio(walk(name, size), walk("heap-system", size)), 1.05
    yield "CONTIG against memfd on hugetlb", ratio(walk("contig"), walk("memfd-hugetlb")), 1
    yield "REGION: instructions per page", walk("region"), 2.52
    yield "REGION against memfd on hugetlb", ratio(walk("region"), walk("memfd-hugetlb")), 1
    yield "PAGES without large folios against memfd populated", ratio(walk("pages-4k"), walk("memfd-populate")), 1
    yield "PAGES with folios of 64 KiB: instructions per page", walk("pages-64k"), 300
    # A heap has no page cache. What mm does to put one folio there does not depend on its size, and
    # is a fifth of making a buffer of 64 KiB, but nothing at 1 MiB.
    limits = {64 * KIB: 1.25, MIB: 1.08}
    for size in (64 * KIB, MIB, 2 * MIB, 16 * MIB, 64 * MIB, 512 * MIB):
        yield (f"create {human(size)} against heap-system",
               ratio(r.page("pages", size, "create"), r.page("heap-system", size, "create")), limits.get(size, 1.02))
    yield "create 64K: CONTIG against heap-system", ratio(r.page("contig", 64 * KIB, "create"), r.page("heap-system", 64 * KIB, "create")), 1.08
    big = 512 * MIB
    yield "fork with 512 MiB against heap-system", ratio(v("x86_64", "pages", "pages", big, "fork"), v("x86_64", "pages", "heap-system", big, "fork")), 1
    yield "mapped once against read(), 16 MiB, wall time", ratio(v("uml", "copy", "pages", 16 * MIB, "mapped"), v("uml", "copy", "pages", 16 * MIB, "read")), 2 / 3
    for m in ("create+close", "mmap+munmap", "mmap+touch+munmap", "pread", "pwrite", "open+close",
              "info", "seal", "sync", "signal", "ack"):
        yield (f"{m} with 10,000 buffers alive against 1",
               ratio(v("x86_64", "scale", "pages", 10000, m), v("x86_64", "scale", "pages", 1, m)), 1.1)
    all_of_it = ("create", "export", "attach+map")
    # What a peer needs for the same: a heap makes the memory and the DMA-BUF in one, and
    # udmabuf makes a DMA-BUF of a memfd.
    for peer, times in (("heap-system", 1), ("udmabuf", 10)):
        yield (f"EXPORT, attach and map of 64 MiB against all that {peer} takes for it",
               ratio(dmabuf(r, "pages", *all_of_it[1:]), dmabuf(r, peer, *all_of_it)), 1 / times)
    yield ("the same against udmabuf, and making the buffer counts",
           ratio(dmabuf(r, "pages", *all_of_it), dmabuf(r, "udmabuf", *all_of_it)), 0.1)
    yield ("the same against heap-system, and making the buffer counts",
           ratio(dmabuf(r, "pages", *all_of_it), dmabuf(r, "heap-system", *all_of_it)), 1.25)
    # The name of a lock's class is what initialised it. What the whole VFS shares is in the table.
    ours = [m for m in r.metrics("locks", "locks") if re.search(r"buf->|invalidate_lock|names_mutex", m)]
    yield "shmbuf's locks that two CPUs with a buffer each waited for", sum(v("locks", "locks", "own", 0, m) or 0 for m in ours), 0
    # With the same buffer they do, or nobody looks.
    yield "nobody was seen waiting for the same buffer either", 0 if any(v("locks", "locks", "same", 0, m) for m in ours) else 1, 0
    one, two = r.data["runs"].get("x86_64", {}), r.data["runs"].get("again", {})
    worst = max((abs(one[k] - two[k]) / max(one[k], 1) for k in one.keys() & two.keys()), default=None)
    yield "two runs differ by at most", worst if one.keys() == two.keys() else None, 0.01


def check(r):
    failed = 0
    for n, (sentence, figure, limit) in enumerate(bars(r), 1):
        good = figure is not None and 0 <= figure <= limit
        failed += not good
        print(f"{'ok' if good else 'not ok'} {n} {sentence}: {'not measured' if figure is None else f'{figure:.4g}'}, at most {limit:.4g}")
    return 1 if failed else 0


def read(path, kernel, command, runs):
    data = {"kernel": kernel, "command": command, "configs": {}, "runs": {}}
    for run in runs:
        name, _, rest = run.partition("=")
        config, _, console = rest.rpartition("=")
        lines = open(console, errors="replace").read().splitlines()
        if "bench: done" not in lines or any(line.startswith("bench: error") for line in lines):
            sys.exit(f"{console}: the program did not reach its end")
        data["configs"][name] = config
        data["runs"][name] = {f"{m[1]} {m[2]} {m[3]} {m[4]}": float(m[5]) for line in lines
                              if (m := re.fullmatch(r"bench: (\S+) (\S+) (\d+) (\S+) (-?[\d.]+)", line))}
    with open(path, "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


OURS = ("pages", "contig", "coherent", "stream", "region", "shmbuf")


def label(name):
    return "shmbuf " + name.upper() if name in OURS[:-1] else name


# A browser in dark mode shows a chart with its lightness inverted and its hues as they are.
DARK = "@media (prefers-color-scheme: dark) { #gnuplot_canvas { filter: invert(0.9) hue-rotate(180deg) } }"


def plot(path, title, r, body):
    script = f"""
set terminal svg size 760,460 font "sans-serif,13" background "white"
set output "{path}"
set title "{title}\\n{r.data['kernel']}; {r.data['command']}" font ",11" noenhanced
set border 3
set tics nomirror
set style fill solid
unset key
{body}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    with open(path) as f:
        svg = f.read()
    with open(path, "w") as f:
        f.write(svg.replace("<defs>", f"<defs>\n<style>{DARK}</style>", 1))


def bars_of(values, rest=""):
    """Horizontal bars of (name, value), the longest at the bottom."""
    rows = "\n".join(f'{v:.2f} "{label(n)}" {2 if n in OURS else 1} "{cell(v)}"' for n, v in sorted(values, key=lambda nv: -nv[1]))
    return f"""
set logscale x
set xrange [{min(v for _, v in values) / 4}:{max(v for _, v in values) * 4}]
set offsets 0, 0, 0.5, 0.5
set grid x
$rows << END
{rows}
END
plot $rows using (1e-3):0:(1e-3):1:($0-0.35):($0+0.35):($3==2 ? 0x1f6fb4 : 0xa0a0a0):yticlabels(2) with boxxyerror linecolor rgb variable, \\
     $rows using ($1*1.1):0:4 with labels left"""


def spread(values, top):
    """Where the labels of the lines stand, none above another, on a logarithmic axis."""
    step = (top / min(values.values())) ** (1 / 32)
    places, last = {}, 0
    for k, v in sorted(values.items(), key=lambda kv: kv[1]):
        places[k] = last = max(v, last * step)
    return places


def lines_of(r, what):
    """A line per kind, by size."""
    kinds = [k for k in r.names("x86_64", "pages") if not k.startswith("pages-")]
    sizes = r.sizes("x86_64", "pages")
    colours = dict(zip(OURS, ("0x1f6fb4", "0xd1495b", "0x2e8b57", "0xe08e1b", "0x7b4fa6")))
    body, plots = "", []
    lines = {k: [(s, v) for s in sizes if (v := r.page(k, s, *what)) is not None] for k in sorted(kinds, key=lambda k: k in OURS)}
    places = spread({k: points[-1][1] for k, points in lines.items()},
                    max(v for points in lines.values() for _, v in points))
    for k, points in lines.items():
        rows = "\n".join(f'{s // KIB} {v:.3f}' for s, v in points)
        body += f"${k.replace('-', '_')} << END\n{rows}\nEND\n"
        colour, width = colours.get(k, "0xb0b0b0"), 2 if k in OURS else 1
        plots.append(f"${k.replace('-', '_')} using 1:2 with linespoints linecolor rgb {colour} linewidth {width} pointtype 7 pointsize 0.4")
        body += f'set label "{label(k)}" at {sizes[-1] // KIB * 1.3},{places[k]:.3f} left font ",9" textcolor rgb {colour if k in OURS else "0x606060"}\n'
    names = ", ".join(f'"{human(s)}" {s // KIB}' for s in sizes if s != 2 * MIB)
    return f"""
set logscale xy
set xrange [3:{sizes[-1] // KIB * 14}]
set xtics ({names})
set xlabel "size of the buffer"
set ylabel "guest instructions per 4 KiB page"
set grid
{body}
plot """ + ", \\\n".join(plots)


def charts(r, folder):
    values = [(k, w) for k in r.names("x86_64", "pages") if not k.startswith("pages-") and (w := r.walk(k))]
    plot(f"{folder}/chart.svg", f"mmap, a write to each page, munmap of {human(BIG)}: guest instructions per 4 KiB page; shorter is faster", r, bars_of(values))
    plot(f"{folder}/walk.svg", "mmap, a write to each page, munmap; lower is faster", r, lines_of(r, WALK))
    plot(f"{folder}/life.svg", "create, mmap, a write to each page, munmap, close; lower is faster", r, lines_of(r, LIFE))
    size = max(r.sizes("x86_64", "frames"))
    values = [(n, r.value("x86_64", "frames", n, size, "frame")) for n in r.names("x86_64", "frames")]
    plot(f"{folder}/frames.svg", f"a frame of {size / 1e6:.1f} MB (4K) from a driver to a process: instructions of the process, wake-up included; shorter is faster", r, bars_of(values))


def main(argv):
    if len(argv) > 4 and argv[1] == "read":
        return read(argv[2], argv[3], argv[4], argv[5:])
    if len(argv) == 3 and argv[1] == "text":
        return print("\n".join(text(Results(argv[2]))))
    if len(argv) == 4 and argv[1] == "charts":
        return charts(Results(argv[2]), argv[3])
    if len(argv) == 3 and argv[1] == "check":
        return check(Results(argv[2]))
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv))
