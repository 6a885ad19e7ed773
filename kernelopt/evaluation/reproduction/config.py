"""A reproduction as data: a study, the published figures, and how they go together."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from kernelopt.evaluation.reproduction.comparison import Remark
from kernelopt.evaluation.reproduction.published import Published, from_file, from_grid
from kernelopt.evaluation.reproduction.quantities import Quantity, Tolerance
from kernelopt.evaluation.study import Study

KEYS = ("dataset", "method", "criterion", "quantity")
KINDS = ("erratum", "not comparable", "sample", "note")


@dataclass(frozen=True)
class Table:
    """A published table.

    Parameters
    ----------
    title : str
        Its name.
    cells : tuple of Published
        Its figures.
    dataset, method : str
        Whose records a figure is compared with: names in the study, in which ``{dataset}``, ``{method}`` and
        ``{criterion}`` stand for those of the figure; ``*`` in the method stands for several methods.
    size : str
        The same for the number of training samples, where a study has several sizes.
    over : {"splits", "methods"}
        What the mean and the spread are over; with "methods", the means of the methods count.
    """

    title: str
    cells: tuple[Published, ...]
    dataset: str = "{dataset}"
    method: str = "{method}"
    size: str = ""
    over: Literal["splits", "methods"] = "splits"

    def __post_init__(self):
        if self.over not in ("splits", "methods"):
            raise ValueError(f"over must be 'splits' or 'methods', found {self.over!r}")
        if "*" in self.method and self.over == "splits":
            raise ValueError(f"method = {self.method!r} stands for several methods; give over = 'methods'")


@dataclass(frozen=True)
class Reproduction:
    """A paper's protocol, its figures, and what counts as reproducing them.

    Parameters
    ----------
    name, title : str
        The name it is run by; the paper's title.
    splits, full : int
        Random splits by default, and as many as the paper has.
    studies : tuple of Study or mapping
        What to run; the seeds are those of the splits. A mapping is what `Study.from_dict` reads, with ``share`` where
        the study has fewer splits than the others.
    tables : tuple of Table
        The published figures.
    quantities : mapping of str to Quantity
        How each published quantity is read off a record.
    remarks : tuple of Remark
        What is known of single cells beforehand.
    constants : mapping of str to object
        What ``"$name"`` stands for in the studies; a constant may use those before it.
    datasets : mapping of str to str
        Names of the study's data sets, where the paper calls them otherwise.

    Examples
    --------
    >>> "lanckriet2004" in names()
    True
    """

    name: str
    title: str
    splits: int
    full: int
    studies: tuple[Study | Mapping[str, Any], ...]
    tables: tuple[Table, ...]
    quantities: Mapping[str, Quantity]
    remarks: tuple[Remark, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if self.name in ("", ".", "..") or any(character in self.name for character in "/\\\0"):
            raise ValueError(f"name must be the name of files in one folder, without / or \\, found {self.name!r}")
        if not 1 <= self.splits <= self.full:
            raise ValueError(f"splits must be at least 1 and at most full = {self.full}, found {self.splits}")
        used = {cell.quantity for table in self.tables for cell in table.cells}
        if unknown := sorted(used - set(self.quantities)):
            raise ValueError(f"no [quantities.{unknown[0]}] says how the published {unknown[0]!r} is read off a record")

    @classmethod
    def load(cls, name: str | Path) -> Reproduction:
        """Return a packaged reproduction by name, or that of a TOML file."""
        path = Path(name)
        if path.suffix != ".toml":
            if str(name) not in names():
                raise ValueError(
                    f"there is no reproduction {str(name)!r}; there are {', '.join(names())}, or pass the path of "
                    f"your own .toml file"
                )
            path = _folder() / f"{name}.toml"
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not TOML: {error}") from error
        try:
            return cls.from_dict(values, path.parent)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path.name}: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], folder: Path) -> Reproduction:
        """Return the reproduction of a config's values; `folder` is where its CSV files are.

        Raises
        ------
        ValueError
            An unknown or missing key, named with those that are known.
        """
        required = ("name", "splits", "quantities", "tables", "studies")
        check_keys(values, "the config", required, ("title", "full", "remarks", "constants", "datasets"))
        return cls(
            name=str(values["name"]),
            title=str(values.get("title", values["name"])),
            splits=_count(values, "splits"),
            full=_count(values, "full") if "full" in values else _count(values, "splits"),
            studies=tuple(_tables(values, "studies")),
            tables=tuple(_table(table, folder) for table in _tables(values, "tables")),
            quantities={key: _quantity(key, value) for key, value in values["quantities"].items()},
            remarks=tuple(_remark(remark) for remark in _tables(values, "remarks")),
            constants=values.get("constants", {}),
            datasets=values.get("datasets", {}),
        )

    def dataset(self, table: Table, cell: Published) -> str:
        """Return the study's name of the data set of a figure."""
        return table.dataset.format(**{**cell.key, "dataset": self.datasets.get(cell.dataset, cell.dataset)})


def names() -> tuple[str, ...]:
    """Return the names of the reproductions that travel with the library."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def check_keys(values: Any, where: str, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Raise unless a table holds all keys that are required and none that is not known."""
    known = (*required, *optional)
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} must be a table with the keys {', '.join(known)}, found {values!r}")
    if unknown := [key for key in values if key not in known]:
        raise ValueError(f"{where} has an unknown key {unknown[0]!r}; it may have {', '.join(known)}")
    if missing := [key for key in required if key not in values]:
        raise ValueError(f"{where} lacks the key {missing[0]!r}")


def _folder() -> Path:
    return Path(str(resources.files("kernelopt.evaluation.reproduction") / "papers"))


def _count(values: Mapping[str, Any], key: str) -> int:
    if not isinstance(values[key], int) or isinstance(values[key], bool):
        raise ValueError(f"{key} must be a whole number, found {values[key]!r}")
    return values[key]


def _tables(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = values.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ValueError(f"{key} must be an array of tables, written [[{key}]], found {found!r}")
    return found


def _table(values: Mapping[str, Any], folder: Path) -> Table:
    options = ("dataset", "method", "size", "over")
    where = f"[[tables]] {values.get('title', '')}".strip()
    if "file" in values:
        check_keys(values, where, ("title", "file"), options)
        cells = from_file(folder / values["file"])
    else:
        check_keys(values, where, ("title", "quantity", "columns", "rows"), ("criterion", *options))
        cells = from_grid(values["rows"], values["columns"], values["quantity"], values.get("criterion", ""))
    return Table(values["title"], tuple(cells), **{key: values[key] for key in options if key in values})


def _quantity(name: str, values: Mapping[str, Any]) -> Quantity:
    where, optional = f"[quantities.{name}]", ("transform", "factor", "published_transform", "label", "digits")
    check_keys(values, where, ("value", "tolerance"), optional)
    check_keys(values["tolerance"], f"{where} tolerance", (), ("absolute", "relative", "spread"))
    return Quantity(**{"label": name, **values, "tolerance": Tolerance(**values["tolerance"])})


def _remark(values: Mapping[str, Any]) -> Remark:
    check_keys(values, "[[remarks]]", ("kind", "where", "text"))
    check_keys(values["where"], "[[remarks]] where", (), KEYS)
    if values["kind"] not in KINDS:
        raise ValueError(f"[[remarks]] kind must be one of {', '.join(KINDS)}, found {values['kind']!r}")
    return Remark(values["kind"], dict(values["where"]), str(values["text"]))
