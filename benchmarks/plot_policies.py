#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Draws what benchmarks/policies.cpp measured: plot_policies.py DATA.csv PICTURE.png

Prints the figures as a Markdown table as well.
"""

import csv
import sys

try:
    import matplotlib
except ImportError:
    sys.exit(f"plot_policies.py: {sys.executable} has no matplotlib; Debian: "
             "apt-get install --no-install-recommends python3-matplotlib, then /usr/bin/python3")
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

BLUE, RED, GREEN, YELLOW, GREY = "#4477aa", "#ee6677", "#228833", "#ccbb44", "#777777"
TAIL = "heavy tail"


class Figures:
    """The figures by scenario, policy and metric, each in the order of the file."""

    def __init__(self, path):
        self.values = {}
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                key = row["scenario"], row["policy"], row["metric"]
                self.values[key] = float(row["value"])

    def get(self, scenario, policy, metric):
        return self.values[scenario, policy, metric]

    def scenarios(self, start):
        return list(dict.fromkeys(s for s, _, _ in self.values if s.startswith(start)))

    def policies(self, scenario, metric):
        return [p for s, p, m in self.values if (s, m) == (scenario, metric)]

    def workers(self, scenario, policy):
        return [value for (s, p, m), value in self.values.items()
                if (s, p) == (scenario, policy) and m.startswith("worker ")]


def name_rows(axes, names):
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def put_legend(axes, columns):
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.98), ncol=columns, frameon=False,
                fontsize=11, columnspacing=0.9, handletextpad=0.3, handlelength=1.0)


def draw_tail(axes, figures):
    policies = figures.policies(TAIL, "p99")
    marks = [("p50", BLUE, "o"), ("p90", GREEN, "s"), ("p99", RED, "D"), ("max", GREY, "|")]
    for metric, color, shape in marks:
        values = [figures.get(TAIL, policy, metric) for policy in policies]
        axes.plot(values, range(len(policies)), shape, color=color, markersize=9, label=metric,
                  markeredgewidth=2 if shape == "|" else 1, zorder=3)
    for row, policy in enumerate(policies):
        ends = [figures.get(TAIL, policy, metric) for metric in ("p50", "max")]
        axes.plot(ends, [row, row], color="#bbbbbb", linewidth=2, zorder=1)
        values = [figures.get(TAIL, policy, metric) for metric in ("p50", "p90", "p99")]
        axes.annotate(" / ".join(f"{value:.0f}" for value in values), (1.0, row), xytext=(6, 0),
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      verticalalignment="center", fontsize=11)
    axes.annotate("p50 / p90 / p99", (1.0, -0.6), xytext=(6, 6), fontsize=10, color=GREY,
                  xycoords=("axes fraction", "data"), textcoords="offset points")
    for request in ("ordinary request", "rare request"):
        axes.axvline(figures.get(TAIL, "any", request), color=YELLOW, linestyle="--", zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    name_rows(axes, policies)
    axes.set_xlabel("milliseconds; dashed: what the two kinds of requests take by themselves")
    axes.set_title("Latency when 1 % of the requests take 100 times as long", loc="left")
    put_legend(axes, 4)


def draw_spread(axes, figures):
    scenarios = figures.scenarios("spread")
    policies = figures.policies(scenarios[0], "min")
    for scenario, color, shift in zip(scenarios, (BLUE, RED), (-0.17, 0.17)):
        for row, policy in enumerate(policies):
            shares = figures.workers(scenario, policy)
            axes.plot(shares, [row + shift] * len(shares), "o", color=color, markersize=6,
                      alpha=0.6, markeredgewidth=0,
                      label=scenario.removeprefix("spread ") if row == 0 else None)
    name_rows(axes, policies)
    axes.set_xlabel("what each worker got, % of its fair share")
    axes.set_title("Spread over 8 workers", loc="left")
    put_legend(axes, 2)


def draw_rate(axes, figures):
    scenarios = figures.scenarios("rate")
    policies = figures.policies(scenarios[0], "rate")
    for scenario, color, shift in zip(scenarios, (BLUE, YELLOW), (-0.2, 0.2)):
        values = [figures.get(scenario, policy, "rate") / 1000 for policy in policies]
        rows = [row + shift for row in range(len(policies))]
        axes.barh(rows, values, 0.36, color=color)
        for row, value in zip(rows, values):
            # The first ones say for all what is what.
            note = scenario.removeprefix("rate") if row == rows[0] else ""
            axes.annotate(f"{value:.1f}{note}", (value, row), xytext=(4, 0), fontsize=11,
                          textcoords="offset points", verticalalignment="center")
    name_rows(axes, policies)
    axes.margins(x=0.62)
    axes.set_xlabel("thousands a second")
    axes.set_title("New connections", loc="left")


def print_table(figures):
    columns = [("spread idle", "standard deviation", "idle, %", ".1f"),
               ("spread loaded", "standard deviation", "loaded, %", ".1f")]
    columns += [(TAIL, metric, f"{metric}, ms", ".1f")
                for metric in ("p50", "p90", "p99", "max", "ordinary p99")]
    columns += [(scenario, "rate", scenario.removeprefix("rate ") + ", /s", ",.0f")
                for scenario in figures.scenarios("rate")]
    print("| policy |", " | ".join(heading for _, _, heading, _ in columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    for policy in figures.policies(TAIL, "p99"):
        cells = [format(figures.values[scenario, policy, metric], style)
                 if (scenario, policy, metric) in figures.values else ""
                 for scenario, metric, _, style in columns]
        name, _, credit = policy.partition(" ")
        print(f"| `{name}`{', ' + credit if credit else ''} |", " | ".join(cells), "|")


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: plot_policies.py DATA.csv PICTURE.png")
    data, picture = sys.argv[1:]
    try:
        figures = Figures(data)
        plt.rcParams.update({"font.size": 12, "axes.titlesize": 12.5, "axes.titleweight": "bold"})
        drawn = plt.figure(figsize=(12, 8), dpi=100)
        above = drawn.add_gridspec(1, 1, left=0.25, right=0.89, top=0.95, bottom=0.53)
        below = drawn.add_gridspec(1, 2, left=0.14, right=0.98, top=0.4, bottom=0.075, wspace=0.42)
        draw_tail(drawn.add_subplot(above[0]), figures)
        draw_spread(drawn.add_subplot(below[0]), figures)
        draw_rate(drawn.add_subplot(below[1]), figures)
        drawn.savefig(picture)
        print_table(figures)
    except OSError as error:
        sys.exit(f"plot_policies.py: {error}")
    except (KeyError, IndexError, ValueError) as error:
        sys.exit(f"plot_policies.py: {data} is not all that the benchmark measures: {error!r}")


if __name__ == "__main__":
    main()
