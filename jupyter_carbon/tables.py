"""The reference tables: rows of ``data/*.csv`` by name, and hardware by the names that people and drivers write.

Permissive rows come first, then those of ``data/sharealike``, which may be absent.  Importing this module touches
no disk.  The big tables are searched as text by their first column, the key, and only the lines found are parsed:
a CPU is found in 0.5 ms where parsing its table takes 30.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jupyter_carbon.value import value

Row = dict[str, str]


def folder() -> Path:
    """The folder of the tables: beside the package in a wheel, one floor up in a checkout."""
    return Path(_folder())


def rows(name: str, *, data: Path | None = None) -> Iterator[Row]:
    """Every row of a table, permissive ones first; an unknown table is a `FileNotFoundError`."""
    for path in _files(name, data):
        with open(path, encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def lookup(name: str, key: str, *, data: Path | None = None) -> list[Row]:
    """The rows whose first column is `key`, permissive ones first, without parsing the others."""
    found: list[Row] = []
    needle = b"\n" + key.encode() + b","
    for text in _texts(name, data):
        at = text.find(needle)
        while at >= 0:
            found.append(_row(text, at + 1))
            at = text.find(needle, at + 1)
    return found


def number(row: Row, column: str) -> float | None:
    """A cell as a number; empty is unknown, which is never zero."""
    cell = row.get(column, "")
    return float(cell) if cell else None


def near(name: str, names: Iterable[str], *, count: int = 5) -> list[str]:
    """The names most like `name`, best first, for a sentence that says what was perhaps meant."""
    import difflib  # noqa: PLC0415  (only an error comes this way)

    by_lower = {known.casefold(): known for known in names}
    numbered = re.compile(r"\b(?=[a-z0-9]*\d\d)[a-z0-9]{3,}\b").findall
    # A model number says more than all the letters around it: "8x H100" is near the H100, not near the RTX A1000
    numbers = set(numbered(name.casefold()))
    same = sorted((lower for lower in by_lower if numbers & set(numbered(lower))), key=len)
    by_number = {word: lower for lower in sorted(by_lower, key=len, reverse=True) for word in numbered(lower)}
    alike = difflib.get_close_matches(name.casefold(), {**by_number, **by_lower}, n=count, cutoff=0.5)
    near_it = [lower if lower in by_lower else by_number[lower] for lower in alike]
    return [by_lower[lower] for lower in dict.fromkeys([*same[:count], *near_it])][:count]


def _by_part_of_key(name: str, part: str, data: Path | None) -> Iterator[tuple[str, Row]]:
    """Key and row of every line whose key holds `part`."""
    needle = part.encode()
    for text in _texts(name, data):
        at = text.find(needle)
        while at >= 0:
            start = text.rfind(b"\n", 0, at) + 1
            end_of_key = text.find(b",", start)
            if start > 0 and at < end_of_key:  # the header is no row
                yield text[start:end_of_key].decode(), _row(text, start)
            at = text.find(needle, max(at + 1, text.find(b"\n", at)))


def _folder() -> str:
    package = os.path.dirname(__file__)
    beside = f"{package}/data"
    return beside if os.path.isdir(beside) else f"{os.path.dirname(package)}/data"


def _files(name: str, data: Path | None) -> list[str]:
    root = data or _folder()
    found = [path for path in (f"{root}/{name}.csv", f"{root}/sharealike/{name}.csv") if os.path.isfile(path)]
    if not found:
        raise FileNotFoundError(f"no table {name!r} in {root}")
    return found


def _texts(name: str, data: Path | None) -> Iterator[bytes]:
    for path in _files(name, data):
        with open(path, "rb", buffering=0) as file:
            yield file.read()


def _row(text: bytes, start: int) -> Row:
    """The row that begins at `start`; no cell holds a line break, so a line is a row."""
    end = text.find(b"\n", start)
    line = text[start : end if end >= 0 else len(text)].decode()
    header = text[: text.find(b"\n")].decode()
    return dict(zip(*csv.reader([header, line]), strict=True))


# --- processors --------------------------------------------------------------------------------------------


@value
class CpuSpec:
    """A processor as its maker rates it; `cores` and `threads` are of one package, `None` where nobody says.

    `tdp_w` is what the cooling must carry away at the base clock, not what the package draws.
    """

    model: str
    vendor: str
    tdp_w: float
    cores: int | None
    threads: int | None
    release_year: int | None
    publisher: str
    year: int
    licence: str
    source: str


def cpu(name: str, *, data: Path | None = None) -> CpuSpec | None:
    """The processor that `lscpu`, ``/proc/cpuinfo`` or a person calls so; `None` where the name fits none or several.

    A family without a model number ("AMD EPYC", what a guest often sees) is nobody's name.
    """
    key = cpu_key(name)
    if not any(char.isdigit() for char in key):
        return None
    exact = lookup("cpus", key, data=data)
    row = exact[0] if exact else _by_key_end("cpus", key, data)
    if row is None:
        return None
    return CpuSpec(
        model=row["model"],
        vendor=row["vendor"],
        tdp_w=float(row["tdp_w"]),
        cores=_whole(row, "cores"),
        threads=_whole(row, "threads"),
        release_year=_whole(row, "release_year"),
        publisher=row["publisher"],
        year=int(row["year"]),
        licence=row["licence"],
        source=row["source"],
    )


def cpu_key(name: str) -> str:
    """A processor's name without maker, marks, clock, core count and graphics: one spelling for all.

    >>> cpu_key("13th Gen Intel(R) Core(TM) i9-13900K"), cpu_key("AMD EPYC 7763 64-Core Processor")
    ('corei913900k', 'epyc7763')
    """
    text = name.casefold().partition("@")[0].partition(",")[0]
    for mark in ("(r)", "(tm)", "(c)", "®", "™"):
        text = text.replace(mark, " ")
    kept: list[str] = []
    before = ""
    # Without regular expressions, whose compiling would take three times as long as the look-up of a CPU at load.
    for word in text.split():
        number, _, unit = word.partition("-")
        if word.startswith(("with", "w/")):  # graphics
            break
        if before == "radeon" and word[0] == "r" and word[1:2].isdigit():
            kept.pop()
            break
        is_clock = word in ("mhz", "ghz") and before.replace(".", "").isdigit()
        is_generation = word == "gen" and before.endswith(("st", "nd", "rd", "th")) and before[:-2].isdigit()
        is_clock_in_one = word.endswith(("mhz", "ghz")) and word[:-3].replace(".", "").isdigit()
        is_core_count = unit in ("core", "cores") and (number.isdigit() or number in _NUMBERS)
        is_series = before == "xeon" and word == "6"  # of the "Xeon 6 6980P", which `lscpu` calls Xeon 6980P
        if is_clock or is_generation:
            kept.pop()
        elif not (is_clock_in_one or is_core_count or is_series):
            kept += [part for part in word.split("-") if part not in _MAKERS]
        before = word
    return "".join(char for char in "".join(kept) if char == "+" or (char.isascii() and char.isalnum()))


_MAKERS = frozenset(
    [
        "intel",
        "amd",
        "aws",
        "amazon",
        "annapurna",
        "labs",
        "genuine",
        "authentic",
        "cpu",
        "apu",
        "soc",
        "processor",
        "processors",
    ]
)
_NUMBERS = frozenset(["dual", "triple", "quad", "six", "eight", "twelve", "sixteen"])


def _by_key_end(name: str, key: str, data: Path | None) -> Row | None:
    """The one row whose key ends in `key`, as people leave out the family ("7763", "i9-13900K")."""
    if len(key) < 4:
        return None
    found = [
        row
        for known, row in _by_part_of_key(name, key, data)
        if known.endswith(key) and not known[: -len(key)][-1:].isdigit()
    ]
    return found[0] if len(found) == 1 else None


def _whole(row: Row, column: str) -> int | None:
    cell = row.get(column, "")
    return int(float(cell)) if cell else None


# --- graphics processors and accelerators ------------------------------------------------------------------


@value
class GpuSpec:
    """A GPU or accelerator; `None` is unknown, never zero.

    `tdp_w` is rated board power (the whole chip where `kind` is ``soc_gpu``), `idle_w` carries its own
    `idle_source`, TFLOPS are dense peaks, `embodied_kgco2e` spans its publishers in `_low` and `_high`.
    """

    model: str
    vendor: str
    kind: str
    form: str
    tdp_w: float | None
    idle_w: float | None
    idle_source: str
    memory_gb: float | None
    fp32_tflops: float | None
    tensor_tflops: float | None
    embodied_kgco2e: float | None
    embodied_low_kgco2e: float | None
    embodied_high_kgco2e: float | None
    embodied_source: str
    release_year: int | None
    publisher: str
    year: int
    licence: str
    source: str


def gpu(name: str, *, data: Path | None = None) -> GpuSpec | None:
    """The accelerator that NVML or a person calls so ("NVIDIA A100-SXM4-80GB", "a100 80gb", "RTX 4090 laptop").

    The model must fit; memory size and form (SXM, PCIe) choose among its variants, and where they are not
    named the most complete row of the strongest form is taken.  A laptop's part is never taken for a desktop's.
    """
    wanted = gpu_words(name)
    model = [word for word in wanted if not _is_variant(word)]
    if not set(model) - _SERIES:
        return None
    telling = max(model, key=lambda word: (sum(char.isdigit() for char in word), len(word)))
    makers = {maker for word in re.findall(r"[a-z]+", name.casefold()) for maker in _MAKERS_OF.get(word, ())}
    found = [row for _, row in _by_part_of_key("gpus", telling, data) if not makers or row["vendor"] in makers]
    ranks = {index: rank for index, row in enumerate(found) if (rank := _gpu_rank(wanted, row)) is not None}
    best = {found[index]["vendor"] for index, rank in ranks.items() if rank == min(ranks.values())}
    ranked = [
        (
            rank,
            -(number(found[index], "release_year") or 0.0) if len(best) > 1 else 0.0,  # today an M4 is Apple's
            -sum(map(bool, found[index].values())),
            -(number(found[index], "tdp_w") or 0.0),
            index,
        )
        for index, rank in ranks.items()
    ]
    return _gpu_spec(found[min(ranked)[-1]]) if ranked else None


def gpu_words(name: str) -> tuple[str, ...]:
    """The words that tell one GPU from another, sorted: model, then memory size, form and "mobile".

    >>> gpu_words("NVIDIA GeForce RTX 4090 Laptop GPU"), gpu_words("A100-SXM4-80GB")
    (('4090', 'mobile', 'rtx'), ('80gb', 'a100', 'sxm'))
    """
    text = name.casefold().split(" mig ")[0].split(" / ")[0]
    # Code names of chips, "(Navi 31)", tell nothing that the model does not
    text = re.sub(r"\((?!.*(card|mezzanine|notebook|pascal|w\)|liquid))[^)]*\)", " ", text)
    text = re.sub(r"(\d+) ?gb\b", r" \1gb ", text)
    text = re.sub(r"max-?q", " maxq ", text)
    text = re.sub(r"\b(gaudi|trainium) ?(\d)", r"\1\2", text)
    text = re.sub(r"\btrillium\b", " tpu v6e ", text)
    text = re.sub(r"\b(rtx|gtx|gts|gt|rx|titan|tpu) ?(?=[a-z]?\d)", r"\1 ", text)
    text = re.sub(r"\b(\d{3,4}) ?(ti|super|xtx|xt|gre)\b", r"\1 \2 ", text)
    text = re.sub(r"\bsxm\d?\b|\boam\b|\bmezzanine\b|\bhbm3e?\b", " sxm ", text)
    text = re.sub(r"\bpc[il]e\b|\bcard\b|\bhbm2e\b", " pcie ", text)
    text = re.sub(r"\b(laptop|notebook|mobile)\b", " mobile ", text)
    words = set(re.findall(r"[a-z0-9.]+", text)) - _BRANDS
    return tuple(sorted(words))


_MAKERS_OF = {
    **dict.fromkeys(("nvidia", "geforce", "quadro"), ("NVIDIA",)),
    **dict.fromkeys(("amd", "radeon", "instinct"), ("AMD",)),
    **dict.fromkeys(("intel", "habana"), ("Intel",)),
    **dict.fromkeys(("amazon", "aws"), ("AWS",)),
    **{"tesla": ("NVIDIA", "Tesla"), "apple": ("Apple",), "google": ("Google",), "huawei": ("Huawei",)},
}
_BRANDS = frozenset(_MAKERS_OF).union(
    ["hgx", "cloud", "gpu", "accelerator", "graphics", "generation", "edition", "with", "design", "the"]
)
_FORMS = ("sxm", "pcie", "nvl")
_SERIES = frozenset(["rtx", "gtx", "rx", "gt"])
_CASES = frozenset(["workstation", "server"])  # the same board for another chassis


def _is_variant(word: str) -> bool:
    return word in _FORMS or word == "mobile" or bool(re.fullmatch(r"[\d.]+gb", word))


def _gpu_rank(wanted: tuple[str, ...], row: Row) -> int | None:
    """How far a row is from what was asked (0: nothing amiss), or `None` where it is another model."""
    have = row["key"].split(" ")
    model_wanted = {word for word in wanted if not _is_variant(word)}
    model_have = {word for word in have if not _is_variant(word)}
    missing, besides = model_wanted - model_have - _CASES, model_have - model_wanted - _CASES
    # Only one of the two may leave out the series: the RX 580 is no GTX 580, but 4090 is the RTX 4090
    if (missing | besides) - _SERIES or (missing and besides):
        return None
    rank = 40 * len(missing | besides) + 2 * len((model_wanted ^ model_have) & _CASES)
    mobile = "mobile" in have or row["form"] == "mobile"
    if "mobile" in wanted and not mobile:
        return None
    rank += 20 if "mobile" in have and "mobile" not in wanted else 0
    memory_gb = {float(word[:-2]) for word in wanted if word.endswith("gb")}
    if memory_gb and number(row, "memory_gb") not in memory_gb:
        rank += 4
    forms_wanted = {word for word in wanted if word in _FORMS}
    forms_have = {word for word in have if word in _FORMS}
    if forms_wanted:
        rank += 8 * len(forms_wanted ^ forms_have)
    elif forms_have:
        rank += 1 + _FORMS.index(min(forms_have, key=_FORMS.index))
    return rank


def _gpu_spec(row: Row) -> GpuSpec:
    return GpuSpec(
        model=row["model"],
        vendor=row["vendor"],
        kind=row["kind"],
        form=row["form"],
        tdp_w=number(row, "tdp_w"),
        idle_w=number(row, "idle_w"),
        idle_source=row["idle_source"],
        memory_gb=number(row, "memory_gb"),
        fp32_tflops=number(row, "fp32_tflops"),
        tensor_tflops=number(row, "tensor_tflops"),
        embodied_kgco2e=number(row, "embodied_kgco2e"),
        embodied_low_kgco2e=number(row, "embodied_low_kgco2e"),
        embodied_high_kgco2e=number(row, "embodied_high_kgco2e"),
        embodied_source=row["embodied_source"],
        release_year=_whole(row, "release_year"),
        publisher=row["publisher"],
        year=int(row["year"]),
        licence=row["licence"],
        source=row["source"],
    )
