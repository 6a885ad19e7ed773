"""The rows as Markdown: one table per problem."""

from __future__ import annotations

from collections.abc import Iterable

HEAD = (
    "| method | gap | CPU s | × SVC | × (assembly + SVC) | iterations | passes | kernels | peak MiB | extra MiB | |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def number(value: str, form: str) -> str:
    """Return a number shortened, or a dash.

    Examples
    --------
    >>> number("12.345", ".1f"), number("", ".1f")
    ('12.3', '–')
    """
    return format(float(value), form) if value else "–"


def line(row: dict[str, str]) -> str:
    """Return a row of the table."""
    status = "" if row["status"] == "ok" else row["status"].replace("|", "/")
    cells = (
        row["method"],
        number(row["gap"], ".1e"),
        number(row["cpu_s"], ".3g"),
        number(row["per_svc"], ".1f"),
        number(row["per_assembly_svc"], ".1f"),
        number(row["iterations"], ".0f"),
        number(row["passes"], ".1f"),
        number(row["kernels"], ".0f"),
        number(row["peak_mib"], ".0f"),
        number(row["extra_mib"], ".0f"),
        status,
    )
    return f"| {' | '.join(cells)} |"


def markdown(rows: Iterable[dict[str, str]]) -> str:
    """Return all tables, fastest first among those that reached the gap; what was not measured below each.

    Of two rows of one cell the later counts.
    """
    problem_of = lambda row: tuple(row[key] for key in ("problem", "n", "m", "C", "p", "tol"))  # noqa: E731
    rows = list({(*problem_of(row), row["method"]): row for row in rows}.values())
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(problem_of(row), []).append(row)
    out = []
    commits, machines = ({row[key] for row in rows if row[key]} for key in ("commit", "machine"))
    if rows:
        out += [f"Commit {', '.join(sorted(commits))}; {'; '.join(sorted(machines))}; one thread.", ""]
    if len(commits) > 1 or len(machines) > 1:
        out += ["**Rows of several commits or machines: compare only within one.**", ""]
    for (problem, n, m, C, p, tol), members in groups.items():
        kernel_set = "" if p == "1" else f", p = {p}"
        unit = next((float(row["svc_s"]) for row in members if row["svc_s"]), None)
        out += [f"### {problem}, n = {n}, m = {m}, C = {C}{kernel_set}, gap {tol}", ""]
        out += [f"One SVC on the average kernel: {1000 * unit:.1f} ms.", ""] if unit else []
        shown = [row for row in members if not row["status"].startswith(("skipped", "refused"))]
        shown.sort(key=lambda row: (row["status"] != "ok", float(row["cpu_s"] or "inf")))
        out += [*HEAD, *map(line, shown), ""]
        left_out = [f"{row['method']} ({row['status']})" for row in members if row not in shown]
        out += [f"Not here: {'; '.join(left_out)}.", ""] if left_out else []
    return "\n".join(out)
